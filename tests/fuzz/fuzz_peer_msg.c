/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: a message of another coordinator, through every decoder.  No crash, no
 * leak, and an error exactly when there is no result. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/capacity.h"
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

static void try_capacity(struct json_object *obj)
{
	static struct capacity_vm_told vm, again;
	static struct capacity_page page;
	struct err err = { 0 };
	bool ok;

	memset(&page, 0, sizeof(page));
	ok = capacity_page_read(obj, &page, &err);
	assert(ok != err_is_set(&err));
	for (size_t i = 0; ok && i < json_count(page.vms); i++) {
		struct json_object *out;

		if (!capacity_vm_read(&page, i, &vm, &err))
			continue;
		out = json_encode(capacity_vm_told_fields, &vm);
		assert(json_decode_object(out, capacity_vm_told_fields, &again, JSON_STRICT, &err));
		json_object_put(out);
	}
	capacity_page_fini(&page);
}

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
	try_capacity(obj);
	json_object_put(obj);
	faults_free(faults);
	return 0;
}
