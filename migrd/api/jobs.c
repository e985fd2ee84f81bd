/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists of moves and of jobs. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "vm/entry.h"

struct filter {
	const char *vm;
	bool active; /* only what has not ended */
};

static bool passes(const struct move *move, const struct filter *filter)
{
	return (!filter->vm || strcmp(move_row(move)->vm_name, filter->vm) == 0) &&
	       (!filter->active || !move_is_final(move));
}

static struct filter filter_of(const struct http_request *req)
{
	return (struct filter){ http_query(req, "vm"), http_query(req, "state") != NULL };
}

/* False: the request was answered.  The move that ended a page may have been trimmed since,
 * but only together with all moves that come after it. */
static bool check_cursor(struct http_request *req, const struct api *api)
{
	const char *after = http_query(req, "after");
	struct err err;

	if (!after || moves_find(api->moves, after))
		return true;
	err_set(&err, ERR_INVALID,
		"after: there is no move '%.40s' here (any more); begin again without 'after'",
		after);
	http_reply_err(req, &err);
	return false;
}

/* AFTER: NULL, or accepted by check_cursor(). */
static struct move *first_after(struct moves *moves, const char *after)
{
	return after ? move_next(moves_find(moves, after)) : moves_first(moves);
}

/* Adds a page of moves to what TEXT already holds, and replies. */
static void list(struct http_request *req, const struct api *api, struct strbuf *text,
		 enum move_text_kind kind, move_show_fn *show)
{
	const struct filter filter = filter_of(req);
	const struct api_page page = api_page_of(req);
	const char *last = page.after;
	uint64_t count = 0;

	for (struct move *move = first_after(api->moves, page.after); move;
	     move = move_next(move)) {
		const char *item;
		size_t len;

		if (!passes(move, &filter))
			continue;
		if (count++ == page.limit) {
			api_list_reply(req, text, last);
			return;
		}
		item = move_text(move, kind, show, &len);
		api_list_add(text, item, len);
		last = move_row(move)->id;
	}
	api_list_reply(req, text, NULL);
}

void api_moves_list(struct http_request *req, void *data)
{
	struct strbuf text = STRBUF_INIT;

	if (check_cursor(req, data))
		list(req, data, &text, MOVE_TEXT_MOVE, move_json);
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

/* A save is shown as a move is, without a peer. */
static struct job_reply save_job(const struct save_reply *shown)
{
	return (struct job_reply){
		.id = shown->id,
		.kind = shown->kind,
		.vm = shown->vm,
		.state = shown->state,
		.final = shown->final,
		.is_save = true,
		.file = shown->file,
		.created_at = shown->created_at,
		.updated_at = shown->updated_at,
		.ended_at = shown->ended_at,
	};
}

static struct job_reply refresh_job(const struct refresh_reply *shown)
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

static void add_saves(struct strbuf *list, const struct api *api, const struct filter *filter)
{
	for (struct save *save = saves_first(api->saves); save; save = save_next(save)) {
		const struct save_reply shown = save_show(save);
		const struct job_reply job = save_job(&shown);

		if ((filter->vm && strcmp(shown.vm, filter->vm) != 0) ||
		    (filter->active && shown.final))
			continue;
		api_list_show(list, job_reply_fields, &job);
	}
}

static void add_refreshes(struct strbuf *list, const struct api *api, const struct filter *filter)
{
	struct refresh *refresh = refreshes_first(api->refreshes);

	for (; refresh; refresh = refresh_next(refresh)) {
		const struct refresh_reply shown = refresh_show(refresh);
		const struct job_reply job = refresh_job(&shown);

		if ((filter->vm && strcmp(shown.vm, filter->vm) != 0) ||
		    (filter->active && shown.final))
			continue;
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

static void add_holders(struct strbuf *list, struct vms *vms, const char *only_vm)
{
	struct vm_holder holder;
	struct job_reply job;

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		if (!vm_holder(vm, &holder) || (only_vm && strcmp(vm_name(vm), only_vm) != 0))
			continue;
		job = holder_job(vm, &holder);
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

/* Who holds a monitor is no job with an end that one could ask for. */
void api_job_get(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *id = http_param(req, "id");
	const struct move *move = moves_find(api->moves, id);
	const struct save *save = saves_find(api->saves, id);
	const struct refresh *refresh = refreshes_find(api->refreshes, id);
	struct err err;

	if (move) {
		http_reply(req, 200, job_json(move));
	} else if (save) {
		reply_save_job(req, save);
	} else if (refresh) {
		reply_refresh_job(req, refresh);
	} else {
		err_set(&err, ERR_NOT_FOUND,
			"there is no move, save, restore or refresh '%.40s' on this host", id);
		http_reply_err(req, &err);
	}
}

void api_jobs_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct strbuf text = STRBUF_INIT;

	if (!check_cursor(req, api))
		return;
	if (!http_query(req, "after")) {
		const struct filter filter = filter_of(req);

		add_holders(&text, api->vms, filter.vm);
		add_refreshes(&text, api, &filter);
		add_saves(&text, api, &filter);
	}
	list(req, api, &text, MOVE_TEXT_JOB, job_json);
}
