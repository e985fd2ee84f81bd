/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on disk of an evacuation, as text of its row. */
#include "base/log.h"
#include "evacuation/priv.h"

/* The record has all VMs: with a thousand it is written ten times a second at most. */
#define SAVE_VMS_PER_MS 10

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
	{ .key = "began_by", .type = JSON_STRING, D(began_by) },
	{ .key = "paused_by", .type = JSON_STRING, D(paused_by) },
	{ .key = "aborted_by", .type = JSON_STRING, D(aborted_by) },
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
	{ .key = "moves_by", .type = JSON_STRING, D(moves_by) },
	{ .key = "keep_cordon", .type = JSON_BOOL, D(keep_cordon) },
	{ .key = "return_until_ms", .type = JSON_INT, D(return_until_ms) },
	{ .key = "next_number", .type = JSON_UINT, D(next_number) },
	{ .key = "rooms",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evac_detail, rooms, room_count),
	  .fields = evac_room_fields },
	{ .key = "rooms_until_ms", .type = JSON_INT, D(rooms_until_ms) },
	{ .key = "rooms_used", .type = JSON_UINT, D(rooms_used) },
	{ .key = "last_room", .type = JSON_UINT, D(last_room) },
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

void evac_fill_facts(struct machine *machine)
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
	machine->record.pause_ms = evac->vm_count / SAVE_VMS_PER_MS;
}

/* ---- read back ---------------------------------------------------------------------- */

static bool decode_request(struct evacuation *evac, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok;

	evac->wish = json_read_back(evac->row.request);
	evac->request = xnew(struct evacuation_request);
	ok = evac->wish ? evacuation_request_decode(evac->wish, evac->request, faults) ||
				  faults_to_err(faults, err)
			: err_set(err, ERR_STORE, "its request is no JSON");
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
