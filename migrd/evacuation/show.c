/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown of an evacuation: each VM, conditions, requests; and a dry run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "evacuation/priv.h"

struct evac_shown {
	struct evacuation_reply reply;
	struct evacuation_who who[EVACUATION_REQUESTS_MAX];
	struct evacuation_vm_reply *vms;
	struct evacuation_rejected *rejected;
	struct evacuation_room_reply rooms[EVAC_ROOMS_MAX];
	struct strbuf reason, message;
	struct json_object *plan, *wish; /* of a dry run; the plan also of one that has ended */
	char name[EVACUATION_WHO_SIZE];  /* likewise */
};

void evac_shown_free(struct evac_shown *shown)
{
	if (!shown)
		return;
	free(shown->vms);
	free(shown->rejected);
	strbuf_fini(&shown->reason);
	strbuf_fini(&shown->message);
	json_object_put(shown->plan);
	json_object_put(shown->wish);
	free(shown);
}

const struct evacuation_reply *evac_shown_reply(const struct evac_shown *shown)
{
	return &shown->reply;
}

/* ---- one VM ---------------------------------------------------------------------------------- */

static void show_rejected(const struct evac_vm *vm, struct evac_shown *shown, size_t *at,
			  struct evacuation_vm_reply *ret)
{
	bool is_blocked = vm->state == EVAC_VM_BLOCKED;

	ret->rejected = shown->rejected + *at;
	ret->rejected_count = is_blocked ? vm->rejected_count : 0;
	for (size_t i = 0; i < ret->rejected_count; i++)
		shown->rejected[(*at)++] =
			(struct evacuation_rejected){ vm->rejected[i].host, vm->rejected[i].why };
}

static void show_vm(const struct evacuation *evac, const struct evac_vm *vm,
		    struct evacuation_vm_reply *ret)
{
	const struct queue_entry *entry = evac_vm_entry(evac, vm);

	*ret = (struct evacuation_vm_reply){
		.vm = vm->name,
		.vm_uuid = vm->uuid,
		.state = evac_vm_names[vm->state],
		.host = vm->host[0] ? vm->host : NULL,
		.why = vm->why,
		.entry = vm->entry[0] ? vm->entry : NULL,
		.move = vm->move[0] ? vm->move : NULL,
		.attempts = vm->failed,
	};
	if (entry) {
		const struct queue_reply reply = queue_show(entry);

		ret->has_end = reply.has_end;
		ret->expected_end = reply.expected_end;
	}
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The whole ends with the last one; nothing is said while one of them is not known. */
static void add_end(const struct evacuation_vm_reply *vm, struct evacuation_reply *reply,
		    size_t *known)
{
	struct queue_expected *all = &reply->expected_end;

	if (!vm->has_end)
		return;
	(*known)++;
	all->earliest = later(all->earliest, vm->expected_end.earliest);
	all->expected = later(all->expected, vm->expected_end.expected);
	all->latest = later(all->latest, vm->expected_end.latest);
}

static void show_vms(const struct evacuation *evac, struct evac_shown *shown)
{
	struct evacuation_reply *reply = &shown->reply;
	size_t rejected = 0, known = 0;

	for (size_t i = 0; i < evac->vm_count; i++)
		rejected += evac->vms[i].rejected_count;
	shown->vms = xcalloc(evac->vm_count + 1, sizeof(*shown->vms));
	shown->rejected = xcalloc(rejected + 1, sizeof(*shown->rejected));
	rejected = 0;
	for (size_t i = 0; i < evac->vm_count; i++) {
		show_vm(evac, &evac->vms[i], &shown->vms[i]);
		show_rejected(&evac->vms[i], shown, &rejected, &shown->vms[i]);
		add_end(&shown->vms[i], reply, &known);
	}
	reply->vms = shown->vms;
	reply->vm_count = evac->vm_count;
	reply->has_end = known > 0 && known == reply->counts.left;
	if (!reply->has_end)
		reply->expected_end = (struct queue_expected){ 0 };
}

static void show_rooms(const struct evacuation *evac, struct evac_shown *shown)
{
	for (size_t i = 0; i < evac->detail.room_count; i++) {
		const struct evac_room *room = &evac->detail.rooms[i];

		shown->rooms[i] = (struct evacuation_room_reply){
			room->name, room->uuid, room->from, room->to, evac_room_names[room->state],
			room->why
		};
	}
	shown->reply.rooms = shown->rooms;
	shown->reply.room_count = evac->detail.room_count;
}

/* ---- conditions, requests --------------------------------------------- */

static void show_conditions(const struct evacuation *evac, struct evac_shown *shown)
{
	static const struct {
		const char *type, *yes, *no;
		uint32_t states;
	} rows[EVACUATION_CONDITIONS] = {
		{ "MaintenancePlanned", "Requested", "NotPlanned",
		  1u << EVAC_STATE_PLANNED | 1u << EVAC_STATE_WAITING },
		{ "DrainInProgress", "Draining", "NotDraining", 1u << EVAC_STATE_DRAINING },
		{ "Drained", "Empty", "NotEmpty", 1u << EVAC_STATE_DRAINED },
		{ "MaintenanceInProgress", "Empty", "NotReady", 1u << EVAC_STATE_DRAINED },
	};
	const char *reason = strbuf_str(&shown->reason);

	shown->reply.condition_count = EVACUATION_CONDITIONS;
	for (size_t i = 0; i < EVACUATION_CONDITIONS; i++) {
		bool is_so = rows[i].states & 1u << evac->machine.state;

		shown->reply.conditions[i] = (struct evacuation_condition){
			.type = rows[i].type,
			.status = is_so,
			.reason = is_so ? rows[i].yes : rows[i].no,
			.message = is_so ? reason : "",
			.since = evac->detail.since_ms[i],
		};
	}
}

static void show_requests(const struct evacuation *evac, struct evac_shown *shown)
{
	for (size_t i = 0; i < evac->detail.asker_count; i++) {
		const struct evac_asker *asker = &evac->detail.askers[i];

		shown->who[i] = (struct evacuation_who){
			.requester = asker->requester,
			.why = asker->why,
			.on_withdraw = evacuation_withdrawn_names[asker->on_withdraw],
			.asked_at = asker->asked_ms,
			.until = asker->until_ms,
		};
	}
	shown->reply.requests = shown->who;
	shown->reply.request_count = evac->detail.asker_count;
}

/* ---- all -------------------------------------------------------------- */

static const char *const endings[] = { NULL, "aborted", "ended", "returning" };

const struct evacuation_reply *evacuation_show(struct evacuation *evac)
{
	const struct store_evacuation *row = &evac->row;
	const struct evac_detail *detail = &evac->detail;
	const struct evac_vm *vm = evac_blocking(evac);
	struct evac_shown *shown = xnew(struct evac_shown);

	evac_shown_free(evac->evacs->shown);
	evac->evacs->shown = shown;
	if (!evac->plan)
		shown->plan = json_read_back(row->plan);
	shown->reply = (struct evacuation_reply){
		.id = row->id,
		.host = evac->evacs->env.host_id,
		.state = machine_state(&evac->machine)->name,
		.final = evacuation_is_final(evac),
		.paused = detail->paused,
		.blocked_by = vm && !evacuation_is_final(evac) ? vm->name : NULL,
		.counts = evac_counts(evac),
		.plan = evac->plan ? evac->plan : shown->plan,
		.wish = evac->wish,
		.began_by = detail->began_by[0] ? detail->began_by : NULL,
		.paused_by = detail->paused_by[0] ? detail->paused_by : NULL,
		.aborted_by = detail->aborted_by[0] ? detail->aborted_by : NULL,
		.ending = endings[detail->ending],
		.has_failed = err_is_set(&evac->error),
		.error = { err_name(evac->error.code), evac->error.msg },
		.approved = detail->approved,
		.not_before = detail->not_before_ms,
		.window_until = detail->window_until_ms,
		.deadline_at = detail->deadline_ms,
		.return_until = detail->return_until_ms,
		.created_at = row->created_ms,
		.started_at = detail->started_ms,
		.drained_at = detail->drained_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};
	evac_say(evac, &shown->reason);
	shown->reply.reason = strbuf_str(&shown->reason);
	show_conditions(evac, shown);
	show_requests(evac, shown);
	show_vms(evac, shown);
	show_rooms(evac, shown);
	return &shown->reply;
}

/* ---- a dry run -------------------------------------------------------- */

static void show_choice(const struct evac_choice *choice, struct evac_shown *shown, size_t *at,
			const char *host_id, struct evacuation_vm_reply *ret)
{
	bool is_moved = choice->to_count;

	*ret = (struct evacuation_vm_reply){
		.vm = choice->name,
		.vm_uuid = choice->uuid,
		.state = evac_vm_names[is_moved ? EVAC_VM_WAITING : choice->becomes],
		.host = is_moved ? choice->to[0] : host_id,
		.why = choice->why,
		.rejected = shown->rejected + *at,
		.rejected_count = choice->rejected_count,
	};
	for (size_t i = 0; i < choice->rejected_count; i++)
		shown->rejected[(*at)++] = (struct evacuation_rejected){ choice->rejected[i].host,
									 choice->rejected[i].why };
}

static void show_choices(const struct evac_plan *plan, struct evac_shown *shown,
			 const char *host_id)
{
	struct evacuation_counts *counts = &shown->reply.counts;
	size_t rejected = 0;

	for (size_t i = 0; i < plan->count; i++)
		rejected += plan->list[i].rejected_count;
	shown->vms = xcalloc(plan->count + 1, sizeof(*shown->vms));
	shown->rejected = xcalloc(rejected + 1, sizeof(*shown->rejected));
	rejected = 0;
	for (size_t i = 0; i < plan->count; i++) {
		const struct evac_choice *choice = &plan->list[i];
		bool is_blocked = !choice->to_count && choice->becomes == EVAC_VM_BLOCKED;

		show_choice(choice, shown, &rejected, host_id, &shown->vms[i]);
		counts->total++;
		counts->left += choice->to_count || is_blocked;
		counts->blocked += is_blocked;
		counts->stays += !choice->to_count && !is_blocked;
		if (is_blocked && !shown->reply.blocked_by)
			shown->reply.blocked_by = choice->name;
	}
	shown->reply.vms = shown->vms;
	shown->reply.vm_count = plan->count;
}

static void say_plan(struct evac_shown *shown)
{
	const struct evacuation_counts *counts = &shown->reply.counts;
	uint64_t moves = counts->left - counts->blocked;

	strbuf_addf(&shown->reason,
		    "nothing was changed: %" PRIu64 " VM%s would be moved, %" PRIu64
		    " would stay as %s may, %" PRIu64 " would block it",
		    moves, moves == 1 ? "" : "s", counts->stays, counts->stays == 1 ? "it" : "they",
		    counts->blocked);
	shown->reply.reason = strbuf_str(&shown->reason);
}

struct evac_shown *evac_show_plan(const struct evacuations *evacs, const struct evac_plan *plan,
				  const struct evacuation_request *request, const char *by)
{
	struct evac_shown *shown = xnew(struct evac_shown);

	snprintf(shown->name, sizeof(shown->name), "%s",
		 request->requester[0] ? request->requester : by);
	shown->plan = json_object_get(plan->shown);
	shown->wish = json_encode(evacuation_request_fields, request);
	shown->who[0] = (struct evacuation_who){
		.requester = shown->name,
		.why = request->why,
		.on_withdraw = evacuation_withdrawn_names[request->on_withdraw],
	};
	shown->reply = (struct evacuation_reply){
		.host = evacs->env.host_id,
		.state = evac_states[EVAC_STATE_PLANNED].name,
		.requests = shown->who,
		.request_count = 1,
		.plan = shown->plan,
		.wish = shown->wish,
		.approved = !request->approval,
	};
	when_parse(request->until, &shown->who[0].until);
	when_parse(request->not_before, &shown->reply.not_before);
	when_parse(request->window_until, &shown->reply.window_until);
	show_choices(plan, shown, evacs->env.host_id);
	say_plan(shown);
	return shown;
}
