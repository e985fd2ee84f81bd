/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of saves and restores. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "owner/start.h"
#include "vm/entry.h"

void api_save_changed(void *data, const struct save *save)
{
	struct api *api = data;
	const struct event_save event = { .save = save_show(save), .at = clock_wall_ms() };

	bus_publish(api->bus, "save", json_encode(event_save_fields, &event));
	waits_look(api->waits, save_machine(save));
}

static void reply_save(struct http_request *req, int status, const struct save *save)
{
	const struct save_reply reply = save_show(save);

	http_reply_as(req, status, save_reply_fields, &reply);
}

static void on_started(void *data, const struct save *save, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_save(data, 202, save);
}

void api_vm_save(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct save_request wish;
	struct vm *vm = api_sure(req, api) ? api_vm_find(req, api) : NULL;

	if (!vm)
		;
	else if (!save_request_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else if (api_is_dry_run(req))
		saves_try_save(api->saves, vm, &wish, api_on_tried, req);
	else
		saves_save(api->saves, vm, &wish, on_started, req);
	faults_free(faults);
}

/* ---- restore ---------------------------------------------------------------------- */

/* A request from the look at the file until the job is recorded. */
struct restore {
	struct http_request *req;
	struct api *api;
	struct restore_request wish;
	vm_done_fn *done; /* of start_vm() */
	void *done_data;
};

/* The request was answered, unless ERR is set. */
static void on_restore_ended(void *data, const struct err *err)
{
	struct restore *restore = data;

	if (err)
		http_reply_err(restore->req, err);
	free(restore);
}

/* A dry run has come to its end. */
static void on_restore_tried(void *data, const struct err *err)
{
	struct restore *restore = data;

	if (!err)
		api_reply_dry(restore->req);
	on_restore_ended(restore, err);
}

static void on_restore_begun(void *data, const struct save *save, const struct err *err)
{
	struct restore *restore = data;

	if (save)
		reply_save(restore->req, 202, save);
	restore->done(restore->done_data, err);
}

static void begin_restore(void *data, struct vm *vm, vm_done_fn *done, void *done_data)
{
	struct restore *restore = data;

	restore->done = done;
	restore->done_data = done_data;
	saves_restore(restore->api->saves, vm, &restore->wish, on_restore_begun, restore);
}

/* A restore is a start: the peers are asked first whether they have the VM. */
static void on_looked(void *data, const char *uuid, const struct err *err)
{
	struct restore *restore = data;
	struct vm *vm = err ? NULL : vm_find_uuid(restore->api->vms, uuid);
	struct start_wish wish;
	struct err why;

	if (!vm) {
		on_restore_ended(restore, err);
		return;
	}
	wish = (struct start_wish){ .action = VM_ACTION_START,
				    .by = http_caller_name(restore->req),
				    .is_dry = api_is_dry_run(restore->req),
				    .act = begin_restore,
				    .act_data = restore };
	if (!api_is_dry_run(restore->req))
		start_vm(&restore->api->newest_env, restore->api->newest, vm, &wish,
			 on_restore_ended, restore);
	else if (vm_may_enter(vm, VM_SYNC_START, &why))
		start_ask(&restore->api->newest_env, restore->api->newest, vm, &wish,
			  on_restore_tried, restore);
	else
		on_restore_ended(restore, &why);
}

void api_vms_restore(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct restore *restore = xnew(struct restore);

	restore->req = req;
	restore->api = api;
	if (!api_sure(req, api) || !api_may_fill(req, api)) {
		free(restore);
	} else if (!restore_request_decode(http_body(req), &restore->wish, faults)) {
		http_reply_faults(req, faults);
		free(restore);
	} else {
		saves_look(api->saves, &restore->wish, on_looked, restore);
	}
	faults_free(faults);
}

/* ---- look, cancel ------------------------------------------------------------------- */

static struct save *find(struct http_request *req, const struct api *api)
{
	struct save *save = saves_find(api->saves, http_param(req, "id"));
	struct err err;

	if (!save) {
		err_set(&err, ERR_NOT_FOUND, "there is no save or restore '%.40s' on this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return save;
}

void api_save_get(struct http_request *req, void *data)
{
	const struct save *save = find(req, data);

	if (save)
		reply_save(req, 200, save);
}

void api_save_cancel(struct http_request *req, void *data)
{
	struct save *save = api_ready(req, data) ? find(req, data) : NULL;
	struct err err;

	if (!save)
		return;
	if (save_cancel(save, &err))
		reply_save(req, 202, save);
	else
		http_reply_err(req, &err);
}

/* There are STORE_SAVES_MAX and those that have not ended, so that a list needs no pages. */
void api_saves_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);

	for (struct save *save = saves_first(api->saves); save; save = save_next(save)) {
		const struct save_reply reply = save_show(save);

		if (api_job_passes(req, reply.vm, reply.state, reply.final))
			api_list_show(&list, save_reply_fields, &reply);
	}
	api_list_reply(&list, NULL);
}
