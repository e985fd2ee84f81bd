/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hook is on disk before it begins, and ends when its end is. */
#include <assert.h>

#include "base/log.h"
#include "hook/priv.h"
#include "hook/words.h"

#define D struct hook_detail

static const struct json_field detail_fields[] = {
	JSON_SHOWN(D, requester, ""),
	JSON_SHOWN(D, why, ""),
	JSON_SHOWN(D, by, ""),
	JSON_SHOWN(D, program, ""),
	JSON_SHOWN(D, only_if, ""),
	JSON_SHOWN(D, timeout_s, ""),
	JSON_SHOWN(D, reboots, ""),
	JSON_SHOWN(D, restarts, ""),
	JSON_SHOWN(D, process, ""),
	JSON_SHOWN_IF(D, is_told, ""),
	JSON_SHOWN_IF(D, is_not_needed, ""),
	JSON_SHOWN_IF(D, exit, "", .present_offset = offsetof(D, has_exit)),
	JSON_SHOWN_IF(D, reason, ""),
	{ 0 },
};

bool hook_detail_read(const char *text, struct hook_detail *ret)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct hook_detail detail = { 0 };
	struct err ignored;

	if (!obj || !json_decode_object(obj, detail_fields, &detail, JSON_IGNORE_UNKNOWN, &ignored))
		return false;
	*ret = detail;
	return true;
}

/* That of a later version is not known. */
enum hook_state hook_state_of(const char *name)
{
	for (int state = 0; state < HOOK_STATE_COUNT; state++)
		if (strcmp(hook_state_names[state], name) == 0)
			return (enum hook_state)state;
	return HOOK_UNKNOWN;
}

static void pending_free(struct hook_pending *pending)
{
	store_hook_fini(&pending->row);
	free(pending);
}

static bool is_before(const struct hook *a, const struct hook *b)
{
	return a->row.ended_ms != b->row.ended_ms ? a->row.ended_ms < b->row.ended_ms
						  : strcmp(a->row.id, b->row.id) < 0;
}

/* The one that ended first or last of those that have; NULL: none has. */
static struct hook *ended(const struct hooks *hooks, bool is_first, size_t *ret_count)
{
	struct hook *hook, *ret = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(hook, &hooks->list, link)
	{
		if (!hook->row.is_final)
			continue;
		(*ret_count)++;
		if (!ret || is_before(hook, ret) == is_first)
			ret = hook;
	}
	return ret;
}

/* After all that have ended, also if the clock of the wall was set back since: the store keeps the
 * newest by that, and who asks for one that it has forgotten would have it run once more. */
static int64_t end_ms(const struct hooks *hooks)
{
	size_t count;
	const struct hook *last = ended(hooks, false, &count);
	const int64_t now_ms = hook_now_ms(hooks);

	return last && last->row.ended_ms >= now_ms ? last->row.ended_ms + 1 : now_ms;
}

/* As the store does it (schema/sql/013-hook.sql). */
static void trim(struct hooks *hooks)
{
	struct hook *hook;
	size_t count;

	while ((hook = ended(hooks, true, &count)) && count > STORE_HOOKS_MAX) {
		hook_files_forget(hooks, hook->row.id);
		hook_free(hook);
	}
}

/* HOOK NULL: the coordinator is stopping. */
static void answer(const struct hook_pending *pending, const struct hook *hook,
		   const struct err *err)
{
	struct hook_run *run;
	struct err stopping;

	if (!pending->done)
		return;
	if (!err && !hook) {
		err_set(&stopping, ERR_UNAVAILABLE, "this coordinator is stopping");
		err = &stopping;
	}
	run = xnew(struct hook_run);
	if (!err)
		hook_show(hook, run);
	pending->done(pending->data, err ? NULL : run, err);
	free(run);
}

static void take_over(struct hook *hook, struct hook_pending *pending)
{
	const struct store_hook *row = &hook->row;
	const bool is_news = hook->is_new || pending->row.is_final;

	hook->is_new = false;
	store_hook_fini(&hook->row);
	hook->row = pending->row;
	pending->row.detail = pending->row.words = NULL;
	hook->detail = pending->detail;
	if (!is_news)
		return;
	if (row->is_final)
		hook->hooks->ended[hook_state_of(row->state)]++;
	log_record(row->is_final && hook_state_of(row->state) != HOOK_DONE ? LOG_LEVEL_WARNING
									   : LOG_LEVEL_INFO,
		   "hook", row->state, "hook=%s id=%s by=%s why=%s", row->name, row->id,
		   hook->detail.by, row->is_final ? hook->detail.reason : hook->detail.why);
	hook_tell(hook);
}

/* The answer may ask for more. */
static void on_written(void *data, const struct err *err)
{
	struct hook_pending *pending = data;
	struct hooks *hooks = pending->hooks;
	struct hook *hook = hook_find(hooks, pending->row.id);

	if (err)
		log_error("hook", "save", "id=%s error=%s", pending->row.id, err->msg);
	if (hook)
		hook->is_saving = false;
	if (hook && err && hook->is_new)
		hook_free(TAKE_PTR(hook));
	if (hook && !err)
		take_over(hook, pending);
	if (hook && err)
		hook_look_in(hooks, HOOK_RETRY_MS);
	else if (hook && hook->row.is_final)
		trim(hooks);
	else if (hook)
		hook_look_in(hooks, 0);
	answer(pending, err ? NULL : hook_find(hooks, pending->row.id), err);
	pending_free(pending);
}

void hook_write(struct hook *hook, struct hook_pending *pending, enum hook_state state)
{
	struct store_hook *row = &pending->row;
	CLEANUP(json_putp)
	struct json_object *detail = json_encode(detail_fields, &pending->detail);
	struct store_txn txn = { 0 };

	assert(!hook->is_saving);
	hook->is_saving = true;
	snprintf(row->state, sizeof(row->state), "%s", hook_state_names[state]);
	row->is_final = state != HOOK_RUNNING;
	row->detail = xstrdup(json_text(detail, NULL));
	row->updated_ms = hook_now_ms(hook->hooks);
	txn.list[0] = store_put_hook(row);
	store_commit(hook->hooks->env.store, &txn, on_written, pending);
}

static struct hook_pending *pending_of(const struct hook *hook)
{
	struct hook_pending *pending = xnew(struct hook_pending);

	pending->hooks = hook->hooks;
	pending->row = hook->row;
	pending->row.detail = pending->row.words = NULL;
	pending->detail = hook->detail;
	pending->detail.is_told = pending->detail.is_told || hook->is_sent;
	return pending;
}

void hook_write_told(struct hook *hook)
{
	hook_write(hook, pending_of(hook), HOOK_RUNNING);
}

void hook_end_it(struct hook *hook, const struct hook_verdict *verdict, const struct hook_end *end)
{
	struct hook_pending *pending = pending_of(hook);
	struct hook_detail *detail = &pending->detail;
	char words[HOOK_WORDS_SIZE];

	pending->row.ended_ms = end_ms(hook->hooks);
	detail->is_not_needed = !verdict->needed;
	detail->has_exit = end && (end->how == HOOK_HOW_EXITED || hook->http_status);
	if (detail->has_exit)
		detail->exit = hook->http_status ? hook->http_status : end->number;
	snprintf(detail->reason, sizeof(detail->reason), "%s", verdict->reason);
	if (end) {
		hook_words(end->output, end->output_len, words);
		pending->row.words = xstrdup(words);
	}
	hook_write(hook, pending, verdict->state);
}
