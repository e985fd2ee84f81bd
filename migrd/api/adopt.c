/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* POST /v1/vms/adopt: takes over a QEMU that somebody else started. */
#include "api/api.h"
#include "base/mem.h"
#include "wire/adopt_reply.h"

struct pending {
	struct http_request *req;
	struct api *api;
	bool is_counted; /* it may bring a VM */
};

static void reply_found(struct http_request *req, const struct adopt_found *found)
{
	const struct faults *notes = found->result->notes;
	CLEANUP(json_putp) struct json_object *definition = vm_def_encode(found->result->def);
	struct adopt_reply reply = {
		.definition = definition,
		.notes = notes->list,
		.note_count = notes->count < FAULT_MAX ? notes->count : FAULT_MAX,
		.pid = found->id.pid,
		.state = qmp_run_state_name(found->run_state),
		.confirm = found->confirm,
	};

	snprintf(reply.qemu_version, sizeof(reply.qemu_version), "%d.%d.%d", found->version.major,
		 found->version.minor, found->version.micro);
	http_reply_as(req, 200, adopt_reply_fields, &reply);
}

static void on_done(void *data, const struct adopt_found *found, const struct err *err)
{
	struct pending *pending = data;
	const struct vm *vm = found && found->is_taken
				      ? vm_find(pending->api->vms, found->result->def->name)
				      : NULL;

	if (pending->is_counted)
		cordon_creation_ends(pending->api->holds);
	if (!found)
		http_reply_err(pending->req, err);
	else if (found->result->refused->count)
		http_reply_faults(pending->req, found->result->refused);
	else if (found->is_taken)
		api_vm_reply(pending->req, 201, pending->api, vm);
	else
		reply_found(pending->req, found);
	free(pending);
}

void api_vms_adopt(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct adopt_request request;
	struct pending *pending;
	struct err err;

	if (!api_ready(req, api)) {
		;
	} else if (!adopt_request_decode(http_body(req), &request, faults)) {
		http_reply_faults(req, faults);
	} else if (!request.dry_run && !cordon_lets_in(api->holds, &err)) {
		http_reply_err(req, &err);
	} else {
		pending = xnew(struct pending);
		pending->req = req;
		pending->api = api;
		pending->is_counted = !request.dry_run;
		if (pending->is_counted)
			cordon_creation_begins(api->holds);
		adopt_begin(api->adopter, &request, on_done, pending);
	}
	faults_free(faults);
}
