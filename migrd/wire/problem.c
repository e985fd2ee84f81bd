/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/problem.h"

#include <string.h>

static const struct json_field fault_fields[] = {
	JSON_SHOWN(struct fault, pointer,
		   "Place of the fault: a JSON pointer (RFC 6901), or ?KEY of the query."),
	JSON_SHOWN(struct fault, detail, "Description of the fault."),
	{ 0 },
};

const struct json_field problem_fields[] = {
	JSON_SHOWN(struct problem, type, "about:blank."),
	JSON_SHOWN(struct problem, title, "The status in words."),
	JSON_SHOWN(struct problem, status, "HTTP status of the answer."),
	JSON_SHOWN(struct problem, detail, "Description for people, with what can be done."),
	JSON_SHOWN(struct problem, code, "One of schema/errors.md; never renamed."),
	JSON_SHOWN(struct problem, retry,
		   "The same request may succeed later; the header Retry-After says when to try."),
	JSON_SHOWN_LIST(struct problem, errors, error_count, fault_fields,
			"All faults of the request."),
	{ 0 },
};

bool problem_is_of_older(struct json_object *problem, const struct err *err)
{
	const char *detail = problem ? json_get_str(problem, "detail") : NULL;

	return err->code == ERR_NOT_FOUND && detail && strcmp(detail, PROBLEM_NO_PATH) == 0;
}

static const struct json_field check_fields[] = {
	JSON_SHOWN(struct problem_check, check, "Name of the check."),
	JSON_SHOWN(struct problem_check, detail, "Description of what is wrong."),
	{ 0 },
};

const struct json_field problem_of_readiness_fields[] = {
	JSON_PART_OF(struct problem_of_readiness, problem, problem_fields),
	JSON_SHOWN_LIST(struct problem_of_readiness, checks, check_count, check_fields,
			"Checks of this host that failed.", .required = true),
	{ 0 },
};

const struct json_field problem_of_offer_fields[] = {
	JSON_PART_OF(struct problem_of_offer, problem, problem_fields),
	JSON_SHOWN_LIST(struct problem_of_offer, reasons, reason_count, check_fields,
			"All that speaks against the move.", .required = true),
	{ 0 },
};

const struct json_field problem_of_qemu_fields[] = {
	JSON_PART_OF(struct problem_of_qemu, problem, problem_fields),
	JSON_SHOWN_IF(struct problem_of_qemu, qemu, "QEMU's own words."),
	{ 0 },
};
