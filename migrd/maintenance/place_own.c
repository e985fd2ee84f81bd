/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conductor's own host is asked directly, and answers as a peer would. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "maintenance/place.h"

/* ---- evacuations ------------------------------------------------------------------- */

struct told {
	const struct maintenances_env *env;
	evacuation_ask_fn *fn;
	void *data;
	char id[ID_UUID_SIZE];
	struct err err;
};

static struct told *told_new(const struct maintenances_env *env, evacuation_ask_fn *fn, void *data)
{
	struct told *told = xnew(struct told);

	*told = (struct told){ .env = env, .fn = fn, .data = data };
	return told;
}

/* Frees TOLD. */
static void answer(struct told *told, struct evacuation *evac, const struct err *err)
{
	told->fn(told->data, evac && !err ? evacuation_brief_of(evac) : NULL, err);
	free(told);
}

static void on_tried(void *data, const struct evacuation_reply *reply, const struct err *err)
{
	struct told *told = data;
	struct peer_evacuation *brief = err ? NULL : xnew(struct peer_evacuation);

	if (brief)
		evacuation_brief(told->env->evacuations, reply, brief);
	told->fn(told->data, brief, err);
	free(brief);
	free(told);
}

static void on_done(void *data, struct evacuation *evac, const struct err *err)
{
	answer(data, evac, err);
}

/* Of the evacuation of that id, now. */
static void on_show(void *data)
{
	struct told *told = data;
	struct evacuation *evac = evacuations_find(told->env->evacuations, told->id);

	if (!evac)
		err_set(&told->err, ERR_NOT_FOUND, "there is no evacuation '%s' of this host",
			told->id);
	answer(told, evac, evac ? NULL : &told->err);
}

static void show(struct told *told, const char *id)
{
	snprintf(told->id, sizeof(told->id), "%s", id);
	loop_post(told->env->loop, on_show, told);
}

/* One that has ended, or from which the name was withdrawn, is answered and not begun again. */
static void evacuate(const struct maintenances_env *env, const char *host,
		     const struct evacuation_request *request, evacuation_ask_fn *fn, void *data)
{
	struct told *told = told_new(env, fn, data);
	const char *who = request->requester;
	struct evacuation *evac = evacuation_of_requester(env->evacuations, who);

	(void)host;
	if (request->dry_run)
		evacuations_try(env->evacuations, request, who, on_tried, told);
	else if (evac && evacuation_is_final(evac))
		show(told, evacuation_id(evac));
	else if (evac && !evacuation_has_requester(evac, who))
		evacuation_await(evac, on_done, told);
	else
		evacuations_request(env->evacuations, request, who, on_done, told);
}

static void evacuation(const struct maintenances_env *env, const char *host, const char *id,
		       evacuation_ask_fn *fn, void *data)
{
	(void)host;
	show(told_new(env, fn, data), id);
}

static void on_kept_empty(void *data)
{
	struct told *told = data;

	answer(told, NULL, &told->err);
}

/* Before: that may not be on disk yet. */
static bool is_withdrawn(const struct maintenances_env *env, const struct evacuation *evac,
			 const char *who)
{
	return !evacuation_is_final(evac) && !evacuation_has_requester(evac, who) &&
	       evacuation_of_requester(env->evacuations, who) == evac;
}

/* As a peer does it: no guest is let back while a hook runs. */
static void withdraw(const struct maintenances_env *env, const char *host, const char *id,
		     const struct evacuation_withdraw *wish, evacuation_ask_fn *fn, void *data)
{
	struct told *told = told_new(env, fn, data);
	struct evacuation *evac = evacuations_find(env->evacuations, id);
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	(void)host;
	if (!evac) {
		show(told, id);
	} else if (is_withdrawn(env, evac, wish->requester)) {
		evacuation_await(evac, on_done, told);
	} else if (evacuation_has_requester(evac, wish->requester) &&
		   hooks_is_running(env->hooks, &why)) {
		err_set(&told->err, ERR_CONFLICT, "the host must stay empty: %s", strbuf_str(&why));
		loop_post(env->loop, on_kept_empty, told);
	} else {
		evacuation_withdraw(evac, wish->requester, on_done, told);
	}
}

/* ---- hooks ---------------------------------------------------------------------------- */

static void hook_begin(const struct maintenances_env *env, const char *host,
		       const struct hook_request *request, hook_ask_fn *fn, void *data)
{
	hooks_begin(env->hooks, request, host, fn, data);
}

struct status {
	const struct maintenances_env *env;
	char hook_id[HOOK_ID_SIZE];
	hook_ask_fn *fn;
	void *data;
};

static void on_status(void *data)
{
	struct status *status = data;
	struct hook_run *run = xnew(struct hook_run);
	struct err err;

	if (hooks_status(status->env->hooks, status->hook_id, run)) {
		status->fn(status->data, run, NULL);
	} else {
		err_set(&err, ERR_NOT_FOUND, "this host knows of no hook '%s'", status->hook_id);
		status->fn(status->data, NULL, &err);
	}
	free(run);
	free(status);
}

static void hook(const struct maintenances_env *env, const char *host, const char *hook_id,
		 hook_ask_fn *fn, void *data)
{
	struct status *status = xnew(struct status);

	(void)host;
	*status = (struct status){ .env = env, .fn = fn, .data = data };
	snprintf(status->hook_id, sizeof(status->hook_id), "%s", hook_id);
	loop_post(env->loop, on_status, status);
}

/* ---- health: who asks is there, and has found its evacuations again --------------------- */

struct health {
	place_health_fn *fn;
	void *data;
};

static void on_health(void *data)
{
	struct health *health = data;

	health->fn(health->data, PACKAGE_STRING, NULL);
	free(health);
}

static void ask_health(const struct maintenances_env *env, const char *host, place_health_fn *fn,
		       void *data)
{
	struct health *health = xnew(struct health);

	(void)host;
	*health = (struct health){ fn, data };
	loop_post(env->loop, on_health, health);
}

const struct maintenance_place place_own = {
	.evacuate = evacuate,
	.evacuation = evacuation,
	.withdraw = withdraw,
	.hook_begin = hook_begin,
	.hook = hook,
	.health = ask_health,
};
