/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: any bytes as JSON.  No crash; an accepted text is accepted again, with
 * the same value, after it was written out; and json-c's own parser makes the same tree. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_object *by_json_c(const uint8_t *data, size_t size)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *obj = json_tokener_parse_ex(tok, (const char *)data, (int)size);

	/* A number at the top level could go on, so json-c has to be shown its end. */
	if (!obj && json_tokener_get_error(tok) == json_tokener_continue)
		obj = json_tokener_parse_ex(tok, "", 1);
	json_tokener_free(tok);
	return obj;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);
	struct json_object *again, *other;
	const char *text;

	assert(!!obj == (faults->count == 0));
	if (obj) {
		struct json_limits limits = { .max_bytes = 16u << 20, .max_depth = 16 };

		text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN);
		again = json_parse(text, strlen(text), &limits, faults);
		assert(again && json_object_equal(obj, again));
		json_object_put(again);
		other = by_json_c(data, size);
		assert(json_object_equal(obj, other));
		json_object_put(other);
	}
	json_object_put(obj);
	faults_free(faults);
	return 0;
}
