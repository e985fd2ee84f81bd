/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: a message of another coordinator, through every decoder.  No crash, no
 * leak, and an error exactly when there is no result. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/peer_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(message, fields)                                 \
	do {                                                 \
		static struct message msg;                   \
		struct err err = { 0 };                      \
		bool ok = message##_decode(obj, &msg, &err); \
		struct json_object *out;                     \
		assert(ok != err_is_set(&err));              \
		if (!ok)                                     \
			break;                               \
		out = json_encode(fields, &msg);             \
		json_release(fields, &msg);                  \
		assert(message##_decode(out, &msg, &err));   \
		json_release(fields, &msg);                  \
		json_object_put(out);                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);

	TRY(peer_hello, peer_hello_fields);
	TRY(peer_hello_reply, peer_hello_reply_fields);
	TRY(peer_prepare, peer_prepare_fields);
	TRY(peer_prepare_reply, peer_prepare_reply_fields);
	TRY(peer_claim, peer_claim_fields);
	TRY(peer_verdict, peer_verdict_fields);
	TRY(peer_fate, peer_fate_fields);
	TRY(peer_vms, peer_vms_fields);
	json_object_put(obj);
	faults_free(faults);
	return 0;
}
