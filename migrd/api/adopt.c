/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The route by which a QEMU of somebody else becomes a VM. */
#include "api/api.h"
#include "base/mem.h"

struct pending {
	struct http_request *req;
	struct api *api;
};

static struct json_object *notes_json(const struct faults *notes)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < notes->count && i < FAULT_MAX; i++) {
		struct json_object *note = json_object_new_object();

		json_add_str(note, "option", notes->list[i].pointer);
		json_add_str(note, "note", notes->list[i].detail);
		json_object_array_add(array, note);
	}
	return array;
}

static struct json_object *found_json(const struct adopt_found *found)
{
	struct json_object *obj = json_object_new_object();
	char version[48];

	snprintf(version, sizeof(version), "%d.%d.%d", found->version.major, found->version.minor,
		 found->version.micro);
	json_object_object_add(obj, "definition", vm_def_encode(found->result->def));
	json_object_object_add(obj, "notes", notes_json(found->result->notes));
	json_add_int(obj, "pid", found->id.pid);
	json_add_str(obj, "qemu_version", version);
	json_add_str(obj, "state", qmp_run_state_name(found->run_state));
	json_add_str(obj, "confirm", found->confirm);
	return obj;
}

static void on_done(void *data, const struct adopt_found *found, const struct err *err)
{
	struct pending *pending = data;
	const struct vm *vm = found && found->is_taken
				      ? vm_find(pending->api->vms, found->result->def->name)
				      : NULL;

	if (!found)
		http_reply_err(pending->req, err);
	else if (found->result->refused->count)
		http_reply_faults(pending->req, found->result->refused);
	else if (found->is_taken)
		http_reply(pending->req, 201, vm ? api_vm_json(pending->api, vm) : NULL);
	else
		http_reply(pending->req, 200, found_json(found));
	free(pending);
}

void api_vms_adopt(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct adopt_request request;
	struct pending *pending;

	if (!api_ready(req, api)) {
		;
	} else if (!adopt_request_decode(http_body(req), &request, faults)) {
		http_reply_faults(req, faults);
	} else {
		pending = xnew(struct pending);
		pending->req = req;
		pending->api = api;
		adopt_begin(api->adopter, &request, on_done, pending);
	}
	faults_free(faults);
}
