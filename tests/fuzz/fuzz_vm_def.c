/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: any JSON as a definition.  It is refused with a fault, or it stays the
 * same when it is encoded and decoded; once normalized, it is valid and stays as it is. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "wire/vm_def.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct vm_def *def)
{
	struct faults *faults = faults_new();
	struct vm_def *again = xnew(struct vm_def);
	struct json_object *obj = vm_def_encode(def);

	assert(vm_def_decode(obj, again, faults));
	assert(!memcmp(def, again, sizeof(*def)));
	json_object_put(obj);
	faults_free(faults);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct vm_def *def = xnew(struct vm_def);
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);
	struct err err;

	if (obj && vm_def_decode(obj, def, faults)) {
		assert(faults->count == 0);
		round_trip(def);
		if (vm_def_normalize(def, &err))
			round_trip(def);
	} else {
		assert(faults->count > 0);
	}
	json_object_put(obj);
	faults_free(faults);
	free(def);
	return 0;
}
