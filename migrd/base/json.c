/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <limits.h>

#include "base/json_scan.h"
#include "base/mem.h"

const struct json_limits json_limits_default = { .max_bytes = 1 << 20,
						 .max_depth = 16,
						 .max_values = 10000 };

/* The text has passed json_scan(): what json-c still refuses is a disagreement
 * between the two, which the fuzz target looks for.  No JSON_TOKENER_STRICT: it
 * adds nothing to the scan, and json-c 0.18 then refuses every character that is
 * not ASCII (json-c issue 892). */
static struct json_object *build_tree(const char *text, int len, unsigned max_depth,
				      struct faults *faults)
{
	/* json-c counts a level more than the deepest container. */
	struct json_tokener *tok = json_tokener_new_ex((int)max_depth + 2);
	struct json_object *obj;
	enum json_tokener_error error;

	if (!tok)
		abort();
	obj = json_tokener_parse_ex(tok, text, len);
	/* A number at the top may go on until json-c is shown an end. */
	if (!obj && json_tokener_get_error(tok) == json_tokener_continue)
		obj = json_tokener_parse_ex(tok, "", 1);
	error = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (error == json_tokener_success)
		return obj;
	json_object_put(obj);
	faults_add(faults, "", "%s", json_tokener_error_desc(error));
	return NULL;
}

struct json_object *json_parse(const void *data, size_t len, const struct json_limits *limits,
			       struct faults *faults)
{
	struct json_object *obj;

	if (len > limits->max_bytes || len > INT_MAX) {
		faults_add(faults, "", "%zu bytes are too many: at most %zu are taken", len,
			   limits->max_bytes);
		return NULL;
	}
	if (!json_scan(data, len, limits, faults))
		return NULL;
	obj = build_tree(data, (int)len, limits->max_depth, faults);
	/* json-c's null is NULL, which here means failure. */
	if (!obj && faults->count == 0)
		faults_add(faults, "", "null is not a document");
	return obj;
}
