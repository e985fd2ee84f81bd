/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One evacuation: its life, and what is on disk of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

#define SAVE_RETRY_MS 1000
/* The record has all VMs: with a thousand it is written ten times a second at most. */
#define SAVE_VMS_PER_MS 10

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

struct evac_ref *evac_ref_new(const struct evacuation *evac, uint64_t number)
{
	struct evac_ref *ref = xnew(struct evac_ref);

	ref->evacs = evac->evacs;
	ref->number = number;
	memcpy(ref->id, evac->row.id, sizeof(ref->id));
	return ref;
}

struct evacuation *evac_ref_take(struct evac_ref *ref, uint64_t *ret_number)
{
	struct evacuation *evac = evacuations_find(ref->evacs, ref->id);

	if (ret_number)
		*ret_number = ref->number;
	free(ref);
	return evac;
}

static void on_timer(void *data)
{
	evacuations_look(data);
}

struct evacuation *evac_new(struct evacuations *evacs, const char *id)
{
	struct evacuation *evac = xnew(struct evacuation);

	evac->evacs = evacs;
	STAILQ_INIT(&evac->waits);
	evac->timer = loop_timer_new(evacs->env.loop, on_timer, evacs);
	machine_init(&evac->machine, &type, &evacs->machines, id);
	evac->row.created_ms = clock_wall_ms();
	snprintf(evac->row.id, sizeof(evac->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&evacs->list, evac, link);
	return evac;
}

/* What is on disk as VERSION, or with ERR is not, is answered. */
static void answer(struct evacuation *evac, uint64_t version, const struct err *err)
{
	struct evac_wait *wait;

	while ((wait = STAILQ_FIRST(&evac->waits)) && wait->version <= version) {
		STAILQ_REMOVE_HEAD(&evac->waits, link);
		wait->done(wait->data, evac, err);
		free(wait);
	}
}

void evac_free(struct evacuation *evac)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	answer(evac, UINT64_MAX, &err);
	TAILQ_REMOVE(&evac->evacs->list, evac, link);
	machine_fini(&evac->machine);
	loop_timer_free(evac->timer);
	for (size_t i = 0; i < evac->vm_count; i++) {
		free(evac->vms[i].rejected);
		free(evac->vms[i].refused_as);
	}
	free(evac->vms);
	free(evac->slots);
	free(evac->request);
	json_object_put(evac->wish);
	json_object_put(evac->plan);
	store_evacuation_fini(&evac->row);
	free(evac);
}

void evac_slim(struct evacuation *evac)
{
	json_object_put(TAKE_PTR(evac->plan));
	free(TAKE_PTR(evac->row.vms));
}

/* ---- the record ---------------------------------------------------------------------- */

static const char *const ending_names[] = { "none", "aborted", "ended", "returning", NULL };

#define A(member) JSON_MEMBER(struct evac_asker, member)
#define D(member) JSON_MEMBER(struct evac_detail, member)
#define V(member) JSON_MEMBER(struct evac_vm, member)

static const struct json_field asker_fields[] = {
	{ .key = "requester", .type = JSON_STRING, A(requester) },
	{ .key = "why", .type = JSON_STRING, A(why) },
	{ .key = "asked_ms", .type = JSON_INT, A(asked_ms) },
	{ .key = "until_ms", .type = JSON_INT, A(until_ms) },
	{ .key = "on_withdraw",
	  .type = JSON_ENUM,
	  .names = evacuation_withdrawn_names,
	  A(on_withdraw) },
	{ 0 },
};

/* Of struct evac_detail, of which since_ms is no struct. */
#define SINCE(i)                                                    \
	{                                                           \
		.key = "since_" #i "_ms", .type = JSON_INT,         \
		.offset = offsetof(struct evac_detail, since_ms[i]) \
	}

static const struct json_field detail_fields[] = {
	{ .key = "requests",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evac_detail, askers, asker_count),
	  .fields = asker_fields },
	{ .key = "former",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct evac_detail, former, former_count) },
	{ .key = "not_before_ms", .type = JSON_INT, D(not_before_ms) },
	{ .key = "window_until_ms", .type = JSON_INT, D(window_until_ms) },
	{ .key = "approved", .type = JSON_BOOL, D(approved) },
	{ .key = "state_id", .type = JSON_STRING, D(state_id) },
	{ .key = "planned_ms", .type = JSON_INT, D(planned_ms) },
	{ .key = "started_ms", .type = JSON_INT, D(started_ms) },
	{ .key = "drained_ms", .type = JSON_INT, D(drained_ms) },
	{ .key = "deadline_ms", .type = JSON_INT, D(deadline_ms) },
	SINCE(0),
	SINCE(1),
	SINCE(2),
	SINCE(3),
	{ .key = "paused", .type = JSON_BOOL, D(paused) },
	{ .key = "paused_why", .type = JSON_STRING, D(paused_why) },
	{ .key = "is_late", .type = JSON_BOOL, D(is_late) },
	{ .key = "ending", .type = JSON_ENUM, .names = ending_names, D(ending) },
	{ .key = "ending_why", .type = JSON_STRING, D(ending_why) },
	{ .key = "moves", .type = JSON_ENUM, .names = evacuation_moves_names, D(moves) },
	{ .key = "keep_cordon", .type = JSON_BOOL, D(keep_cordon) },
	{ .key = "return_until_ms", .type = JSON_INT, D(return_until_ms) },
	{ .key = "next_number", .type = JSON_UINT, D(next_number) },
	{ 0 },
};

static const struct json_field vm_fields[] = {
	{ .key = "number", .type = JSON_UINT, V(number) },
	{ .key = "uuid", .type = JSON_STRING, V(uuid) },
	{ .key = "name", .type = JSON_STRING, V(name) },
	{ .key = "state", .type = JSON_ENUM, .names = evac_vm_names, V(state) },
	{ .key = "to", .type = JSON_STRINGS, JSON_MEMBERS(struct evac_vm, to, to_count) },
	{ .key = "attempt", .type = JSON_UINT, V(attempt) },
	{ .key = "is_over", .type = JSON_BOOL, V(is_over) },
	{ .key = "stays", .type = JSON_BOOL, V(stays) },
	{ .key = "failed", .type = JSON_UINT, V(failed) },
	{ .key = "host", .type = JSON_STRING, V(host) },
	{ .key = "move", .type = JSON_STRING, V(move) },
	{ .key = "why", .type = JSON_STRING, V(why) },
	{ .key = "is_cancelling", .type = JSON_BOOL, V(is_cancelling) },
	{ .key = "silent_ms", .type = JSON_INT, V(silent_ms) },
	{ 0 },
};

static char *vms_text(const struct evacuation *evac)
{
	CLEANUP(json_putp) struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < evac->vm_count; i++)
		json_object_array_add(list, json_encode(vm_fields, &evac->vms[i]));
	return xstrdup(json_text(list, NULL));
}

static void fill_facts(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	struct store_evacuation *row = &evac->row;
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(detail_fields, &evac->detail);

	free(row->detail);
	row->detail = xstrdup(json_text(obj, NULL));
	free(row->vms);
	row->vms = vms_text(evac);
	if (!row->plan && evac->plan)
		row->plan = xstrdup(json_text(evac->plan, NULL));
	evac->filled_version = evac->version;
}

/* When the conditions began that are true in the state TO: enum order of evac_states. */
static void note_since(struct evacuation *evac, unsigned to)
{
	static const uint32_t true_in[EVACUATION_CONDITIONS] = {
		1u << EVAC_STATE_PLANNED | 1u << EVAC_STATE_WAITING,
		1u << EVAC_STATE_DRAINING,
		1u << EVAC_STATE_DRAINED,
		1u << EVAC_STATE_DRAINED,
	};
	const struct machine *machine = &evac->machine;

	for (size_t i = 0; i < EVACUATION_CONDITIONS; i++) {
		bool was = !machine->is_new && true_in[i] & 1u << machine->state;

		if (was != (bool)(true_in[i] & 1u << to))
			evac->detail.since_ms[i] = clock_wall_ms();
	}
}

static void fill(struct machine *machine, unsigned to)
{
	struct evacuation *evac = evac_of(machine);
	struct store_evacuation *row = &evac->row;
	const struct machine_state *state = &evac_states[to];
	bool has_failed = err_is_set(&evac->error);

	note_since(evac, to);
	if (to == EVAC_STATE_DRAINED)
		evac->detail.drained_ms = clock_wall_ms();
	fill_facts(machine);
	snprintf(row->state, sizeof(row->state), "%s", state->name);
	row->is_final = state->flags & MACHINE_FINAL;
	row->updated_ms = clock_wall_ms();
	row->ended_ms = row->is_final ? row->updated_ms : 0;
	snprintf(row->error_code, sizeof(row->error_code), "%s",
		 has_failed ? err_name(evac->error.code) : "");
	snprintf(row->error_text, sizeof(row->error_text), "%s", has_failed ? evac->error.msg : "");
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_evacuation(&evac_of(machine)->row);
}

/* ---- the record is read ------------------------------------------------------------------ */

static bool decode_request(struct evacuation *evac, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok;

	evac->wish = json_read_back(evac->row.request);
	evac->request = xnew(struct evacuation_request);
	ok = evac->wish ? evacuation_request_decode(evac->wish, evac->request, faults)
			: err_set(err, ERR_STORE, "its request is no JSON");
	if (!ok && evac->wish)
		faults_to_err(faults, err);
	if (!ok)
		free(TAKE_PTR(evac->request));
	faults_free(faults);
	return ok;
}

static bool decode_vms(struct evacuation *evac, struct err *err)
{
	CLEANUP(json_putp) struct json_object *list = json_read_back(evac->row.vms);
	size_t count = json_count(list);
	bool ok = list || err_set(err, ERR_STORE, "its list of VMs is no JSON");

	for (size_t i = 0; i < count && ok; i++) {
		struct evac_vm *vm = evac_vm_add(evac, "", "");

		ok = json_decode_object(json_object_array_get_idx(list, i), vm_fields, vm,
					JSON_IGNORE_UNKNOWN, err);
	}
	evac_vms_index(evac);
	return ok;
}

bool evac_decode(struct evacuation *evac)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(evac->row.detail);
	struct err err;

	evac->plan = json_read_back(evac->row.plan);
	if (decode_request(evac, &err) && decode_vms(evac, &err) &&
	    (obj || err_set(&err, ERR_STORE, "its detail is no JSON")) &&
	    json_decode_object(obj, detail_fields, &evac->detail, JSON_IGNORE_UNKNOWN, &err))
		return true;
	free(TAKE_PTR(evac->request));
	log_error("evacuation", "record", "evacuation=%s error=%s", evac->row.id, err.msg);
	err_wrap(&err, "the record of the evacuation cannot be understood");
	evac->error = err;
	return false;
}

/* ---- changes of the record ----------------------------------------------------------------- */

void evac_change(struct evacuation *evac)
{
	evac->version++;
}

static void on_saved(void *data, const struct err *err)
{
	uint64_t version;
	struct evacuation *evac = evac_ref_take(data, &version);

	if (!evac)
		return;
	evac->is_save_under_way = false;
	if (err) {
		log_error("evacuation", "save", "evacuation=%s error=%s; trying again",
			  evac->row.id, err->msg);
		answer(evac, version, err);
		evac->save_again_ms = loop_now_ms(evac->evacs->env.loop) + SAVE_RETRY_MS;
		evacuations_look(evac->evacs);
		return;
	}
	if (version > evac->disk_version)
		evac->disk_version = version;
	evac->save_again_ms = loop_now_ms(evac->evacs->env.loop) + evac->vm_count / SAVE_VMS_PER_MS;
	answer(evac, evac->disk_version, NULL);
	evac_tell(evac);
	evacuations_look(evac->evacs);
}

void evac_save(struct evacuation *evac)
{
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (evac->machine.is_saving || evac->is_save_under_way)
		return;
	if (evac->version == evac->disk_version) { /* what was asked for changes nothing */
		answer(evac, evac->disk_version, NULL);
		return;
	}
	if (now_ms < evac->save_again_ms) {
		evac_look_in(evac, evac->save_again_ms - now_ms);
		return;
	}
	evac->is_save_under_way = true;
	machine_save_for(&evac->machine, on_saved, evac_ref_new(evac, evac->version));
}

void evac_answer_when_saved(struct evacuation *evac, evacuation_done_fn *done, void *data)
{
	struct evac_wait *wait = xnew(struct evac_wait);

	*wait = (struct evac_wait){ .version = evac->version, .done = done, .data = data };
	STAILQ_INSERT_TAIL(&evac->waits, wait, link);
	evacuations_look(evac->evacs);
}

void evac_look_in(struct evacuation *evac, uint64_t ms)
{
	if (evac->timer)
		loop_timer_start(evac->timer, ms);
}

/* ---- what the machine tells ------------------------------------------------------------------ */

void evac_go(struct evacuation *evac, enum evac_state to, const struct err *err)
{
	if (err)
		evac->error = *err;
	machine_go_to(&evac->machine, &(struct machine_change){ .to = to });
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct evacuation *evac = evac_of(machine);
	const struct evacuation_counts counts = evac_counts(evac);

	(void)change;
	log_record(err_is_set(&evac->error) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "evacuation",
		   "state", "evacuation=%s from=%s to=%s vms=%" PRIu64 " left=%" PRIu64 " why=%s",
		   evac->row.id, machine->is_new ? "-" : evac_states[from].name, evac->row.state,
		   counts.total, counts.left, err_is_set(&evac->error) ? evac->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);

	evac->now = (struct evac_now){ 0 };
	if (evac->filled_version > evac->disk_version)
		evac->disk_version = evac->filled_version;
	if (evac->timer)
		loop_timer_stop(evac->timer);
	if (machine_is_final(machine)) {
		loop_timer_free(TAKE_PTR(evac->timer));
		machine_retire(machine);
		evac_slim(evac);
	}
}

static void entered(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	struct evacuations *evacs = evac->evacs;

	answer(evac, machine_is_final(machine) ? UINT64_MAX : evac->disk_version, NULL);
	capacity_note(evacs->env.capacity); /* whether this host is being emptied */
	evac_tell(evac);
	evacuations_look(evacs);
	if (machine_is_final(machine))
		evacs_trim(evacs); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct evacuation *evac = evac_of(machine);

	log_error("evacuation", "save", "evacuation=%s state=%s error=%s; trying again",
		  evac->row.id, evac->row.state, err->msg);
	answer(evac, evac->filled_version, err);
	evac_tell(evac);
}

static void saved(struct machine *machine, const struct err *err)
{
	if (err)
		log_error("evacuation", "save", "evacuation=%s error=%s", machine->id, err->msg);
}

static const struct machine_type type = {
	.name = "evacuation",
	.states = evac_states,
	.state_count = EVAC_STATE_COUNT,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.saved = saved,
	.has_no_timeline = true,
};

void evac_tell(struct evacuation *evac)
{
	const struct evacuations_env *env = &evac->evacs->env;

	if (env->changed && !evac->evacs->is_closing)
		env->changed(env->data, evac);
}

bool evacuation_is_final(const struct evacuation *evac)
{
	return machine_is_final(&evac->machine);
}

const char *evacuation_id(const struct evacuation *evac)
{
	return evac->row.id;
}
