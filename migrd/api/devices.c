/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of a VM's devices. */
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "vm/devices.h"
#include "vm/medium.h"
#include "wire/vm_def.h"

/* A request until its answer.  The VM may be gone by then, so its uuid is kept. */
struct pending {
	struct http_request *req;
	struct api *api;
	char uuid[ID_UUID_SIZE];
	char id[VM_DEF_ID_SIZE];
};

static struct pending *pending_new(struct http_request *req, struct api *api, const struct vm *vm,
				   const char *id)
{
	struct pending *pending = xnew(struct pending);

	pending->req = req;
	pending->api = api;
	snprintf(pending->uuid, sizeof(pending->uuid), "%s", vm_uuid(vm));
	snprintf(pending->id, sizeof(pending->id), "%s", id ? id : "");
	return pending;
}

void api_devices_list(struct http_request *req, void *data)
{
	struct api_list list = api_list_begin(req, data);
	struct vm *vm = api_vm_find(req, data);
	CLEANUP(json_putp) struct json_object *devices = vm ? vm_devices_json(vm) : NULL;

	if (!vm)
		return;
	for (size_t i = 0; i < json_count(devices); i++) {
		size_t len;
		const char *text = json_text(json_object_array_get_idx(devices, i), &len);

		api_list_add(&list, text, len);
	}
	api_list_reply(&list, NULL);
}

void api_device_get(struct http_request *req, void *data)
{
	struct vm *vm = api_vm_find(req, data);
	struct json_object *device;
	struct err err;

	if (!vm)
		return;
	device = vm_device_json(vm, http_param(req, "id"));
	if (device) {
		http_reply(req, 200, device);
		return;
	}
	err_set(&err, ERR_NOT_FOUND, "VM '%s' has no device '%.64s'", vm_name(vm),
		http_param(req, "id"));
	http_reply_err(req, &err);
}

static void reply_device(struct pending *pending, int status, const struct err *err)
{
	struct vm *vm = vm_find_uuid(pending->api->vms, pending->uuid);

	if (err)
		http_reply_err(pending->req, err);
	else
		http_reply(pending->req, status, vm ? vm_device_json(vm, pending->id) : NULL);
	free(pending);
}

static void on_attached(void *data, const struct faults *faults, const struct err *err)
{
	struct pending *pending = data;

	if (!faults) {
		reply_device(pending, 201, err);
		return;
	}
	http_reply_faults(pending->req, faults);
	free(pending);
}

static void try_attach(struct http_request *req, struct vm *vm)
{
	struct faults *faults = faults_new();
	struct err err;

	if (vm_try_attach(vm, http_body(req), faults, &err))
		api_reply_dry(req);
	else if (faults->count)
		http_reply_faults(req, faults);
	else
		http_reply_err(req, &err);
	faults_free(faults);
}

void api_device_attach(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm && api_is_dry_run(req))
		try_attach(req, vm);
	else if (vm)
		vm_attach(vm, http_body(req), on_attached,
			  pending_new(req, api, vm, json_get_str(http_body(req), "id")));
}

static void on_detached(void *data, const struct err *err)
{
	struct pending *pending = data;

	if (err)
		http_reply_err(pending->req, err);
	else
		http_reply(pending->req, 204, NULL);
	free(pending);
}

void api_device_detach(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	const char *id = http_param(req, "id");
	struct err err;

	if (vm && api_is_dry_run(req))
		api_on_tried(req, vm_try_detach(vm, id, &err) ? NULL : &err);
	else if (vm)
		vm_detach(vm, id, (uint32_t)http_query_uint(req, "timeout_ms"), on_detached,
			  pending_new(req, api, vm, id));
}

/* ---- media --------------------------------------------------------------- */

static void on_changed(void *data, const struct err *err)
{
	reply_device(data, 200, err);
}

void api_medium_change(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	const char *id = http_param(req, "id");
	struct medium_request request;
	struct faults *faults;

	if (!vm)
		return;
	faults = faults_new();
	if (!medium_request_decode(http_body(req), &request, faults))
		http_reply_faults(req, faults);
	else
		vm_change_medium(vm, id, &request, on_changed, pending_new(req, api, vm, id));
	faults_free(faults);
}

void api_medium_eject(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	const char *id = http_param(req, "id"), *force = http_query(req, "force");
	const struct medium_request request = {
		.force = force && strcmp(force, "true") == 0,
		.timeout_ms = http_query_uint(req, "timeout_ms"),
	};

	if (vm)
		vm_change_medium(vm, id, &request, on_detached, pending_new(req, api, vm, id));
}
