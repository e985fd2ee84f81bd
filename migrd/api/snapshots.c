/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of snapshots of disks. */
#include "snapshot/snapshots.h"

#include "api/api.h"
#include "base/mem.h"
#include "owner/start.h"

typedef void begin_fn(struct http_request *req, struct api *api, struct vm *vm);

/* A request until its answer. */
struct asking {
	struct http_request *req;
	struct api *api;
	char uuid[ID_UUID_SIZE];
	begin_fn *begin;
};

static void on_allowed(void *data, const struct err *err)
{
	struct asking *asking = data;
	struct vm *vm = vm_find_uuid(asking->api->vms, asking->uuid);
	struct err gone;

	if (err) {
		http_reply_err(asking->req, err);
	} else if (vm) {
		asking->begin(asking->req, asking->api, vm);
	} else {
		err_set(&gone, ERR_NOT_FOUND, "the VM has left this host");
		http_reply_err(asking->req, &gone);
	}
	free(asking);
}

/* The images of a VM that does not run may be open on another host, which its record does not know:
 * so the peers are asked as before a start. */
static void ask(struct http_request *req, struct api *api, struct vm *vm, begin_fn *begin)
{
	struct asking *asking;

	if (vm_qemu(vm)) {
		begin(req, api, vm);
		return;
	}
	asking = xnew(struct asking);
	asking->req = req;
	asking->api = api;
	snprintf(asking->uuid, sizeof(asking->uuid), "%s", vm_uuid(vm));
	asking->begin = begin;
	start_ask(&api->newest_env, api->newest, vm,
		  &(struct start_wish){ .action = VM_ACTION_START,
					.by = http_caller_name(req),
					.why = "snapshots of its disks",
					.is_dry = api_is_dry_run(req) },
		  on_allowed, asking);
}

/* What is asked keeps the uuid, since a VM may be renamed. */
/* ---- list ------------------------------------------------------------------------------------ */

static void on_listed(void *data, struct json_object *result, const struct err *err)
{
	struct api_pending *pending = data;
	struct api_list list;

	if (err) {
		http_reply_err(pending->req, err);
		free(pending);
		return;
	}
	list = api_list_begin(pending->req, pending->api);
	for (size_t i = 0; i < json_count(result); i++) {
		size_t len;
		const char *text = json_text(json_object_array_get_idx(result, i), &len);

		api_list_add(&list, text, len);
	}
	api_list_reply(&list, NULL);
	free(pending);
}

void api_snapshots_list(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm)
		snapshots_list(api->snapshots, vm, on_listed,
			       api_pending_new(req, api, vm_uuid(vm), 200));
}

/* ---- create ---------------------------------------------------------- */

static void on_created(void *data, struct json_object *result, const struct err *err)
{
	struct api_pending *pending = data;

	if (err)
		http_reply_err(pending->req, err);
	else if (api_is_dry_run(pending->req))
		api_reply_dry(pending->req);
	else
		http_reply(pending->req, pending->status, json_object_get(result));
	free(pending);
}

static void create(struct http_request *req, struct api *api, struct vm *vm)
{
	struct faults *faults = faults_new();
	struct snapshot_request request;

	if (snapshot_request_decode(http_body(req), &request, faults))
		snapshots_create(api->snapshots, vm, &request, api_is_dry_run(req), on_created,
				 api_pending_new(req, api, vm_uuid(vm), 201));
	else
		http_reply_faults(req, faults);
	faults_free(faults);
}

void api_snapshot_create(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm)
		ask(req, api, vm, create);
}

/* ---- delete, revert --------------------------------------------------------- */

static void on_deleted(void *data, struct json_object *result, const struct err *err)
{
	struct api_pending *pending = data;

	(void)result;
	if (err)
		http_reply_err(pending->req, err);
	else
		http_reply(pending->req, 204, NULL);
	free(pending);
}

static void drop(struct http_request *req, struct api *api, struct vm *vm)
{
	snapshots_delete(api->snapshots, vm, http_param(req, "snapshot"), api_is_dry_run(req),
			 on_deleted, api_pending_new(req, api, vm_uuid(vm), 204));
}

void api_snapshot_delete(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm)
		ask(req, api, vm, drop);
}

static void on_reverted(void *data, struct json_object *result, const struct err *err)
{
	struct api_pending *pending = data;
	const struct vm *vm = vm_find_uuid(pending->api->vms, pending->name);

	(void)result;
	if (err)
		http_reply_err(pending->req, err);
	else if (api_is_dry_run(pending->req))
		api_reply_dry(pending->req);
	else
		api_vm_reply(pending->req, pending->status, pending->api, vm);
	free(pending);
}

static void revert(struct http_request *req, struct api *api, struct vm *vm)
{
	snapshots_revert(api->snapshots, vm, http_param(req, "snapshot"), api_is_dry_run(req),
			 on_reverted, api_pending_new(req, api, vm_uuid(vm), 200));
}

void api_snapshot_revert(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm)
		ask(req, api, vm, revert);
}
