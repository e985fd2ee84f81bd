/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an evacuation says of its VMs, and does with them: with the real store, VMs, moves, queue
 * and holds; the test plays QEMU and the other hosts. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "evacuation/priv.h"
#include "move_rig.h"

#define EVAC_ID  "018f0000-0000-7000-8000-0000000000e1"
#define ENTRY_ID "018f0000-0000-7000-8000-0000000000f1"

static const char *ids[3];
static struct queue *queue;
static struct capacity *capacity;
static struct evacuations *evacs;
static const struct move_options defaults = { .downtime_limit_ms = 300 };

static void set_up(void)
{
	rig_set_up();
	fake_peer_before = NULL; /* what is asked here is no message of a move */
	ids[0] = "b";
	ids[1] = NULL;
	queue = queue_new(&(struct queue_env){ .loop = rig.loop,
					       .store = rig.store,
					       .vms = rig.vms,
					       .moves = rig.moves,
					       .policies = rig.policies,
					       .holds = rig.holds,
					       .peers = rig.peers,
					       .defaults = &defaults,
					       .host_id = "a",
					       .out_max = 4,
					       .setups_max = 4 });
	queue_recover(queue);
	capacity = capacity_new(&(struct capacity_env){
		.loop = rig.loop,
		.vms = rig.vms,
		.moves = rig.moves,
		.peers = rig.peers,
		.peer_ids = ids,
		.host_id = "a",
		.settings = { .in_max = 4, .out_max = 4, .ask_every_s = 10 },
	});
	evacs = evacuations_new(&(struct evacuations_env){ .loop = rig.loop,
							   .store = rig.store,
							   .vms = rig.vms,
							   .moves = rig.moves,
							   .policies = rig.policies,
							   .queue = queue,
							   .holds = rig.holds,
							   .capacity = capacity,
							   .peers = rig.peers,
							   .host_id = "a" });
}

static void tear_down(void)
{
	evacuations_clear(evacs);
	queue_clear(queue);
	capacity_end(capacity);
	rig_advance(CAPACITY_ASK_MS); /* the last questions end */
	evacuations_free(evacs);
	queue_free(queue);
	capacity_free(capacity);
	rig_tear_down();
}

/* ---- what is on disk ------------------------------------------------------------------- */

/* VMS: members of the list, as evacuation/record.c has them. */
static struct evacuation *add_evacuation(const char *state, const char *vms)
{
	struct store_evacuation row = {
		.id = EVAC_ID,
		.request = xstrdup("{}"),
		.plan = xstrdup("{\"state_id\":\"0123456789abcdef\"}"),
		.vms = xasprintf("[%s]", vms),
		.detail = xstrdup("{}"),
	};

	snprintf(row.state, sizeof(row.state), "%s", state);
	row.is_final = strcmp(state, "ended") == 0;
	evacuations_add_row(evacs, &row);
	return evacuations_first(evacs);
}

#define VM_OF(state, more)                                                                         \
	"{\"number\":1,\"uuid\":\"" RIG_VM_UUID "\",\"name\":\"vm1\",\"state\":\"" state "\"" more \
	"}"

/* One that has ended well, after those before. */
static void add_move(bool is_out, const char *peer)
{
	static unsigned count;
	struct store_move row = { .generation = 1,
				  .state = "done",
				  .verdict = "taken",
				  .is_final = true,
				  .settled = true,
				  .vm_uuid = RIG_VM_UUID,
				  .vm_name = "vm1",
				  .detail = xstrdup("{}") };

	row.created_ms = row.updated_ms = row.ended_ms = ++count;
	snprintf(row.id, sizeof(row.id), "018f0000-0000-7000-8000-00000000%04x", count & 0xffffu);
	snprintf(row.kind, sizeof(row.kind), "MIGRATION_%s", is_out ? "OUT" : "IN");
	snprintf(row.peer, sizeof(row.peer), "%s", peer);
	moves_add_row(rig.moves, &row);
}

/* An entry of the evacuation's that has moved the VM; DETAIL as queue/entry.c has it. */
static void add_done_entry(const char *detail)
{
	struct store_queue_entry row = { .id = ENTRY_ID,
					 .vm_uuid = RIG_VM_UUID,
					 .vm_name = "vm1",
					 .state = "done",
					 .is_final = true,
					 .request = xstrdup("{\"vm\":\"vm1\",\"to\":[\"b\"]}"),
					 .detail = xstrdup(detail) };

	snprintf(row.idempotency_key, sizeof(row.idempotency_key), EVAC_KEY_PREFIX EVAC_ID "-1-1");
	queue_add_row(queue, &row);
}

static void assert_said(const struct evac_vm *vm, enum evac_vm_state state, const char *host)
{
	ck_assert_str_eq(evac_vm_names[vm->state], evac_vm_names[state]);
	ck_assert_str_eq(vm->host, host);
}

/* ---- a VM that is not here ---------------------------------------------------------------- */

START_TEST(vm_that_came_back_and_was_deleted_is_not_on_another_host)
{
	struct evacuation *evac = add_evacuation("draining", VM_OF("waiting", ""));

	add_move(true, "b");
	add_move(false, "b");
	evac_vms_look(evac);
	assert_said(&evac->vms[0], EVAC_VM_GONE, "");
	ck_assert_str_eq(evac->vms[0].why, "was deleted");
}
END_TEST

START_TEST(vm_that_left_by_hand_after_it_had_come_back_is_where_it_is)
{
	struct evacuation *evac =
		add_evacuation("draining", VM_OF("waiting", ",\"attempt\":1,\"is_over\":true"));

	add_done_entry("{\"begun\":1,\"attempts\":[{\"move\":\"" RIG_MOVE_ID
		       "\",\"host\":\"b\",\"began_at\":1,\"ended_at\":2}]}");
	snprintf(evac->vms[0].entry, sizeof(evac->vms[0].entry), "%s", ENTRY_ID);
	add_move(true, "b");
	add_move(false, "b");
	add_move(true, "c");
	evac_vms_look(evac);
	assert_said(&evac->vms[0], EVAC_VM_GONE, "c");
}
END_TEST

/* Its attempts are not known, and what is known of its host stays. */
START_TEST(entry_that_is_not_understood_says_nothing_of_the_host)
{
	struct evacuation *evac =
		add_evacuation("draining", VM_OF("moving", ",\"attempt\":1,\"host\":\"b\""));

	add_done_entry("no JSON");
	evac_vms_look(evac);
	assert_said(&evac->vms[0], EVAC_VM_MOVED, "b");
}
END_TEST

/* ---- the cordon ---------------------------------------------------------------------------- */

static void on_cordon(void *data, const struct store_hold *hold, const struct err *err)
{
	(void)data;
	ck_assert(hold && !err);
}

static void set_cordon(void)
{
	const struct cordon_wish wish = {
		.party = CORDON_EVACUATION, .on = true, .reason = "evacuation", .by = "evacuation"
	};

	cordon_set(rig.holds, &wish, on_cordon, NULL);
	rig_run();
	ck_assert(cordon_is_on(rig.holds, NULL));
}

START_TEST(cordon_without_its_evacuation_is_taken_off_at_the_start)
{
	add_evacuation("ended", VM_OF("moved", ""));
	set_cordon();
	evacuations_recover(evacs);
	rig_advance(100);
	ck_assert(!cordon_is_on(rig.holds, NULL));
}
END_TEST

START_TEST(cordon_of_an_evacuation_stays_over_a_start)
{
	add_evacuation("drained", "");
	set_cordon();
	evacuations_recover(evacs);
	rig_advance(100);
	ck_assert(cordon_is_on(rig.holds, NULL));
}
END_TEST

/* ---- a host that is drained ----------------------------------------------------------------- */

/* As soon as it is to be filled again, and before that is on disk or was looked at. */
START_TEST(host_that_is_about_to_be_filled_is_not_drained)
{
	const struct evacuation_request request = { .requester = "m" };
	struct evacuation *evac = add_evacuation("drained", "");
	struct err err;

	ck_assert(evac_ask(evac, &request, "", &err));
	ck_assert(evacuations_is_drained_for(evacs, "m", &err));
	ck_assert(!evacuations_is_drained_for(evacs, "n", &err));
	evac->machine.is_saving = true;
	evac->machine.target = EVAC_STATE_RETURNING;
	ck_assert(!evacuations_is_drained_for(evacs, "m", &err));
	ck_assert(evac_withdraw(evac, "m"));
	ck_assert_int_eq(evac->detail.ending, EVAC_ENDING_NONE);
	evac->machine.is_saving = false;
	ck_assert(evac_ask(evac, &request, "", &err));
	ck_assert(evacuations_is_drained_for(evacs, "m", &err));
	rig_create_vm();
	ck_assert(!evacuations_is_drained_for(evacs, "m", &err));
}
END_TEST

static void on_saved(void *data, struct evacuation *evac, const struct err *err)
{
	ck_assert(evac && !err);
	ck_assert(record_has(&evac->machine, evac->machine.record.change));
	++*(unsigned *)data;
}

START_TEST(withdrawal_that_is_not_on_disk_is_not_said_to_be)
{
	const struct evacuation_request m = { .requester = "m" }, n = { .requester = "n" };
	struct evacuation *evac = add_evacuation("drained", "");
	unsigned answered = 0;
	struct err err;

	ck_assert(evac_ask(evac, &m, "", &err) && evac_ask(evac, &n, "", &err));
	evacuations_recover(evacs);
	rig_advance(100);
	ck_assert(evac_withdraw(evac, "m"));
	ck_assert(!evacuation_has_requester(evac, "m"));
	evacuation_await(evac, on_saved, &answered);
	ck_assert_uint_eq(answered, 0);
	rig_advance(100);
	ck_assert_uint_eq(answered, 1);
	evacuation_await(evac, on_saved, &answered); /* nothing is to be written */
	rig_advance(100);
	ck_assert_uint_eq(answered, 2);
}
END_TEST

/* ---- the end of entries --------------------------------------------------------------------- */

static struct queue_entry *entry;

static void on_entry(void *data, struct queue_entry *made, const struct err *err)
{
	(void)data;
	ck_assert_msg(made && !err, "%s", err ? err->msg : "no entry");
	entry = made;
}

/* It may go to b, and then to c. */
static void add_entry(void)
{
	struct queue_request request = { .move.vm = "vm1", .to_count = 2, .attempts_max = 2 };
	struct move *move;

	memcpy(request.to[0], "b", sizeof("b"));
	memcpy(request.to[1], "c", sizeof("c"));
	request.move.options.priority = MOVE_PRIORITY_EVACUATION;
	queue_add(queue,
		  &(struct queue_wish){ .request = &request,
					.key = EVAC_KEY_PREFIX EVAC_ID "-1-1" },
		  on_entry, NULL);
	rig_run();
	move = moves_active_of(rig.moves, RIG_VM_UUID);
	ck_assert_ptr_nonnull(move);
	snprintf(rig.move_id, sizeof(rig.move_id), "%s", move_row(move)->id);
}

/* Its move was past the point of no return, fails all the same, and the next one begins at once. */
START_TEST(entry_whose_cancel_came_too_late_is_told_again_when_its_move_has_failed)
{
	struct evacuation *evac;

	rig_run_vm();
	evac = add_evacuation("draining", VM_OF("moving", ",\"attempt\":1"));
	add_entry();
	evac_vms_look(evac);
	rig_bring_to("transfer");
	rig_completes();
	ck_assert(!evac_entries_end(evac, true));
	record_write(&evac->machine);
	rig_run(); /* it is on disk that the entry is to be cancelled */
	evac_entries_cancel(evac);
	rig_run();
	ck_assert_str_eq(queue_show(entry).state, "moving");
	ck_assert(evac->vms[0].was_too_late);
	ck_assert_ptr_null(queue_show(entry).cancelled_by);
	rig_peer_says("go", "refused");
	rig_advance(100);
	ck_assert_uint_eq(queue_show(entry).attempt_count, 2);
	ck_assert_str_eq(queue_show(entry).state, "moving");
	evac_entries_cancel(evac);
	rig_run();
	rig_peer_says("drop", "refused");
	rig_advance(100);
	ck_assert_str_eq(queue_show(entry).state, "cancelled");
	ck_assert_str_eq(queue_show(entry).cancelled_by, "evacuation");
	ck_assert(evac_entries_end(evac, true));
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

static void on_order(void *data, struct evacuation *evac, const struct err *err)
{
	(void)data;
	ck_assert_msg(evac && !err, "%s", err ? err->msg : "no evacuation");
}

static void abort_by(struct evacuation *evac, const char *by, enum evacuation_moves moves)
{
	const struct evacuation_abort wish = { .moves = moves };

	evacuation_abort(evac, &wish, by, on_order, NULL);
}

static struct evacuation *run_entry(void)
{
	struct evacuation *evac;

	rig_run_vm();
	evac = add_evacuation("draining", VM_OF("moving", ",\"attempt\":1"));
	add_entry();
	evac_vms_look(evac);
	return evac;
}

static void end_entry(struct evacuation *evac)
{
	ck_assert(!evac_entries_end(evac, true));
	record_write(&evac->machine);
	rig_run();
	evac_entries_cancel(evac);
	rig_run();
}

static void on_cancelled(void *data, struct queue_entry *told, const struct err *err)
{
	ck_assert_ptr_eq(told, entry);
	*(enum err_code *)data = err ? err->code : ERR_NONE;
}

START_TEST(cancel_that_the_disk_refuses_names_nobody)
{
	enum err_code code = ERR_NONE;

	(void)run_entry();
	rig_disk_is_full(true);
	queue_cancel(entry, "ann", on_cancelled, &code);
	rig_run();
	ck_assert_int_ne(code, ERR_NONE);
	ck_assert_ptr_null(queue_show(entry).cancelled_by);
	rig_disk_is_full(false);
	queue_cancel(entry, "bob", on_cancelled, &code);
	rig_run();
	ck_assert_int_eq(code, ERR_NONE);
	ck_assert_str_eq(queue_show(entry).cancelled_by, "bob");
}
END_TEST

START_TEST(entry_is_cancelled_by_who_wanted_that_and_not_by_who_aborted_first)
{
	struct evacuation *evac = run_entry();

	abort_by(evac, "ann", EVACUATION_MOVES_FINISH);
	abort_by(evac, "bob", EVACUATION_MOVES_CANCEL);
	end_entry(evac);
	ck_assert_str_eq(queue_show(entry).cancelled_by, "bob");
	ck_assert_str_eq(evac->detail.aborted_by, "ann");
}
END_TEST

START_TEST(entry_of_a_pause_is_cancelled_by_who_paused_although_that_is_over)
{
	const struct evacuation_pause wish = { .moves = EVACUATION_MOVES_CANCEL };
	struct evacuation *evac = run_entry();

	evacuation_pause(evac, &wish, "ann", on_order, NULL);
	ck_assert(!evac_entries_end(evac, true));
	evacuation_resume(evac, on_order, NULL);
	end_entry(evac);
	ck_assert_str_eq(queue_show(entry).cancelled_by, "ann");
	ck_assert_str_eq(evac->detail.paused_by, "");
}
END_TEST

/* ---- others that give no way ---------------------------------------------------------------- */

#define REFUSED_MS 60000 /* of a refusal by one: evacuation/room.c */

static bool is_asked_again(struct evacuation *evac, const struct evac_refusal *refusal)
{
	struct evac_others others;

	free(evac->refusals);
	evac->refusals = xcalloc(EVAC_FIXED_MAX, sizeof(*evac->refusals));
	evac->refusals[0] = *refusal;
	evac->refusals[0].until_ms += loop_now_ms(rig.loop);
	evac->refusal_count = 1;
	evac_rooms_others(evac, &others);
	return others.is_asked_again;
}

/* A guest is not stopped for what may be of the moment. */
START_TEST(guest_is_stopped_only_if_who_could_give_way_has_refused_twice)
{
	struct evacuation *evac = add_evacuation("draining", VM_OF("waiting", ""));
	struct evac_choice choice = { .becomes = EVAC_VM_STOPPING, .waits_for_asking = true };
	char why[] = "no host has room";

	evac->request->others_max = 1;
	ck_assert(is_asked_again(evac, &(struct evac_refusal){ .until_ms = 1, .times = 1 }));
	ck_assert(!is_asked_again(evac, &(struct evac_refusal){ .until_ms = 1, .times = 2 }));
	ck_assert(!is_asked_again(evac, &(struct evac_refusal){ .until_ms = 0, .times = 1 }));
	ck_assert(!is_asked_again(evac, &(struct evac_refusal){
						.until_ms = 1, .times = 1, .is_lasting = true }));
	evac->detail.rooms_used = 1; /* no more may be asked */
	ck_assert(!is_asked_again(evac, &(struct evac_refusal){ .until_ms = 1, .times = 1 }));
	choice.why = why;
	evac->vms[0].awaited_room = true;
	evac_vm_take_choice(evac, &evac->vms[0], &choice);
	assert_said(&evac->vms[0], EVAC_VM_BLOCKED, "");
	evac->vms[0].awaited_room = false; /* the room of others is of no matter */
	evac_vm_take_choice(evac, &evac->vms[0], &choice);
	assert_said(&evac->vms[0], EVAC_VM_STOPPING, "a");
}
END_TEST

static bool is_asked(const struct evac_others *others, const char *host, const char *uuid)
{
	for (size_t i = 0; i < others->fixed_count; i++)
		if (strcmp(others->fixed[i].host, host) == 0 &&
		    (!others->fixed[i].uuid[0] || strcmp(others->fixed[i].uuid, uuid) == 0))
			return false;
	return true;
}

static void refuse(struct evacuation *evac, const char *host, unsigned number)
{
	char uuid[ID_UUID_SIZE];

	snprintf(uuid, sizeof(uuid), "018f0000-0000-7000-8000-%012u", number);
	evac_rooms_refused(evac, host, uuid, false);
}

/* Else a host with many VMs that may not go would be asked for one of them again and again. */
START_TEST(none_of_many_that_have_refused_is_asked_again_at_once)
{
	struct evacuation *evac = add_evacuation("draining", VM_OF("waiting", ""));
	struct evac_others others;

	evac->request->others_max = 100;
	evac_rooms_refused(evac, "c", "", true);
	refuse(evac, "d", 1);
	for (unsigned i = 0; i < 100; i++) {
		refuse(evac, "b", i);
		evac_rooms_others(evac, &others);
		ck_assert(!is_asked(&others, "c", "any"));
		ck_assert(!is_asked(&others, "d", "018f0000-0000-7000-8000-000000000001"));
		ck_assert(is_asked(&others, "d", "018f0000-0000-7000-8000-000000000002"));
		ck_assert(!is_asked(&others, "b", "018f0000-0000-7000-8000-000000000000"));
	}
	rig_advance(REFUSED_MS);
	evac_rooms_others(evac, &others);
	ck_assert_uint_eq(others.fixed_count, 0);
}
END_TEST

START_TEST(of_more_hosts_than_are_kept_the_first_to_end_is_asked_again)
{
	struct evacuation *evac = add_evacuation("draining", VM_OF("waiting", ""));
	struct evac_others others;
	char host[ID_NAME_SIZE];

	evac->request->others_max = 100;
	for (unsigned i = 0; i < EVAC_FIXED_MAX + 1; i++) {
		snprintf(host, sizeof(host), "h%u", i);
		refuse(evac, host, i);
		rig_advance(1);
	}
	evac_rooms_others(evac, &others);
	ck_assert_uint_eq(others.fixed_count, EVAC_FIXED_MAX);
	ck_assert(is_asked(&others, "h0", "018f0000-0000-7000-8000-000000000000"));
	ck_assert(!is_asked(&others, "h1", "018f0000-0000-7000-8000-000000000001"));
	ck_assert(!is_asked(&others, "h32", "018f0000-0000-7000-8000-000000000032"));
}
END_TEST

/* Whoever is still asked then may move later: it is none of those that may be asked any more. */
START_TEST(round_at_its_deadline_is_left_and_counts)
{
	struct evacuation *evac = add_evacuation("draining", VM_OF("waiting", ""));
	const int states[] = { EVAC_ROOM_WAITING, EVAC_ROOM_MOVING, EVAC_ROOM_MOVED,
			       EVAC_ROOM_FAILED };
	struct evac_others others;
	uint64_t wait_ms = 100000;

	evac->request->others_max = 4;
	evac->detail.room_count = ARRAY_LEN(states);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		evac->detail.rooms[i] = (struct evac_room){
			.number = i + 1, .from = "b", .to = "c", .name = "vm", .state = states[i]
		};
	evac->detail.rooms_until_ms = clock_wall_ms();
	ck_assert(evac_rooms_are_under_way(evac));
	evac_rooms_step(evac, &wait_ms);
	ck_assert(!evac_rooms_are_under_way(evac));
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		const struct evac_room *room = &evac->detail.rooms[i];

		ck_assert_int_eq(room->state, i < 2 ? EVAC_ROOM_LEFT : states[i]);
		ck_assert(i >= 2 || strstr(room->why, "has not given way in time"));
		ck_assert(!room->is_asking);
	}
	evac_rooms_others(evac, &others);
	ck_assert_uint_eq(others.max, 1);
}
END_TEST

/* ---- VMs that were stopped -------------------------------------------- */

START_TEST(guest_that_cannot_be_started_again_is_an_error_of_the_whole)
{
	struct evacuation *evac;

	rig_create_vm();
	evac = add_evacuation("returning", VM_OF("stopped", ",\"failed\":7"));
	evac->vms[0].is_adding = true; /* the eighth attempt is under way */
	ck_assert(!evac_stays_go_on(evac));
	ck_assert(!err_is_set(&evac->error));
	evac->vms[0].is_adding = false;
	evac->vms[0].failed++;
	evac_stays_go_on(evac);
	assert_said(&evac->vms[0], EVAC_VM_LEFT, "");
	ck_assert(err_is_set(&evac->error));
	ck_assert_ptr_nonnull(strstr(evac->error.msg, "VM 'vm1' does not run"));
	ck_assert(evac_stays_go_on(evac));
}
END_TEST

/* ---- those that have ended -------------------------------------------- */

START_TEST(one_that_has_ended_keeps_no_plan_and_shows_it_all_the_same)
{
	struct evacuation *evac = add_evacuation("ended", VM_OF("moved", ",\"host\":\"b\""));
	const struct evacuation_reply *reply;

	ck_assert_ptr_null(evac->plan);
	ck_assert_ptr_null(evac->row.vms);
	reply = evacuation_show(evac);
	ck_assert_str_eq(json_get_str(reply->plan, "state_id"), "0123456789abcdef");
	ck_assert_uint_eq(reply->vm_count, 1);
	ck_assert_str_eq(reply->vms[0].host, "b");
}
END_TEST

/* ---- the way back ----------------------------------------------------- */

START_TEST(few_questions_at_a_time_go_to_a_host)
{
	CLEANUP(strbuf_fini) struct strbuf vms = STRBUF_INIT;

	for (unsigned i = 1; i <= 20; i++)
		strbuf_addf(&vms,
			    "%s{\"number\":%u,\"uuid\":\"018f0000-0000-7000-8000-00000000%04u\","
			    "\"name\":\"g%u\",\"state\":\"returning\",\"attempt\":1,\"host\":"
			    "\"b\"}",
			    i > 1 ? "," : "", i, i, i);
	add_evacuation("returning", strbuf_str(&vms));
	evacuations_recover(evacs);
	rig_advance(1000);
	ck_assert_uint_eq(fake_peer_pending_at("b", "back"), 4);
	fake_peer_answer("back", "{\"entry\":\"" ENTRY_ID
				 "\",\"state\":\"waiting\",\"reason\":\"\",\"final\":false}");
	rig_advance(1000);
	ck_assert_uint_eq(fake_peer_pending_at("b", "back"), 4);
}
END_TEST

static enum err_code sent_back;

static void on_sent_back(void *data, struct queue_entry *made, const struct err *err)
{
	(void)data;
	ck_assert(!made == !!err);
	sent_back = err ? err->code : ERR_NONE;
}

/* A move of it was tried to b, and never made. */
START_TEST(vm_that_was_made_here_is_sent_to_nobody)
{
	const struct move_request move = { .vm = "vm1" };
	const struct evacuation_back_wish wish = { .peer = "b",
						   .uuid = RIG_VM_UUID,
						   .id = EVAC_ID,
						   .number = 1,
						   .attempt = 1,
						   .move = &move };

	rig_create_vm();
	vm_note_host(rig_vm(), "b");
	evacuations_send_back(evacs, &wish, on_sent_back, NULL);
	rig_run();
	ck_assert_int_eq(sent_back, ERR_FORBIDDEN);
}
END_TEST

/* The numbers of a peer whose database was put back are those of other VMs. */
START_TEST(order_of_another_vm_is_no_answer)
{
	const struct move_request plain = { 0 };
	const struct evacuation_back_wish wish = { .peer = "b",
						   .uuid = RIG_VM_UUID,
						   .id = EVAC_ID,
						   .number = 1,
						   .attempt = 1,
						   .move = &plain };
	struct store_queue_entry row = { .id = ENTRY_ID,
					 .vm_uuid = "018f0000-0000-7000-8000-0000000000ff",
					 .vm_name = "vm1",
					 .state = "done",
					 .is_final = true,
					 .idempotency_key = EVAC_BACK_PREFIX EVAC_ID "-1-1",
					 .request = xstrdup("{\"vm\":\"vm1\",\"to\":[\"b\"]}"),
					 .detail = xstrdup("{}") };

	rig_create_vm();
	add_move(false, "b");
	queue_add_row(queue, &row);
	evacuations_send_back(evacs, &wish, on_sent_back, NULL);
	rig_run();
	ck_assert_int_eq(sent_back, ERR_KEY_REUSED);
}
END_TEST

/* ---- plans ------------------------------------------------------------ */

/* Of the last dry run. */
static char state_id[EVACUATION_STATE_ID_SIZE], state[32], why[512];

static void on_tried(void *data, const struct evacuation_reply *reply, const struct err *err)
{
	(void)data;
	ck_assert_msg(!err, "%s", err ? err->msg : "");
	ck_assert_uint_eq(reply->vm_count, 1);
	snprintf(state_id, sizeof(state_id), "%s", json_get_str(reply->plan, "state_id"));
	snprintf(state, sizeof(state), "%s", reply->vms[0].state);
	snprintf(why, sizeof(why), "%s", reply->vms[0].why);
}

/* Host b has room. */
static void try(bool may_stop)
{
	struct evacuation_request *request = xnew(struct evacuation_request);

	memset(request, 0, sizeof(*request));
	request->dry_run = true;
	request->may_stop = may_stop;
	request->powerdown_s = 1;
	state_id[0] = '\0';
	rig_advance(1500); /* what this host tells of itself is good for a second */
	evacuations_try(evacs, request, "ops", on_tried, NULL);
	rig_run();
	fake_peer_answer_at(
		"b", "capacity",
		"{\"id\":\"b\",\"state\":\"online\",\"memory_mib\":{\"total\":8192,\"available\":"
		"4096,\"reserved\":512,\"guests\":0,\"incoming\":0,\"huge_total\":0,\"huge_free\":"
		"0},\"cores\":4,\"vcpus\":0,\"load\":0,\"limits\":{\"out_max\":16,\"in_max\":2,"
		"\"vcpus_per_core\":3},\"link_bytes_per_s\":125000000,\"labels\":{},\"guests\":0,"
		"\"stopped\":0,\"left_out\":0,\"vms\":[],\"next\":null}");
	for (int i = 0; i < 100 && !state_id[0]; i++)
		rig_advance(10);
	ck_assert_str_ne(state_id, "");
	free(request);
}

static struct vm_job job = { .id = RIG_MOVE_ID, .kind = "SAVE" };

START_TEST(why_a_vm_cannot_be_moved_is_told_in_the_words_of_its_host)
{
	struct err err;

	rig_run_vm();
	ck_assert(vm_job_begin(rig_vm(), &job, &err));
	try(false);
	ck_assert_str_eq(state, "blocked");
	ck_assert_msg(strstr(why, "the job " RIG_MOVE_ID " of kind SAVE has it") != NULL, "%s",
		      why);
	vm_job_end(rig_vm(), &job);
}
END_TEST

/* Though it may be stopped: the job passes, and then it can be moved. */
START_TEST(guest_is_not_stopped_for_a_job_that_it_has_just_now)
{
	struct err err;

	rig.more_members = ",\"placement\":{\"on_evacuation\":\"restart\"}";
	rig_run_vm();
	ck_assert(vm_job_begin(rig_vm(), &job, &err));
	try(true);
	ck_assert_str_eq(state, "blocked");
	vm_job_end(rig_vm(), &job);
}
END_TEST

static void try_with(const char *members, char ret[EVACUATION_STATE_ID_SIZE])
{
	rig.more_members = members;
	rig_run_vm();
	try(false);
	memcpy(ret, state_id, sizeof(state_id));
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NONE);
}

START_TEST(state_id_follows_what_becomes_of_a_vm_and_who_goes_first)
{
	char first[EVACUATION_STATE_ID_SIZE], same[sizeof(first)], other[sizeof(first)];

	try_with(",\"placement\":{\"group\":\"g\"}", first);
	try_with(",\"placement\":{\"group\":\"g\"}", same);
	ck_assert_str_eq(first, same);
	try_with(",\"placement\":{\"group\":\"g\",\"priority\":1}", other);
	ck_assert_str_ne(first, other);
	try_with(",\"placement\":{\"group\":\"g\",\"on_evacuation\":\"save\"}", other);
	ck_assert_str_ne(first, other);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation: VMs");
	TCase *tc = tcase_create("vms");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, vm_that_came_back_and_was_deleted_is_not_on_another_host);
	tcase_add_test(tc, vm_that_left_by_hand_after_it_had_come_back_is_where_it_is);
	tcase_add_test(tc, entry_that_is_not_understood_says_nothing_of_the_host);
	tcase_add_test(tc, cordon_without_its_evacuation_is_taken_off_at_the_start);
	tcase_add_test(tc, cordon_of_an_evacuation_stays_over_a_start);
	tcase_add_test(tc, host_that_is_about_to_be_filled_is_not_drained);
	tcase_add_test(tc, withdrawal_that_is_not_on_disk_is_not_said_to_be);
	tcase_add_test(tc, entry_whose_cancel_came_too_late_is_told_again_when_its_move_has_failed);
	tcase_add_test(tc, cancel_that_the_disk_refuses_names_nobody);
	tcase_add_test(tc, entry_is_cancelled_by_who_wanted_that_and_not_by_who_aborted_first);
	tcase_add_test(tc, entry_of_a_pause_is_cancelled_by_who_paused_although_that_is_over);
	tcase_add_test(tc, guest_is_stopped_only_if_who_could_give_way_has_refused_twice);
	tcase_add_test(tc, none_of_many_that_have_refused_is_asked_again_at_once);
	tcase_add_test(tc, of_more_hosts_than_are_kept_the_first_to_end_is_asked_again);
	tcase_add_test(tc, round_at_its_deadline_is_left_and_counts);
	tcase_add_test(tc, guest_that_cannot_be_started_again_is_an_error_of_the_whole);
	tcase_add_test(tc, one_that_has_ended_keeps_no_plan_and_shows_it_all_the_same);
	tcase_add_test(tc, few_questions_at_a_time_go_to_a_host);
	tcase_add_test(tc, vm_that_was_made_here_is_sent_to_nobody);
	tcase_add_test(tc, order_of_another_vm_is_no_answer);
	tcase_add_test(tc, why_a_vm_cannot_be_moved_is_told_in_the_words_of_its_host);
	tcase_add_test(tc, guest_is_not_stopped_for_a_job_that_it_has_just_now);
	tcase_add_test(tc, state_id_follows_what_becomes_of_a_vm_and_who_goes_first);
	suite_add_tcase(s, tc);
	return s;
}
