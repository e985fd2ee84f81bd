/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: a message of another coordinator, through every decoder.  No crash, no
 * leak, and an error exactly when there is no result. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/peer_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(message)                                         \
	do {                                                 \
		static struct message msg;                   \
		struct err err = { 0 };                      \
		bool ok = message##_decode(obj, &msg, &err); \
		struct json_object *out;                     \
		assert(ok != err_is_set(&err));              \
		if (!ok)                                     \
			break;                               \
		out = json_encode(message##_fields, &msg);   \
		json_release(message##_fields, &msg);        \
		assert(message##_decode(out, &msg, &err));   \
		json_release(message##_fields, &msg);        \
		json_object_put(out);                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);

	TRY(peer_hello);
	TRY(peer_hello_reply);
	TRY(peer_prepare);
	TRY(peer_prepare_reply);
	TRY(peer_claim);
	TRY(peer_verdict);
	TRY(peer_fate);
	TRY(peer_vms);
	json_object_put(obj);
	faults_free(faults);
	return 0;
}
