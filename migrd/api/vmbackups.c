/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of backups of guests' disks. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"

void api_vmbackup_changed(void *data, const struct vmbackup *backup)
{
	struct api *api = data;
	const struct event_vmbackup event = { .backup = vmbackup_show(backup),
					      .at = clock_wall_ms() };

	bus_publish(api->bus, "backup", json_encode(event_vmbackup_fields, &event));
	waits_look(api->waits, vmbackup_machine(backup));
}

static void reply_vmbackup(struct http_request *req, int status, const struct vmbackup *backup)
{
	const struct vmbackup_reply reply = vmbackup_show(backup);

	http_reply_as(req, status, vmbackup_reply_fields, &reply);
}

static void on_started(void *data, const struct vmbackup *backup, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_vmbackup(data, 202, backup);
}

void api_vm_backup(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct vmbackup_request *wish = xnew(struct vmbackup_request);
	struct vm *vm = api_sure(req, api) ? api_vm_find(req, api) : NULL;

	if (!vm)
		;
	else if (!vmbackup_request_decode(http_body(req), wish, faults))
		http_reply_faults(req, faults);
	else if (api_is_dry_run(req))
		vmbackups_try(api->vmbackups, vm, wish, api_on_tried, req);
	else
		vmbackups_begin(api->vmbackups, vm, wish, on_started, req);
	free(wish);
	faults_free(faults);
}

/* ---- look, cancel ------------------------------------------------------------------- */

static struct vmbackup *find(struct http_request *req, const struct api *api)
{
	struct vmbackup *backup = vmbackups_find(api->vmbackups, http_param(req, "id"));
	struct err err;

	if (!backup) {
		err_set(&err, ERR_NOT_FOUND, "there is no backup '%.40s' on this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return backup;
}

void api_vmbackup_get(struct http_request *req, void *data)
{
	const struct vmbackup *backup = find(req, data);

	if (backup)
		reply_vmbackup(req, 200, backup);
}

void api_vmbackup_cancel(struct http_request *req, void *data)
{
	struct vmbackup *backup = api_ready(req, data) ? find(req, data) : NULL;
	struct err err;

	if (!backup)
		return;
	if (vmbackup_cancel(backup, &err))
		reply_vmbackup(req, 202, backup);
	else
		http_reply_err(req, &err);
}

/* There are STORE_VMBACKUPS_MAX and those that have not ended, so that a list needs no pages. */
void api_vmbackups_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct vmbackup *backup = vmbackups_first(api->vmbackups);

	for (; backup; backup = vmbackup_next(backup)) {
		const struct vmbackup_reply reply = vmbackup_show(backup);

		if (api_job_passes(req, reply.vm, reply.state, reply.final))
			api_list_show(&list, vmbackup_reply_fields, &reply);
	}
	api_list_reply(&list, NULL);
}
