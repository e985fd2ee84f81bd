/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody wants of a maintenance.  It counts at once, and is answered when it is on disk. */
#include <stdio.h>
#include <string.h>

#include "maintenance/priv.h"

struct refusal {
	maintenance_done_fn *done;
	void *data;
	struct err err;
	struct machine_ref *ref;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;
	struct machine *machine = machine_ref_take(refusal->ref, NULL);

	refusal->done(refusal->data, machine ? maint_of(machine) : NULL, &refusal->err);
	free(refusal);
}

static void refuse(struct maintenance *m, maintenance_done_fn *done, void *data,
		   const struct err *err)
{
	struct refusal *refusal = xnew(struct refusal);

	*refusal = (struct refusal){ done, data, *err, machine_ref_new(&m->machine, 0) };
	loop_post(m->all->env.loop, on_refused, refusal);
}

static bool check_going_on(const struct maintenance *m, struct err *err)
{
	const struct machine *machine = &m->machine;

	if (machine_is_final(machine))
		return err_set(err, ERR_TOO_LATE, "maintenance %s has ended: %s", m->row.id,
			       machine_state(machine)->name);
	return !machine->is_saving || !(maint_states[machine->target].flags & MACHINE_FINAL) ||
	       err_set(err, ERR_TOO_LATE, "maintenance %s is just ending", m->row.id);
}

static bool check_beginning(const struct maintenance *m, struct err *err)
{
	return check_going_on(m, err) &&
	       (!m->detail.stopping_why[0] ||
		err_set(err, ERR_CONFLICT, "maintenance %s is stopping already: %.300s", m->row.id,
			m->detail.stopping_why));
}

static void done(struct maintenance *m, maintenance_done_fn *fn, void *data)
{
	m->is_news = true;
	maint_change(m);
	maint_answer_when_saved(m, fn, data);
}

static struct maint_host *find_host(struct maintenance *m, const char *host, struct err *err)
{
	for (size_t i = 0; i < m->host_count; i++)
		if (strcmp(m->hosts[i].host, host) == 0)
			return &m->hosts[i];
	err_set(err, ERR_NOT_FOUND, "maintenance %s has no host '%.63s'", m->row.id, host);
	return NULL;
}

/* ---- go ------------------------------------------------------------------------------ */

/* The host that GO names, or the one that waits first. */
static struct maint_host *host_of(struct maintenance *m, const struct maintenance_go *wish,
				  struct err *err)
{
	if (wish->host[0])
		return find_host(m, wish->host, err);
	if (m->waits_for != JUDGE_NONE)
		return &m->hosts[m->waits_for];
	err_set(err, ERR_CONFLICT, "no host of maintenance %s waits for a go%s", m->row.id,
		m->detail.is_paused ? ": it is paused, and resume lets it go on" : "");
	return NULL;
}

static bool let_go(struct maintenance *m, struct maint_host *host, struct err *err)
{
	if (host->state == MAINT_HOST_TODO && m->request->pause && !m->detail.stopping_why[0])
		host->has_go = true;
	else if (maint_host_is_by_hand(m, host))
		host->is_by_hand = true;
	else
		return err_set(err, ERR_CONFLICT, "host '%s' does not wait for a go: it is %s: %s",
			       host->host, maint_host_names[host->state], host->why);
	return true;
}

void maintenance_go(struct maintenance *m, const struct maintenance_go *wish,
		    maintenance_done_fn *fn, void *data)
{
	struct maint_host *host = NULL;
	struct err err;

	if (check_going_on(m, &err))
		host = host_of(m, wish, &err);
	if (host && let_go(m, host, &err))
		done(m, fn, data);
	else
		refuse(m, fn, data, &err);
}

/* ---- pause, resume ------------------------------------------------------------------------ */

void maintenance_pause(struct maintenance *m, const struct maintenance_pause *wish,
		       maintenance_done_fn *fn, void *data)
{
	struct maint_detail *detail = &m->detail;
	struct err err;

	if (!check_beginning(m, &err)) {
		refuse(m, fn, data, &err);
		return;
	}
	detail->is_paused = true;
	snprintf(detail->paused_why, sizeof(detail->paused_why), "%s",
		 wish->why[0] ? wish->why : "somebody has paused it");
	done(m, fn, data);
}

void maintenance_resume(struct maintenance *m, maintenance_done_fn *fn, void *data)
{
	struct err err;

	if (!check_beginning(m, &err)) {
		refuse(m, fn, data, &err);
		return;
	}
	m->detail.is_paused = false;
	m->detail.paused_why[0] = '\0';
	done(m, fn, data);
}

/* ---- ends ----------------------------------------------------------------------------------- */

void maintenance_stop(struct maintenance *m, const struct maintenance_stop *wish,
		      maintenance_done_fn *fn, void *data)
{
	struct err err;

	if (!check_going_on(m, &err)) {
		refuse(m, fn, data, &err);
		return;
	}
	maint_stop(m, true, wish->why[0] ? wish->why : "stopped on request");
	done(m, fn, data);
}

void maintenance_abort(struct maintenance *m, const struct maintenance_abort *wish,
		       maintenance_done_fn *fn, void *data)
{
	struct err err;

	if (!check_going_on(m, &err)) {
		refuse(m, fn, data, &err);
		return;
	}
	m->detail.is_aborting = true;
	m->detail.stays = wish->stay;
	maint_stop(m, true, wish->why[0] ? wish->why : "aborted on request");
	for (size_t i = 0; i < m->host_count; i++)
		if (maint_host_is_under_way(&m->hosts[i]))
			maint_host_abort(m, &m->hosts[i]);
	done(m, fn, data);
}

void maintenance_skip(struct maintenance *m, const struct maintenance_skip *wish,
		      maintenance_done_fn *fn, void *data)
{
	struct maint_host *host = NULL;
	struct err err;

	if (check_going_on(m, &err))
		host = find_host(m, wish->host, &err);
	if (host && host->state != MAINT_HOST_TODO) {
		err_set(&err, ERR_CONFLICT,
			"host '%s' is %s: only one that was not begun is skipped; stop or abort "
			"the maintenance",
			host->host, maint_host_names[host->state]);
		host = NULL;
	}
	if (!host) {
		refuse(m, fn, data, &err);
		return;
	}
	maint_host_skip(m, host, ERR_CANCELLED, wish->why[0] ? wish->why : "skipped on request");
	done(m, fn, data);
}
