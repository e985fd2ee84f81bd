/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the queue of moves. */
#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

void api_queue_changed(void *data, const struct queue_entry *entry)
{
	struct api *api = data;
	const struct event_queue event = { .entry = queue_show(entry), .at = clock_wall_ms() };

	evacuations_look(api->evacuations);
	bus_publish(api->bus, "queue", json_encode(event_queue_fields, &event));
	waits_look(api->waits, queue_machine(entry));
}

static void reply_entry(struct http_request *req, int status, const struct queue_entry *entry)
{
	const struct queue_reply reply = queue_show(entry);

	http_reply_as(req, status, queue_reply_fields, &reply);
}

static struct queue_entry *find(struct http_request *req, const struct api *api)
{
	struct queue_entry *entry = queue_find(api->queue, http_param(req, "id"));
	struct err err;

	if (!entry) {
		err_set(&err, ERR_NOT_FOUND, "there is no entry '%.40s' in the queue of this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return entry;
}

void api_queue_get(struct http_request *req, void *data)
{
	const struct queue_entry *entry = find(req, data);

	if (entry)
		reply_entry(req, 200, entry);
}

/* ---- a new entry, and changes of one -------------------------------------------------- */

/* 202: it goes on by itself. */
static void on_done(void *data, struct queue_entry *entry, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_entry(data, queue_is_final(entry) ? 200 : 202, entry);
}

static void on_set(void *data, struct queue_entry *entry, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		http_reply_as(data, 200, queue_did_fields,
			      &(struct queue_did_reply){ .entry = queue_show(entry),
							 .did = queue_did(entry) });
}

static void log_asserted(const struct http_request *req, const struct queue_request *request)
{
	const struct move_options *options = &request->move.options;

	if (options->assert_same_disks || options->assert_same_cpu)
		log_warning("queue", "asserted", "vm=%s what=%s%s by=%s", request->move.vm,
			    options->assert_same_disks ? "disks " : "",
			    options->assert_same_cpu ? "cpu" : "", http_caller_name(req));
}

static void add(struct http_request *req, struct api *api, const struct queue_request *request)
{
	struct queue_wish wish = { .request = request, .by = http_caller_name(req) };
	char key[ID_NAME_SIZE];
	struct err err;

	if (!api_key_of(req, key, &err)) {
		http_reply_err(req, &err);
		return;
	}
	wish.key = key[0] ? key : NULL;
	log_asserted(req, request);
	queue_add(api->queue, &wish, on_done, req);
}

void api_queue_add(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct queue_request *request = xnew(struct queue_request);

	if (!api_sure(req, data))
		;
	else if (!queue_request_decode(http_body(req), request, faults))
		http_reply_faults(req, faults);
	else
		add(req, data, request);
	free(request);
	faults_free(faults);
}

void api_queue_set(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct queue_patch patch;
	struct queue_entry *entry = api_sure(req, data) ? find(req, data) : NULL;

	if (!entry)
		;
	else if (!queue_patch_decode(http_body(req), &patch, faults))
		http_reply_faults(req, faults);
	else
		queue_set_priority(entry, patch.priority, on_set, req);
	faults_free(faults);
}

void api_queue_cancel(struct http_request *req, void *data)
{
	struct queue_entry *entry = api_sure(req, data) ? find(req, data) : NULL;

	if (entry)
		queue_cancel(entry, http_caller_name(req), on_done, req);
}

/* ---- the list ---------------------------------------------------------------------------- */

static bool passes(const struct http_request *req, const struct queue_entry *entry)
{
	const struct store_queue_entry *row = queue_row(entry);

	return api_job_passes(req, row->vm_name, row->state, queue_is_final(entry));
}

/* What follows CURSOR, whose entry may be gone.  False: REQ was answered. */
static bool find_after(struct http_request *req, const struct api *api,
		       const struct api_cursor *cursor, struct queue_entry **ret)
{
	struct queue_entry *entry = queue_find(api->queue, cursor->id);

	if (!entry && cursor->ms < 0) {
		api_cursor_unknown(req, cursor);
		return false;
	}
	if (entry) {
		*ret = queue_next(entry);
		return true;
	}
	entry = queue_first(api->queue);
	while (entry && queue_row(entry)->created_ms > cursor->ms)
		entry = queue_next(entry);
	*ret = entry;
	return true;
}

void api_queue_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct queue_entry *entry = queue_first(api->queue);
	char last[API_CURSOR_SIZE] = "";
	struct api_cursor cursor;
	uint64_t count = 0;

	if (api_cursor_of(req, &cursor) && !find_after(req, api, &cursor, &entry))
		return;
	for (; entry; entry = queue_next(entry)) {
		size_t len;
		const char *text;

		if (!passes(req, entry))
			continue;
		if (count++ == api_page_of(req).limit) {
			api_list_reply(&list, last);
			return;
		}
		text = queue_text(entry, &len);
		api_list_add(&list, text, len);
		api_cursor_text(queue_row(entry)->id, queue_row(entry)->created_ms, last);
	}
	api_list_reply(&list, NULL);
}
