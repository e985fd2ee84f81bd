/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes: no crash; what is taken is taken again, and as the same, when it is
 * written out; and json-c refuses nothing that the scan has let through. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);
	struct json_object *again;
	const char *text;

	assert(!!obj == (faults->count == 0));
	if (!obj && json_scan((const char *)data, size, &json_limits_default, faults))
		assert(!strcmp(faults->list[0].detail, "null is not a document") ||
		       size > json_limits_default.max_bytes);
	if (obj) {
		struct json_limits limits = { .max_bytes = 16u << 20, .max_depth = 16 };

		text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN);
		again = json_parse(text, strlen(text), &limits, faults);
		assert(again && json_object_equal(obj, again));
		json_object_put(again);
	}
	json_object_put(obj);
	faults_free(faults);
	return 0;
}
