/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown of a maintenance: each host, the counts, one sentence; of a dry run the steps. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "maintenance/priv.h"

#define STEPS_OF_HOST 5

struct maint_shown {
	struct maintenance_reply reply;
	struct maintenance_host_reply *hosts;
	char (*hook_ids)[HOOK_ID_SIZE];
	struct maintenance_step_reply *steps;
	char **texts; /* of the steps, and of the hosts of a dry run */
	size_t text_count;
	struct strbuf reason;
	struct json_object *wish; /* of a dry run */
	struct maint_host *made;  /* likewise */
};

void maint_shown_free(struct maint_shown *shown)
{
	if (!shown)
		return;
	for (size_t i = 0; i < shown->text_count; i++)
		free(shown->texts[i]);
	free(shown->texts);
	free(shown->steps);
	free(shown->hook_ids);
	free(shown->hosts);
	free(shown->made);
	strbuf_fini(&shown->reason);
	json_object_put(shown->wish);
	free(shown);
}

const struct maintenance_reply *maint_shown_reply(const struct maint_shown *shown)
{
	return &shown->reply;
}

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* ---- one host --------------------------------------------------------------------------- */

static void show_plan(const struct maint_plan *plan, struct maintenance_plan_reply *ret)
{
	*ret = (struct maintenance_plan_reply){
		.state_id = plan->state_id,
		.vms = plan->vms,
		.moves = plan->moves,
		.stays = plan->stays,
		.blocked = plan->blocked,
		.blocked_by = text_or_null(plan->blocked_by),
		.blocked_why = text_or_null(plan->blocked_why),
		.makespan_ms = plan->makespan_ms,
		.fullest = text_or_null(plan->fullest),
		.fullest_percent = plan->fullest_percent,
		.homeless_host = text_or_null(plan->homeless_host),
		.homeless = text_or_null(plan->homeless),
	};
}

static uint64_t took_ms(const struct maint_host *host)
{
	int64_t until_ms = host->ended_ms ? host->ended_ms : clock_wall_ms();

	return host->started_ms && until_ms > host->started_ms
		       ? (uint64_t)(until_ms - host->started_ms)
		       : 0;
}

/* What needs the maintenance is added by show_of(). */
static void show_host(const struct maint_host *host, struct maintenance_host_reply *ret)
{
	*ret = (struct maintenance_host_reply){
		.host = host->host,
		.state = maint_host_names[host->state],
		.final = maint_host_is_final(host),
		.rack = text_or_null(host->rack),
		.reason = host->why,
		.evacuation = text_or_null(host->evacuation),
		.has_plan = host->plan.is_there,
		.vms = host->vms.total,
		.left = host->vms.left,
		.moving = host->vms.moving,
		.blocked = host->vms.blocked,
		.moved = host->vms.moved,
		.stays = host->vms.stays,
		.returned = host->vms.returned,
		.has_blackout = host->vms.has_blackout,
		.blackout_ms = host->vms.blackout_ms,
		.has_failed = host->error_code[0],
		.error = { host->error_code, host->error },
		.started_at = host->started_ms,
		.drained_at = host->drained_ms,
		.hook_at = host->hook_ms,
		.healed_at = host->healed_ms,
		.ended_at = host->ended_ms,
		.took_ms = took_ms(host),
	};
	show_plan(&host->plan, &ret->plan);
}

static void show_of(const struct maintenance *m, size_t at, struct maint_shown *shown)
{
	const struct maint_host *host = &m->hosts[at];
	struct maintenance_host_reply *ret = &shown->hosts[at];

	ret->deadline_at = maint_host_is_under_way(host) ? maint_host_deadline_ms(m, host) : 0;
	ret->waits_for_go = maint_host_is_by_hand(m, host) || m->waits_for == at;
	ret->has_hook = host->hook != HOOK_STATE_COUNT;
	if (!ret->has_hook)
		return;
	maint_hook_id(m, host, shown->hook_ids[at]);
	ret->hook = (struct maintenance_hook_reply){ .id = shown->hook_ids[at],
						     .state = hook_state_names[host->hook],
						     .words = host->words };
}

static struct maintenance_counts counts_of(const struct maint_host *hosts, size_t count)
{
	struct maintenance_counts counts = { .total = count };

	for (size_t i = 0; i < count; i++) {
		counts.todo += hosts[i].state == MAINT_HOST_TODO;
		counts.done += hosts[i].state == MAINT_HOST_DONE;
		counts.failed += hosts[i].state == MAINT_HOST_FAILED;
		counts.skipped += hosts[i].state == MAINT_HOST_SKIPPED;
		counts.aborted += hosts[i].state == MAINT_HOST_ABORTED;
		counts.under_way += maint_host_is_under_way(&hosts[i]);
	}
	return counts;
}

static void show_hosts(const struct maint_host *hosts, size_t count, struct maint_shown *shown)
{
	shown->hosts = xcalloc(count + 1, sizeof(*shown->hosts));
	shown->hook_ids = xcalloc(count + 1, sizeof(*shown->hook_ids));
	for (size_t i = 0; i < count; i++)
		show_host(&hosts[i], &shown->hosts[i]);
	shown->reply.hosts = shown->hosts;
	shown->reply.host_count = count;
	shown->reply.counts = counts_of(hosts, count);
}

/* ---- the sentence -------------------------------------------------------------------------- */

static void say_counts(const struct maintenance_counts *counts, struct strbuf *text)
{
	strbuf_addf(text, "%" PRIu64 " of %" PRIu64 " host%s %s done", counts->done, counts->total,
		    counts->total == 1 ? "" : "s", counts->done == 1 ? "is" : "are");
	if (counts->under_way)
		strbuf_addf(text, ", %" PRIu64 " under way", counts->under_way);
	if (counts->failed)
		strbuf_addf(text, ", %" PRIu64 " failed", counts->failed);
	if (counts->skipped)
		strbuf_addf(text, ", %" PRIu64 " skipped", counts->skipped);
	if (counts->aborted)
		strbuf_addf(text, ", %" PRIu64 " aborted", counts->aborted);
}

/* The first host that is under way. */
static void say_host(const struct maintenance *m, struct strbuf *text)
{
	for (size_t i = 0; i < m->host_count; i++) {
		const struct maint_host *host = &m->hosts[i];

		if (!maint_host_is_under_way(host))
			continue;
		strbuf_addf(text, "; host '%s' (%s): %s", host->host, maint_host_names[host->state],
			    host->why);
		return;
	}
}

static void say_waiting(const struct maintenance *m, struct strbuf *text)
{
	const struct maint_host *host = m->waits_for != JUDGE_NONE ? &m->hosts[m->waits_for] : NULL;

	if (m->detail.is_paused)
		strbuf_addf(text, "is paused: %s; ", m->detail.paused_why);
	if (host && host->state == MAINT_HOST_TODO)
		strbuf_addf(text, "host '%s' waits until somebody says go; ", host->host);
	else if (host)
		strbuf_addf(text,
			    "host '%s' is empty, and waits until somebody says that all is done "
			    "with it; ",
			    host->host);
}

static void say(const struct maintenance *m, const struct maintenance_counts *counts,
		struct strbuf *text)
{
	switch ((enum maint_state)m->machine.state) {
	case MAINT_STATE_PLANNED:
		strbuf_adds(text, m->detail.not_before_ms > clock_wall_ms() ? "waits for its moment"
									    : "is about to begin");
		return;
	case MAINT_STATE_STOPPING:
		strbuf_addf(text, "no other host is begun: %s; ", m->detail.stopping_why);
		say_counts(counts, text);
		say_host(m, text);
		return;
	case MAINT_STATE_WAITING:
		say_waiting(m, text);
		say_counts(counts, text);
		return;
	case MAINT_STATE_RUNNING:
		say_counts(counts, text);
		say_host(m, text);
		return;
	case MAINT_STATE_DONE:
	case MAINT_STATE_FAILED:
	case MAINT_STATE_ABORTED:
	case MAINT_STATE_COUNT:
		break;
	}
	say_counts(counts, text);
	if (err_is_set(&m->error))
		strbuf_addf(text, "; %s", m->error.msg);
}

/* ---- all ------------------------------------------------------------------------------------- */

const struct maintenance_reply *maintenance_show(struct maintenance *m)
{
	const struct store_maintenance *row = &m->row;
	const struct maint_detail *detail = &m->detail;
	struct maint_shown *shown = xnew(struct maint_shown);
	struct maintenance_reply *reply = &shown->reply;
	bool is_waiting =
		m->machine.state == MAINT_STATE_WAITING || m->machine.state == MAINT_STATE_STOPPING;

	maint_shown_free(m->all->shown);
	m->all->shown = shown;
	*reply = (struct maintenance_reply){
		.id = row->id,
		.conductor = m->all->env.host_id,
		.state = machine_state(&m->machine)->name,
		.final = maintenance_is_final(m),
		.paused = detail->is_paused,
		.hook = m->request ? text_or_null(m->request->hook) : NULL,
		.why = m->request ? m->request->why : "",
		.by = detail->by,
		.state_id = text_or_null(detail->state_id),
		.has_failed = err_is_set(&m->error),
		.error = { err_name(m->error.code), m->error.msg },
		.not_before = detail->not_before_ms,
		.created_at = row->created_ms,
		.started_at = detail->started_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
		.wish = m->wish,
	};
	if (is_waiting && m->waits_for != JUDGE_NONE)
		reply->waits_for = m->hosts[m->waits_for].host;
	show_hosts(m->hosts, m->host_count, shown);
	for (size_t i = 0; i < m->host_count; i++)
		show_of(m, i, shown);
	say(m, &reply->counts, &shown->reason);
	reply->reason = strbuf_str(&shown->reason);
	return reply;
}

/* ---- a dry run -------------------------------------------------------- */

static void add_step(struct maint_shown *shown, const char *host, const char *step,
		     struct strbuf *text)
{
	struct maintenance_reply *reply = &shown->reply;
	char *owned = strbuf_take(text);

	shown->texts[shown->text_count++] = owned;
	shown->steps[reply->step_count] = (struct maintenance_step_reply){
		.number = reply->step_count + 1, .host = host, .step = step, .text = owned
	};
	reply->step_count++;
}

static void say_evacuation(const struct maint_plan *plan, struct strbuf *text)
{
	strbuf_addf(text, "its VMs are moved, %" PRIu64 " of %" PRIu64 ", in about %" PRIu64 " s",
		    plan->moves, plan->vms, (plan->makespan_ms + 999) / 1000);
	if (plan->stays)
		strbuf_addf(text, "; %" PRIu64 " stay%s, as %s may", plan->stays,
			    plan->stays == 1 ? "s" : "", plan->stays == 1 ? "it" : "they");
	if (plan->fullest[0])
		strbuf_addf(text, "; host '%s' gets the fullest, %.1f %% of its memory",
			    plan->fullest, plan->fullest_percent);
	if (plan->homeless[0])
		strbuf_addf(text, "; if host '%s' were lost then, VM '%s' would find no place",
			    plan->homeless_host, plan->homeless);
}

static void add_steps(const struct maintenance_request *request, const char *host,
		      const struct maint_said *said, struct maint_shown *shown)
{
	struct strbuf text = STRBUF_INIT;

	if (err_is_set(&said->err)) {
		strbuf_addf(&text, "as it is now it would not be begun: %s", said->err.msg);
		add_step(shown, host, "skip", &text);
		return;
	}
	strbuf_addf(&text, "it is checked again%s: reachable, ready, not held, its guests' places",
		    request->pause ? ", when somebody has said go" : "");
	add_step(shown, host, "check", &text);
	say_evacuation(&said->plan, &text);
	add_step(shown, host, "evacuate", &text);
	if (request->hook[0])
		strbuf_addf(&text,
			    "hook '%s' of its configuration is run, for %" PRIu64 " s at most",
			    request->hook, request->hook_s);
	else
		strbuf_adds(&text, "it waits, empty, until somebody says go");
	add_step(shown, host, "hook", &text);
	strbuf_addf(&text, "it has to be reachable, ready and still empty within %" PRIu64 " s%s%s",
		    request->heal_s, request->version[0] ? ", and to be " : "", request->version);
	add_step(shown, host, "heal", &text);
	strbuf_adds(&text, request->back == EVACUATION_BACK_MOVE
				   ? "its VMs come back, and it takes guests again"
				   : "its VMs stay where they are, and it takes guests again");
	add_step(shown, host, "return", &text);
}

static void say_survey(const struct maintenance_request *request, const struct maint_said *said,
		       struct strbuf *text)
{
	size_t speaks = 0, hosts;

	for (size_t i = 0; i < request->host_count; i++)
		speaks += err_is_set(&said[i].err);
	hosts = request->host_count - speaks;
	strbuf_addf(text,
		    "nothing was changed: %zu host%s would be maintained, %" PRIu64 " at a time",
		    hosts, hosts == 1 ? "" : "s", request->at_once);
	if (speaks)
		strbuf_addf(text, "; something speaks against %zu of them now", speaks);
}

struct maint_shown *maint_show_survey(const struct maintenances *all,
				      const struct maintenance_request *request, const char *by,
				      const struct maint_said *said, const char *state_id)
{
	struct maint_shown *shown = xnew(struct maint_shown);
	struct maintenance_reply *reply = &shown->reply;
	size_t count = request->host_count;

	shown->wish = json_encode(maintenance_request_fields, request);
	shown->made = xcalloc(count, sizeof(*shown->made));
	shown->texts = xcalloc(count * STEPS_OF_HOST, sizeof(*shown->texts));
	shown->steps = xcalloc(count * STEPS_OF_HOST, sizeof(*shown->steps));
	*reply = (struct maintenance_reply){
		.conductor = all->env.host_id,
		.state = maint_states[MAINT_STATE_PLANNED].name,
		.hook = text_or_null(request->hook),
		.why = request->why,
		.by = by,
		.state_id = state_id,
		.steps = shown->steps,
		.wish = shown->wish,
	};
	when_parse(request->not_before, &reply->not_before);
	for (size_t i = 0; i < count; i++) {
		struct maint_host *host = &shown->made[i];

		memcpy(host->host, request->hosts[i], sizeof(host->host));
		memcpy(host->rack, said[i].rack, sizeof(host->rack));
		host->hook = HOOK_STATE_COUNT;
		host->plan = said[i].plan;
		if (err_is_set(&said[i].err)) {
			snprintf(host->why, sizeof(host->why), "%.510s", said[i].err.msg);
			snprintf(host->error, sizeof(host->error), "%.510s", said[i].err.msg);
			snprintf(host->error_code, sizeof(host->error_code), "%s",
				 err_name(said[i].err.code));
		}
		add_steps(request, request->hosts[i], &said[i], shown);
	}
	show_hosts(shown->made, count, shown);
	reply->steps = shown->steps;
	say_survey(request, said, &shown->reason);
	reply->reason = strbuf_str(&shown->reason);
	return shown;
}
