/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host is asked in its present state; an answer that comes when it is in another is
 * dropped. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "maintenance/priv.h"

struct ask {
	struct maintenances *all;
	char id[ID_UUID_SIZE];
	size_t host;
	uint64_t epoch;
	maint_told_fn *told;
	maint_hook_fn *hook;
	maint_health_fn *health;
	maint_picture_fn *picture;
};

static struct ask *ask_new(struct maintenance *m, struct maint_host *host)
{
	struct ask *ask = xnew(struct ask);

	ask->all = m->all;
	memcpy(ask->id, m->row.id, sizeof(ask->id));
	ask->host = (size_t)(host - m->hosts);
	ask->epoch = host->epoch;
	host->is_asking = true;
	return ask;
}

/* NULL: nobody waits for the answer any more. */
static struct maintenance *ask_take(const struct ask *ask, struct maint_host **ret_host)
{
	struct maintenance *m = maintenances_find(ask->all, ask->id);

	if (!m || maintenance_is_final(m) || ask->host >= m->host_count ||
	    m->hosts[ask->host].epoch != ask->epoch)
		return NULL;
	*ret_host = &m->hosts[ask->host];
	(*ret_host)->is_asking = false;
	maints_look(m->all);
	return m;
}

/* ---- evacuations ------------------------------------------------------------------- */

static void on_told(void *data, const struct peer_evacuation *told, const struct err *err)
{
	struct ask *ask = data;
	struct maint_host *host;
	struct maintenance *m = ask_take(ask, &host);

	if (m)
		ask->told(m, host, told, err);
	free(ask);
}

static struct ask *told_new(struct maintenance *m, struct maint_host *host, maint_told_fn *fn)
{
	struct ask *ask = ask_new(m, host);

	ask->told = fn;
	return ask;
}

void maint_ask_evacuate(struct maintenance *m, struct maint_host *host,
			const struct evacuation_request *request, maint_told_fn *fn)
{
	maint_place(m->all, host->host)
		->evacuate(&m->all->env, host->host, request, on_told, told_new(m, host, fn));
}

void maint_ask_evacuation(struct maintenance *m, struct maint_host *host, const char *id,
			  maint_told_fn *fn)
{
	maint_place(m->all, host->host)
		->evacuation(&m->all->env, host->host, id, on_told, told_new(m, host, fn));
}

void maint_ask_withdraw(struct maintenance *m, struct maint_host *host, const char *who,
			maint_told_fn *fn)
{
	struct evacuation_withdraw wish;

	snprintf(wish.requester, sizeof(wish.requester), "%s", who);
	maint_place(m->all, host->host)
		->withdraw(&m->all->env, host->host, host->evacuation, &wish, on_told,
			   told_new(m, host, fn));
}

/* ---- hooks ---------------------------------------------------------------------------- */

static void on_hook(void *data, const struct hook_run *run, const struct err *err)
{
	struct ask *ask = data;
	struct maint_host *host;
	struct maintenance *m = ask_take(ask, &host);

	if (m)
		ask->hook(m, host, run, err);
	free(ask);
}

static struct ask *hook_new(struct maintenance *m, struct maint_host *host, maint_hook_fn *fn)
{
	struct ask *ask = ask_new(m, host);

	ask->hook = fn;
	return ask;
}

void maint_hook_id(const struct maintenance *m, const struct maint_host *host,
		   char ret[HOOK_ID_SIZE])
{
	snprintf(ret, HOOK_ID_SIZE, "%s-%s", m->row.id, host->host);
}

void maint_ask_hook_begin(struct maintenance *m, struct maint_host *host, bool check,
			  maint_hook_fn *fn)
{
	struct hook_request request = { .check = check };

	maint_hook_id(m, host, request.hook_id);
	maint_who(m, request.requester);
	snprintf(request.name, sizeof(request.name), "%s", m->request->hook);
	snprintf(request.why, sizeof(request.why), "%s", m->request->why);
	for (char *p = request.why; *p; p++) /* a hook wants one line (wire/hook.c) */
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	maint_place(m->all, host->host)
		->hook_begin(&m->all->env, host->host, &request, on_hook, hook_new(m, host, fn));
}

void maint_ask_hook(struct maintenance *m, struct maint_host *host, maint_hook_fn *fn)
{
	char id[HOOK_ID_SIZE];

	maint_hook_id(m, host, id);
	maint_place(m->all, host->host)
		->hook(&m->all->env, host->host, id, on_hook, hook_new(m, host, fn));
}

/* ---- health, and the picture of all hosts ---------------------------------------------------- */

static void on_health(void *data, const char *software, const struct err *err)
{
	struct ask *ask = data;
	struct maint_host *host;
	struct maintenance *m = ask_take(ask, &host);

	if (m)
		ask->health(m, host, software, err);
	free(ask);
}

void maint_ask_health(struct maintenance *m, struct maint_host *host, maint_health_fn *fn)
{
	struct ask *ask = ask_new(m, host);

	ask->health = fn;
	maint_place(m->all, host->host)->health(&m->all->env, host->host, on_health, ask);
}

static void on_picture(void *data)
{
	struct ask *ask = data;
	struct maint_host *host;
	struct maintenance *m = ask_take(ask, &host);

	if (m)
		ask->picture(m, host);
	free(ask);
}

void maint_ask_picture(struct maintenance *m, struct maint_host *host, maint_picture_fn *fn)
{
	struct ask *ask = ask_new(m, host);

	ask->picture = fn;
	capacity_ask(m->all->env.capacity, on_picture, ask);
}
