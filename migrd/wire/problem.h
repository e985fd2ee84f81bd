/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/problem.h -- the answer to a request that was refused or failed (RFC 9457).  A route
 * may add members: its own struct begins with struct problem.  Thread: any. */
#ifndef MIGRD_WIRE_PROBLEM_H
#define MIGRD_WIRE_PROBLEM_H

#include "base/json.h"

/* Texts are borrowed. */
struct problem {
	const char *type, *title;
	int64_t status;
	const char *detail, *code;
	bool retry;
	const struct fault *errors;
	size_t error_count; /* 0: there is no list of them */
};
extern const struct json_field problem_fields[];

/* The detail of a path that no route has: an older coordinator says it of a route that came later,
 * where `not-found' alone may also be of what the path names.  It never changes. */
#define PROBLEM_NO_PATH "there is no such path"
/* A peer has answered a question with ERR and PROBLEM (NULL: it has not), which says that its
 * coordinator is older than the question. */
bool problem_is_of_older(struct json_object *problem, const struct err *err);

/* One check that did not pass. */
struct problem_check {
	const char *check, *detail;
};
/* The problem that GET /readyz answers. */
struct problem_of_readiness {
	struct problem problem;
	const struct problem_check *checks;
	size_t check_count;
};
extern const struct json_field problem_of_readiness_fields[];
/* The problem that POST /peer/v1/moves/{id}/prepare answers. */
struct problem_of_offer {
	struct problem problem;
	const struct problem_check *reasons;
	size_t reason_count;
};
extern const struct json_field problem_of_offer_fields[];
/* The problem that POST /v1/vms/{name}/monitor answers. */
struct problem_of_qemu {
	struct problem problem;
	struct json_object *qemu; /* borrowed; NULL: left out */
};
extern const struct json_field problem_of_qemu_fields[];

#endif
