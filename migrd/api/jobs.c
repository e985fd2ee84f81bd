/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists of moves and of jobs. */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "vm/entry.h"

static bool passes_kind(const struct http_request *req, const char *kind)
{
	const char *wanted = http_query(req, "kind");

	return !wanted || strcmp(kind, wanted) == 0;
}

static bool passes(const struct http_request *req, const struct move *move)
{
	const struct store_move *row = move_row(move);
	const char *peer = http_query(req, "peer");

	return passes_kind(req, row->kind) && (!peer || strcmp(row->peer, peer) == 0) &&
	       api_job_passes(req, row->vm_name, move_state_name(move), move_is_final(move));
}

/* What follows CURSOR, whose move may be trimmed.  False: REQ was answered. */
static bool find_after(struct http_request *req, const struct api *api,
		       const struct api_cursor *cursor, struct move **ret)
{
	struct move *move = moves_find(api->moves, cursor->id);

	if (!move && cursor->ms < 0) {
		api_cursor_unknown(req, cursor);
		return false;
	}
	if (move) {
		*ret = move_next(move);
		return true;
	}
	move = moves_first(api->moves);
	while (move && move_row(move)->created_ms > cursor->ms)
		move = move_next(move);
	*ret = move;
	return true;
}

/* Adds a page of moves, from MOVE on, to what LIST already holds, and replies. */
static void list_moves(struct api_list *list, struct move *move, enum move_text_kind kind,
		       move_show_fn *show)
{
	char last[API_CURSOR_SIZE] = "";
	uint64_t count = 0;

	for (; move; move = move_next(move)) {
		const char *item;
		size_t len;

		if (!passes(list->req, move))
			continue;
		if (count++ == api_page_of(list->req).limit) {
			api_list_reply(list, last);
			return;
		}
		item = move_text(move, kind, show, &len);
		api_list_add(list, item, len);
		api_cursor_text(move_row(move)->id, move_row(move)->created_ms, last);
	}
	api_list_reply(list, NULL);
}

void api_moves_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct move *first = moves_first(api->moves);
	struct api_cursor cursor;

	if (!api_cursor_of(req, &cursor) || find_after(req, api, &cursor, &first))
		list_moves(&list, first, MOVE_TEXT_MOVE, move_json);
}

/* ---- jobs ---------------------------------------------------------------- */

static struct json_object *job_json(const struct move *move)
{
	const struct store_move *row = move_row(move);
	const struct job_reply job = {
		.id = row->id,
		.kind = row->kind,
		.vm = row->vm_name,
		.is_move = true,
		.peer = row->peer,
		.state = move_state_name(move),
		.final = move_is_final(move),
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};

	return json_encode(job_reply_fields, &job);
}

/* What all kinds of jobs without a peer are shown with. */
#define JOB_OF(shown)                                                                         \
	.id = (shown)->id, .kind = (shown)->kind, .vm = (shown)->vm, .state = (shown)->state, \
	.final = (shown)->final, .created_at = (shown)->created_at,                           \
	.updated_at = (shown)->updated_at, .ended_at = (shown)->ended_at

static struct job_reply save_job(const struct save_reply *shown)
{
	return (struct job_reply){ JOB_OF(shown), .is_save = true, .file = shown->file };
}

static struct job_reply refresh_job(const struct refresh_reply *shown)
{
	return (struct job_reply){ JOB_OF(shown) };
}

static struct job_reply vmbackup_job(const struct vmbackup_reply *shown)
{
	return (struct job_reply){
		.id = shown->id,
		.kind = shown->kind,
		.vm = shown->vm,
		.state = shown->state,
		.final = shown->final,
		.created_at = shown->created_at,
		.updated_at = shown->updated_at,
		.ended_at = shown->ended_at,
	};
}

static bool passes_job(const struct http_request *req, const struct job_reply *job)
{
	return passes_kind(req, job->kind) && api_job_passes(req, job->vm, job->state, job->final);
}

static void add_saves(struct api_list *list)
{
	for (struct save *save = saves_first(list->api->saves); save; save = save_next(save)) {
		const struct save_reply shown = save_show(save);
		const struct job_reply job = save_job(&shown);

		if (passes_job(list->req, &job))
			api_list_show(list, job_reply_fields, &job);
	}
}

static void add_refreshes(struct api_list *list)
{
	struct refresh *refresh = refreshes_first(list->api->refreshes);

	for (; refresh; refresh = refresh_next(refresh)) {
		const struct refresh_reply shown = refresh_show(refresh);
		const struct job_reply job = refresh_job(&shown);

		if (passes_job(list->req, &job))
			api_list_show(list, job_reply_fields, &job);
	}
}

static void add_vmbackups(struct api_list *list)
{
	struct vmbackup *backup = vmbackups_first(list->api->vmbackups);

	for (; backup; backup = vmbackup_next(backup)) {
		const struct vmbackup_reply shown = vmbackup_show(backup);
		const struct job_reply job = vmbackup_job(&shown);

		if (passes_job(list->req, &job))
			api_list_show(list, job_reply_fields, &job);
	}
}

static struct job_reply holder_job(const struct vm *vm, const struct vm_holder *holder)
{
	return (struct job_reply){
		.id = holder->id,
		.kind = vm_sync_name(holder->kind),
		.vm = vm_name(vm),
		.state = "holds-monitor",
		.is_holder = true,
		.command = holder->command[0] ? holder->command : NULL,
		.waiting = vm_waiting(vm),
		.created_at = clock_wall_ms() - (int64_t)holder->held_ms,
	};
}

static void add_holders(struct api_list *list)
{
	struct vms *vms = list->api->vms;
	struct vm_holder holder;
	struct job_reply job;

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		if (!vm_holder(vm, &holder))
			continue;
		job = holder_job(vm, &holder);
		if (passes_job(list->req, &job))
			api_list_show(list, job_reply_fields, &job);
	}
}

static void reply_save_job(struct http_request *req, const struct save *save)
{
	const struct save_reply shown = save_show(save);
	const struct job_reply job = save_job(&shown);

	http_reply_as(req, 200, job_reply_fields, &job);
}

static void reply_refresh_job(struct http_request *req, const struct refresh *refresh)
{
	const struct refresh_reply shown = refresh_show(refresh);
	const struct job_reply job = refresh_job(&shown);

	http_reply_as(req, 200, job_reply_fields, &job);
}

static void reply_vmbackup_job(struct http_request *req, const struct vmbackup *backup)
{
	const struct vmbackup_reply shown = vmbackup_show(backup);
	const struct job_reply job = vmbackup_job(&shown);

	http_reply_as(req, 200, job_reply_fields, &job);
}

/* Who holds a monitor is no job with an end that one could ask for. */
void api_job_get(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *id = http_param(req, "id");
	const struct move *move = moves_find(api->moves, id);
	const struct save *save = saves_find(api->saves, id);
	const struct refresh *refresh = refreshes_find(api->refreshes, id);
	const struct vmbackup *backup = vmbackups_find(api->vmbackups, id);
	struct err err;

	if (move) {
		http_reply(req, 200, job_json(move));
	} else if (save) {
		reply_save_job(req, save);
	} else if (refresh) {
		reply_refresh_job(req, refresh);
	} else if (backup) {
		reply_vmbackup_job(req, backup);
	} else {
		err_set(&err, ERR_NOT_FOUND,
			"there is no move, save, restore, refresh or backup '%.40s' on this host",
			id);
		http_reply_err(req, &err);
	}
}

void api_jobs_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct move *first = moves_first(api->moves);
	struct api_cursor cursor;

	if (!api_cursor_of(req, &cursor)) {
		add_holders(&list);
		add_vmbackups(&list);
		add_refreshes(&list);
		add_saves(&list);
	} else if (!find_after(req, api, &cursor, &first)) {
		return;
	}
	list_moves(&list, first, MOVE_TEXT_JOB, job_json);
}
