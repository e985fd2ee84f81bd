/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All hooks that were begun: how they are asked for and shown, and how a restart finds them. */
#include <assert.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "hook/priv.h"

static_assert(HOOK_ID_SIZE == STORE_HOOK_ID_SIZE, "an id fits into its column");
static_assert(HOOK_OUTPUT_MAX == HOOK_WORDS_SIZE - 1, "what is kept can be shown");
static_assert(NOTIFY_ANSWER_MAX <= HOOK_OUTPUT_MAX, "an answer can be shown");

int64_t hook_now_ms(const struct hooks *hooks)
{
	return hooks->env.now_ms ? hooks->env.now_ms() : clock_wall_ms();
}

struct hook *hook_find(const struct hooks *hooks, const char *id)
{
	struct hook *hook;

	TAILQ_FOREACH(hook, &hooks->list, link)
	{
		if (strcmp(hook->row.id, id) == 0)
			return hook;
	}
	return NULL;
}

static struct hook *hook_new(struct hooks *hooks)
{
	struct hook *hook = xnew(struct hook);

	hook->hooks = hooks;
	TAILQ_INSERT_TAIL(&hooks->list, hook, link);
	return hook;
}

void hook_free(struct hook *hook)
{
	TAILQ_REMOVE(&hook->hooks->list, hook, link);
	proc_free(hook->runner);
	free(hook->answer);
	store_hook_fini(&hook->row);
	free(hook);
}

/* The one that has not ended, or NULL. */
static struct hook *running(const struct hooks *hooks)
{
	struct hook *hook;

	TAILQ_FOREACH(hook, &hooks->list, link)
	{
		if (!hook->row.is_final)
			return hook;
	}
	return NULL;
}

bool hooks_is_running(const struct hooks *hooks, struct strbuf *why)
{
	const struct hook *hook = hooks ? running(hooks) : NULL;

	if (hook && why)
		strbuf_addf(why, "hook '%s' (%s) of host '%s' has not ended", hook->row.name,
			    hook->row.id, hooks->env.host_id);
	return hook;
}

/* ---- what is shown ---------------------------------------------------------------- */

void hook_show(const struct hook *hook, struct hook_run *ret)
{
	const struct store_hook *row = &hook->row;
	const struct hook_detail *detail = &hook->detail;

	*ret = (struct hook_run){
		.state = (int)hook_state_of(row->state),
		.needed = !detail->is_not_needed,
		.has_exit = detail->has_exit,
		.exit = detail->exit,
		.reboots = detail->reboots,
		.restarts = detail->restarts,
		.begun_at = row->created_ms,
		.ended_at = row->ended_ms,
	};
	snprintf(ret->hook_id, sizeof(ret->hook_id), "%s", row->id);
	snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", row->boot_id);
	snprintf(ret->reason, sizeof(ret->reason), "%s",
		 row->is_final ? detail->reason : hook->reason);
	snprintf(ret->words, sizeof(ret->words), "%s", row->words ? row->words : "");
	snprintf(ret->requester, sizeof(ret->requester), "%s", detail->requester);
	snprintf(ret->why, sizeof(ret->why), "%s", detail->why);
	snprintf(ret->by, sizeof(ret->by), "%s", detail->by);
}

bool hooks_status(const struct hooks *hooks, const char *hook_id, struct hook_run *ret)
{
	const struct hook *hook = hook_find(hooks, hook_id);

	if (!hook || hook->is_new)
		return false;
	hook_show(hook, ret);
	return true;
}

size_t hooks_newest(const struct hooks *hooks, const char *name, struct hook_run *ret, size_t max)
{
	const struct hook *hook;
	size_t count = 0;

	TAILQ_FOREACH_REVERSE(hook, &hooks->list, hook_list, link)
	{
		if (count < max && !hook->is_new && strcmp(hook->row.name, name) == 0)
			hook_show(hook, &ret[count++]);
	}
	return count;
}

uint64_t hooks_ended(const struct hooks *hooks, enum hook_state state)
{
	return hooks->ended[state];
}

const struct hook_sections *hooks_sections(const struct hooks *hooks)
{
	return hooks->sections;
}

void hook_tell(const struct hook *hook)
{
	const struct hooks_env *env = &hook->hooks->env;
	struct hook_run *run;

	if (!env->changed || hook->hooks->is_closing)
		return;
	run = xnew(struct hook_run);
	hook_show(hook, run);
	env->changed(env->data, run);
	free(run);
}

/* ---- the way in -------------------------------------------------------------------- */

struct reply {
	hook_done_fn *done;
	void *data;
	bool has_run;
	struct hook_run run;
	struct err err;
};

static void on_reply(void *data)
{
	struct reply *reply = data;

	reply->done(reply->data, reply->has_run ? &reply->run : NULL,
		    reply->has_run ? NULL : &reply->err);
	free(reply);
}

void hook_reply(struct hooks *hooks, hook_done_fn *done, void *data, const struct hook_run *run,
		const struct err *err)
{
	struct reply *reply = xnew(struct reply);

	reply->done = done;
	reply->data = data;
	reply->has_run = run;
	if (run)
		reply->run = *run;
	else
		reply->err = *err;
	loop_post(hooks->env.loop, on_reply, reply);
}

static void refuse(struct hooks *hooks, hook_done_fn *done, void *data, const struct err *err)
{
	hook_reply(hooks, done, data, NULL, err);
}

/* NULL and NOT_FOUND: there is none. */
static const struct hook_section *section_of(const struct hooks *hooks, const char *name,
					     struct err *err)
{
	const struct hook_section *section = hook_sections_find(hooks->sections, name);

	if (!section)
		err_set(err, ERR_NOT_FOUND,
			"host '%s' has no hook '%s': its configuration has no section [hook %s]",
			hooks->env.host_id, name, name);
	return section;
}

static bool may_begin(const struct hooks *hooks, const struct hook_request *request,
		      struct err *err)
{
	const struct hooks_env *env = &hooks->env;
	const struct hook *other = running(hooks);

	if (other)
		return err_set(err, ERR_BUSY,
			       "hook '%s' (%s) runs on host '%s', and one runs at a time",
			       other->row.name, other->row.id, env->host_id);
	return !env->may_begin || env->may_begin(env->data, request->requester, err);
}

/* It was asked for before. */
static void answer_again(struct hooks *hooks, const struct hook *hook, const char *name,
			 hook_done_fn *done, void *data)
{
	struct hook_run *run;
	struct err err;

	if (strcmp(hook->row.name, name) != 0) {
		err_set(&err, ERR_CONFLICT, "hook_id '%s' is that of hook '%s'", hook->row.id,
			hook->row.name);
		refuse(hooks, done, data, &err);
		return;
	}
	if (hook->is_new) {
		err_set(&err, ERR_BUSY, "its record is being written: try again");
		refuse(hooks, done, data, &err);
		return;
	}
	run = xnew(struct hook_run);
	hook_show(hook, run);
	hook_reply(hooks, done, data, run, NULL);
	free(run);
}

static void fill(struct hook_pending *pending, const struct hook_request *request,
		 const struct hook_section *section, const char *by)
{
	const struct hooks *hooks = pending->hooks;
	struct store_hook *row = &pending->row;
	struct hook_detail *detail = &pending->detail;

	snprintf(row->id, sizeof(row->id), "%s", request->hook_id);
	snprintf(row->name, sizeof(row->name), "%s", request->name);
	snprintf(row->boot_id, sizeof(row->boot_id), "%s", hooks->boot_id);
	row->created_ms = hook_now_ms(hooks);
	snprintf(detail->requester, sizeof(detail->requester), "%s", request->requester);
	snprintf(detail->why, sizeof(detail->why), "%s", request->why);
	snprintf(detail->by, sizeof(detail->by), "%s", by);
	snprintf(detail->program, sizeof(detail->program), "%s",
		 section->program ? section->program : "");
	snprintf(detail->only_if, sizeof(detail->only_if), "%s",
		 section->only_if ? section->only_if : "");
	snprintf(detail->process, sizeof(detail->process), "%s", hooks->process);
	detail->timeout_s = section->timeout_s;
	detail->reboots = section->reboots;
	detail->restarts = section->restarts;
}

static void begin_new(struct hooks *hooks, const struct hook_request *request,
		      const struct hook_section *section, const char *by, hook_done_fn *done,
		      void *data)
{
	struct hook_pending *pending = xnew(struct hook_pending);
	struct hook *hook = hook_new(hooks);

	hook->is_new = true;
	snprintf(hook->row.id, sizeof(hook->row.id), "%s", request->hook_id);
	snprintf(hook->row.name, sizeof(hook->row.name), "%s", request->name);
	pending->hooks = hooks;
	pending->done = done;
	pending->data = data;
	fill(pending, request, section, by);
	hook_write(hook, pending, HOOK_RUNNING);
}

void hooks_begin(struct hooks *hooks, const struct hook_request *request, const char *by,
		 hook_done_fn *done, void *data)
{
	const struct hook *hook = request->check ? NULL : hook_find(hooks, request->hook_id);
	const struct hook_section *section;
	struct err err;

	if (hook) {
		answer_again(hooks, hook, request->name, done, data);
		return;
	}
	section = section_of(hooks, request->name, &err);
	if (section && request->check)
		hook_check(hooks, section, done, data);
	else if (section && may_begin(hooks, request, &err))
		begin_new(hooks, request, section, by, done, data);
	else
		refuse(hooks, done, data, &err);
}

bool hooks_conductor(const struct hooks *hooks, const char *peer, struct err *err)
{
	return hook_sections_names_conductor(hooks->sections, peer) ||
	       err_set(err, ERR_FORBIDDEN,
		       "host '%s' may not maintain host '%s': name it in the key conductors of the "
		       "section [maintenance] in the configuration of '%s'",
		       peer, hooks->env.host_id, hooks->env.host_id);
}

/* ---- life ------------------------------------------------------------------------------ */

void hook_look_in(struct hooks *hooks, int64_t ms)
{
	loop_timer_start(hooks->timer, ms < 0                  ? 0
				       : ms < HOOK_LOOK_MAX_MS ? (uint64_t)ms
							       : HOOK_LOOK_MAX_MS);
}

static void on_timer(void *data)
{
	struct hook *hook = running(data);

	if (hook && !hook->is_new)
		hook_follow(hook);
}

static void identify(struct hooks *hooks)
{
	const struct hooks_env *env = &hooks->env;
	struct proc_id id = { .pid = getpid() };
	struct err ignored;

	snprintf(hooks->boot_id, sizeof(hooks->boot_id), "%s",
		 env->boot_id ? env->boot_id : proc_boot_id());
	(void)proc_identify(getpid(), &id, &ignored);
	if (env->process)
		snprintf(hooks->process, sizeof(hooks->process), "%s", env->process);
	else
		snprintf(hooks->process, sizeof(hooks->process), "%d-%" PRIu64, (int)id.pid,
			 id.start_time);
}

struct hooks *hooks_new(const struct hooks_env *env, struct hook_sections *sections,
			struct err *err)
{
	struct hooks *hooks = xnew(struct hooks);

	hooks->env = *env;
	hooks->sections = sections;
	hooks->dir = xasprintf("%s/hooks", env->state_dir);
	TAILQ_INIT(&hooks->list);
	TAILQ_INIT(&hooks->checks);
	identify(hooks);
	hooks->timer = loop_timer_new(env->loop, on_timer, hooks);
	hooks->worker = worker_new(env->loop, "hooks", 1);
	hooks->notify = notify_new(env->loop, hook_sections_take_parties(sections), err);
	if (hooks->notify && dir_make(hooks->dir, 0700, err))
		return hooks;
	hooks_free(hooks);
	return NULL;
}

void hooks_set(struct hooks *hooks, struct hook_sections *sections)
{
	notify_set_parties(hooks->notify, hook_sections_take_parties(sections));
	hook_sections_free(hooks->sections);
	hooks->sections = sections;
}

/* Without its detail it has a url, as far as that can be told: nothing is begun. */
void hooks_add_row(struct hooks *hooks, struct store_hook *row)
{
	struct hook *hook = hook_new(hooks);

	hook->row = *row;
	hook->is_recovered = true;
	if (!hook_detail_read(row->detail, &hook->detail))
		log_error("hook", "record", "id=%s reason=%s", row->id,
			  "its record cannot be understood");
}

void hooks_recover(struct hooks *hooks)
{
	struct hook *hook = running(hooks);

	hook_files_clean(hooks);
	if (hook)
		hook_follow(hook);
}

void hooks_clear(struct hooks *hooks)
{
	struct hook *hook;

	if (!hooks)
		return;
	hooks->is_closing = true;
	hook_checks_clear(hooks);
	notify_free(TAKE_PTR(hooks->notify));
	worker_free(TAKE_PTR(hooks->worker));
	loop_timer_free(TAKE_PTR(hooks->timer));
	while ((hook = TAILQ_FIRST(&hooks->list)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		hook_free(hook);
}

void hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return;
	hooks_clear(hooks);
	hook_sections_free(hooks->sections);
	free(hooks->dir);
	free(hooks);
}
