/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An order comes: its hosts are asked, and with what they say it is refused, shown or begun. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "maintenance/priv.h"
#include "peer/client.h"

/* An order that waits for the answers of the hosts. */
struct maint_begin {
	TAILQ_ENTRY(maint_begin) link;
	struct maintenances *all;
	struct maintenance_request request;
	char by[EVACUATION_WHO_SIZE];
	struct maint_survey *survey;
	maintenance_done_fn *done;
	maintenance_tried_fn *tried; /* of a dry run; then DONE is NULL */
	void *data;
	struct err err; /* why it is refused at once */
	bool is_posted; /* on_refused() comes */
};

/* Answers it with ERR, and frees it. */
static void fail(struct maint_begin *begin, const struct err *err)
{
	TAILQ_REMOVE(&begin->all->begins, begin, link);
	maint_survey_free(begin->survey);
	if (begin->tried)
		begin->tried(begin->data, NULL, err);
	else
		begin->done(begin->data, NULL, err);
	free(begin);
}

static void begin_free(struct maint_begin *begin)
{
	TAILQ_REMOVE(&begin->all->begins, begin, link);
	maint_survey_free(begin->survey);
	free(begin);
}

void maint_dismiss_begins(struct maintenances *all)
{
	struct maint_begin *begin, *next;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	for (begin = TAILQ_FIRST(&all->begins); begin; begin = next) {
		next = TAILQ_NEXT(begin, link);
		if (!begin->is_posted) /* that one is answered by its post */
			fail(begin, &err);
	}
}

/* ---- what is checked --------------------------------------------------------------- */

static bool is_known(const struct maintenances *all, const char *host)
{
	return strcmp(host, all->env.host_id) == 0 || peer_clients_address(all->env.peers, host);
}

static bool check_hosts(const struct maintenances *all, const struct maintenance_request *request,
			struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf list = STRBUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < request->host_count; i++)
		if (!is_known(all, request->hosts[i]) && count++ < 8)
			strbuf_addf(&list, "%s'%s'", list.len ? ", " : "", request->hosts[i]);
	return !count ||
	       err_set(err, ERR_INVALID,
		       "hosts: %zu of them are neither this host, '%s', nor a peer of it (GET "
		       "/v1/peers): %s%s",
		       count, all->env.host_id, strbuf_str(&list), count > 8 ? ", ..." : "");
}

static bool check(const struct maintenances *all, const struct maintenance_request *request,
		  struct err *err)
{
	const struct maintenance *current = maints_current(all);
	int64_t ms;

	if (!check_hosts(all, request, err))
		return false;
	if (when_parse(request->not_before, &ms) && ms <= clock_wall_ms())
		return err_set(err, ERR_INVALID,
			       "not_before is past: give a later moment, or none");
	return !current || request->dry_run ||
	       err_set(err, ERR_CONFLICT,
		       "maintenance %s is under way, and a host conducts one at a time: wait for "
		       "its end, or stop it",
		       current->row.id);
}

/* ---- what the hosts said ------------------------------------------------------------------ */

static void sum_text(uint64_t *sum, const char *text)
{
	for (; *text; text++)
		*sum = (*sum ^ (unsigned char)*text) * UINT64_C(1099511628211);
	*sum = (*sum ^ 0x1f) * UINT64_C(1099511628211);
}

/* FNV-1a of 64 bits of what the hosts' plans depend on. */
static void sum(const struct maintenance_request *request, const struct maint_said *said,
		char ret[EVACUATION_STATE_ID_SIZE])
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < request->host_count; i++) {
		sum_text(&sum, request->hosts[i]);
		sum_text(&sum, said[i].plan.is_there ? said[i].plan.state_id
						     : err_name(said[i].err.code));
	}
	snprintf(ret, EVACUATION_STATE_ID_SIZE, "%016" PRIx64, sum);
}

/* One at least can be begun, and all is as it was seen. */
static bool check_said(const struct maintenance_request *request, const struct maint_said *said,
		       const char *state_id, struct err *err)
{
	bool is_stale = request->state_id[0] && strcmp(request->state_id, state_id) != 0;

	if (is_stale)
		return err_set(err, ERR_CONFLICT,
			       "the plan is stale: hosts or VMs have changed since state_id %s was "
			       "made, and it is %s now: look at a new dry run",
			       request->state_id, state_id);
	for (size_t i = 0; i < request->host_count; i++)
		if (!err_is_set(&said[i].err))
			return true;
	return err_set(err, ERR_CONFLICT, "none of the hosts can be begun; host '%s': %.400s",
		       request->hosts[0], said[0].err.msg);
}

static void answer_dry_run(struct maint_begin *begin, const struct maint_said *said,
			   const char *state_id)
{
	struct maint_shown *shown =
		maint_show_survey(begin->all, &begin->request, begin->by, said, state_id);

	begin->tried(begin->data, maint_shown_reply(shown), NULL);
	maint_shown_free(shown);
}

static void make(struct maint_begin *begin, const struct maint_said *said, const char *state_id)
{
	const struct maintenance_request *request = &begin->request;
	struct maintenance *m;
	char id[ID_UUID_SIZE];

	id_uuid_new(id);
	m = maint_new(begin->all, id);
	m->request = xnew(struct maintenance_request);
	*m->request = *request;
	m->row.request = maint_request_text(request);
	m->wish = json_read_back(m->row.request);
	maint_hosts_new(m, request->host_count);
	for (size_t i = 0; i < request->host_count; i++) {
		struct maint_host *host = &m->hosts[i];

		memcpy(host->host, request->hosts[i], sizeof(host->host));
		memcpy(host->rack, said[i].rack, sizeof(host->rack));
		host->plan = said[i].plan;
		if (err_is_set(&said[i].err))
			snprintf(host->why, sizeof(host->why), "now: %.500s", said[i].err.msg);
		maint_text_repair(host->why);
	}
	when_parse(request->not_before, &m->detail.not_before_ms);
	snprintf(m->detail.by, sizeof(m->detail.by), "%s", begin->by);
	snprintf(m->detail.state_id, sizeof(m->detail.state_id), "%s", state_id);
	maint_answer_when_saved(m, begin->done, begin->data);
	machine_begin(&m->machine, &(struct machine_change){ .to = MAINT_STATE_PLANNED });
}

static void on_survey(void *data, const struct maint_said *said, const struct err *err)
{
	struct maint_begin *begin = data;
	const struct maintenance_request *request = &begin->request;
	char state_id[EVACUATION_STATE_ID_SIZE];
	struct err bad;

	if (err) {
		bad = *err;
		fail(begin, &bad);
		return;
	}
	sum(request, said, state_id);
	if (!check(begin->all, request, &bad) ||
	    (!request->dry_run && !check_said(request, said, state_id, &bad))) {
		fail(begin, &bad);
		return;
	}
	if (begin->tried)
		answer_dry_run(begin, said, state_id);
	else
		make(begin, said, state_id);
	begin_free(begin);
}

/* ---- from the order to the answer ----------------------------------------------------------- */

/* Not from inside the order. */
static void on_refused(void *data)
{
	struct maint_begin *begin = data;

	fail(begin, &begin->err);
}

/* The conductor's own host is the last. */
static void put_own_last(const struct maintenances *all, struct maintenance_request *request)
{
	size_t last = request->host_count - 1;

	for (size_t i = 0; i < last; i++) {
		char own[ID_NAME_SIZE];

		if (strcmp(request->hosts[i], all->env.host_id) != 0)
			continue;
		memcpy(own, request->hosts[i], sizeof(own));
		memmove(request->hosts[i], request->hosts[i + 1],
			(last - i) * sizeof(request->hosts[0]));
		memcpy(request->hosts[last], own, sizeof(own));
	}
}

static struct maint_begin *begin_new(struct maintenances *all,
				     const struct maintenance_request *request, const char *by,
				     void *data)
{
	struct maint_begin *begin = xnew(struct maint_begin);

	begin->all = all;
	begin->request = *request;
	begin->data = data;
	snprintf(begin->by, sizeof(begin->by), "%s", by);
	put_own_last(all, &begin->request);
	TAILQ_INSERT_TAIL(&all->begins, begin, link);
	return begin;
}

static void begin_it(struct maint_begin *begin)
{
	struct maintenances *all = begin->all;

	if (check(all, &begin->request, &begin->err)) {
		begin->survey = maint_survey_new(all, &begin->request, on_survey, begin);
		return;
	}
	begin->is_posted = true;
	loop_post(all->env.loop, on_refused, begin);
}

void maintenance_start(struct maintenances *all, const struct maintenance_request *request,
		       const char *by, maintenance_done_fn *done, void *data)
{
	struct maint_begin *begin = begin_new(all, request, by, data);

	begin->done = done;
	begin_it(begin);
}

void maintenance_try(struct maintenances *all, const struct maintenance_request *request,
		     const char *by, maintenance_tried_fn *done, void *data)
{
	struct maint_begin *begin = begin_new(all, request, by, data);

	begin->tried = done;
	begin->request.dry_run = true;
	begin_it(begin);
}
