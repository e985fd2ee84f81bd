/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store answers a commit when it is on disk, keeps the order of commits, and does not grow
 * without limit. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "store_rig.h"

/* ---- rows ---- */

/* A restart decides by these values, so each must be read back as it was written. */
START_TEST(put_every_member_reads_back_same)
{
	rig_put_both();

	rig_reopen();

	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	rig_assert_vm_same(&rig.vms[0], &rig_vm1);
	ck_assert_uint_eq(rig.move_count, 1);
	rig_assert_move_same(&rig.moves[0], &rig_move1);
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 1);
	ck_assert_str_eq(rig.entries[0].event, "state");
	ck_assert_str_eq(rig.entries[0].detail, "begin -> prepare");
	ck_assert(rig.entries[0].at_ms > 0 && rig.entries[0].at_ms <= clock_wall_ms());
}
END_TEST

/* A NULL text must not come back as an empty one. */
START_TEST(put_null_text_reads_back_null)
{
	struct store_vm vm = rig_vm1;
	struct store_move move = rig_move1;

	vm.definition = NULL;
	move.detail = NULL;
	rig_commit_ok(&(struct store_txn){ { store_put_vm(&vm), store_put_move(&move) } });
	rig_load();
	ck_assert(rig.vms[0].definition == NULL && rig.moves[0].detail == NULL);
}
END_TEST

/* A change of state must not remove the move's history. */
START_TEST(put_again_updates_and_keeps_timeline)
{
	struct store_move move;
	struct store_vm vm;

	memcpy(&move, &rig_move1, sizeof(move)); /* copies the padding, too */
	memcpy(&vm, &rig_vm1, sizeof(vm));
	rig_put_both();
	snprintf(move.state, sizeof(move.state), "%s", "handover");
	snprintf(vm.name, sizeof(vm.name), "%s", "renamed");
	rig_commit_ok(&(struct store_txn){ { store_put_vm(&vm), store_put_move(&move) } });

	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	rig_assert_vm_same(&rig.vms[0], &vm);
	ck_assert_uint_eq(rig.move_count, 1);
	rig_assert_move_same(&rig.moves[0], &move);
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 1);
}
END_TEST

/* The record of a move stays when the source forgets the VM. */
START_TEST(delete_vm_keeps_move)
{
	rig_put_both();
	rig_commit_ok(&(struct store_txn){ { store_delete_vm(rig_vm1.uuid) } });
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 0);
	ck_assert_uint_eq(rig.move_count, 1);
}
END_TEST

/* One change may give a name to another VM. */
START_TEST(delete_and_put_same_name_works_in_one_change)
{
	struct store_vm vm = rig_vm1;

	rig_put_both();
	vm.uuid[0] = 'f';
	rig_commit_ok(&(struct store_txn){ { store_delete_vm(rig_vm1.uuid), store_put_vm(&vm) } });
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	ck_assert_str_eq(rig.vms[0].uuid, vm.uuid);
}
END_TEST

/* A second VM of the same name is refused, and nothing of its change is written. */
START_TEST(vm_name_taken_answers_exists_and_changes_nothing)
{
	struct store_vm vm = rig_vm1;
	struct err err;

	rig_commit_ok(&(struct store_txn){ { store_put_vm(&rig_vm1) } });
	vm.uuid[0] = 'f';
	err = rig_commit(&(struct store_txn){ { store_put_vm(&vm), store_put_move(&rig_move1) } });

	rig_assert_says(&err, ERR_EXISTS, "there is a VM with the name 'vm1' already");
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	ck_assert_uint_eq(rig.move_count, 0);
}
END_TEST

/* A repeated request must not start a second move. */
START_TEST(idempotency_key_taken_answers_exists)
{
	struct store_move move = rig_move1;
	struct err err;

	rig_put_both();
	move.id[0] = 'f';
	err = rig_commit(&(struct store_txn){ { store_put_move(&move) } });
	rig_assert_says(&err, ERR_EXISTS, "idempotency key 'key-1'");

	move.idempotency_key[0] = '\0';
	rig_commit_ok(&(struct store_txn){ { store_put_move(&move) } });
	move.id[0] = 'e';
	rig_commit_ok(&(struct store_txn){ { store_put_move(&move) } });
}
END_TEST

/* A timeline entry without its move could never be read, so it is an error. */
START_TEST(timeline_of_unknown_move_answers_not_found)
{
	struct err err = rig_commit(&(struct store_txn){
		{ store_put_vm(&rig_vm1), store_put_notes(&(struct store_notes){
						  rig_move1.id, rig_entry("state", ""), 1 }) } });

	rig_assert_says(&err, ERR_NOT_FOUND, rig_move1.id);
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 0);
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 0);
}
END_TEST

/* A change without content is answered, too. */
START_TEST(empty_change_is_answered)
{
	rig_commit_ok(&(struct store_txn){ 0 });
}
END_TEST

/* ---- order ---- */

static char order[32];

static void on_ordered(void *data, const struct err *err)
{
	ck_assert(err == NULL);
	strbuf_add(data, "x", 1);
	if (rig.is_real_loop && ((struct strbuf *)data)->len == 20)
		loop_stop(rig.loop);
}

static struct strbuf answered = STRBUF_INIT;

static void on_numbered(void *data, const struct err *err)
{
	ck_assert(err == NULL);
	ck_assert_ptr_eq(data, &order[answered.len]);
	on_ordered(&answered, err);
}

/* State machines write one state after the other: the last one must win. */
START_TEST(commits_are_done_in_the_order_of_the_calls)
{
	struct store_move move = rig_move1;

	strbuf_clear(&answered);
	for (size_t i = 0; i < 20; i++) {
		snprintf(move.state, sizeof(move.state), "s%zu", i);
		store_commit(rig.store,
			     &(struct store_txn){
				     { store_put_move(&move),
				       store_put_notes(&(struct store_notes){
					       move.id, rig_entry(move.state, ""), 1 }) } },
			     on_numbered, &order[i]);
	}
	rig_run();

	ck_assert_uint_eq(answered.len, 20);
	rig_load();
	ck_assert_str_eq(rig.moves[0].state, "s19");
	rig_load_timeline(move.id);
	ck_assert_uint_eq(rig.entry_count, 20);
	for (size_t i = 0; i < 20; i++) {
		snprintf(move.state, sizeof(move.state), "s%zu", i);
		ck_assert_str_eq(rig.entries[i].event, move.state);
	}
	strbuf_fini(&answered);
	answered = (struct strbuf)STRBUF_INIT;
}
END_TEST

static void on_done_commit_again(void *data, const struct err *err)
{
	struct store_vm vm = rig_vm1;

	ck_assert(err == NULL);
	*(int *)data += 1;
	vm.generation = (uint64_t) * (int *)data;
	if (*(int *)data < 3)
		store_commit(rig.store, &(struct store_txn){ { store_put_vm(&vm) } },
			     on_done_commit_again, data);
}

/* A close writes everything that was submitted, even what the callbacks submit meanwhile. */
START_TEST(close_finishes_what_was_queued_and_what_follows)
{
	int count = 0;

	store_commit(rig.store, &(struct store_txn){ { store_put_vm(&rig_vm1) } },
		     on_done_commit_again, &count);
	store_commit(rig.store, &(struct store_txn){ { store_put_move(&rig_move1) } }, NULL, NULL);
	rig_reopen();

	ck_assert_int_eq(count, 3);
	rig_load();
	ck_assert_uint_eq(rig.vms[0].generation, 2);
	ck_assert_uint_eq(rig.move_count, 1);
}
END_TEST

/* ---- bounds ---- */

/* A move that asks again for days keeps its first entries and its last ones. */
START_TEST(timeline_over_limit_keeps_first_and_last)
{
	char event[32];

	rig_put_both();
	for (int i = 2; i <= STORE_TIMELINE_MAX + 50; i++) {
		snprintf(event, sizeof(event), "e%d", i);
		store_commit(rig.store,
			     &(struct store_txn){ { store_put_notes(&(struct store_notes){
				     rig_move1.id, rig_entry(event, ""), 1 }) } },
			     NULL, NULL);
	}
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, STORE_TIMELINE_MAX);
	ck_assert_str_eq(rig.entries[0].event, "state");
	ck_assert_str_eq(rig.entries[99].event, "e100");
	ck_assert_str_eq(rig.entries[100].event, "e151");
	ck_assert_str_eq(rig.entries[STORE_TIMELINE_MAX - 1].event, "e1050");
}
END_TEST

/* The entries between two states are written with the second state, in their order. */
START_TEST(timeline_entries_of_one_change_keep_their_order)
{
	struct store_timeline_entry list[3] = { { .at_ms = 1, .event = "a" },
						{ .at_ms = 2, .event = "b", .detail = "x" },
						{ .at_ms = 2, .event = "c" } };

	rig_commit_ok(&(struct store_txn){
		{ store_put_move(&rig_move1),
		  store_put_notes(&(struct store_notes){ rig_move1.id, list, 3 }) } });
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(rig.entries[i].at_ms, list[i].at_ms);
		ck_assert_str_eq(rig.entries[i].event, list[i].event);
		ck_assert_str_eq(rig.entries[i].detail, list[i].detail);
	}
	rig_commit_ok(&(struct store_txn){
		{ store_put_notes(&(struct store_notes){ rig_move1.id, NULL, 0 }) } });
}
END_TEST

/* Long text is cut between two characters: the API must stay valid UTF-8. */
START_TEST(timeline_long_text_is_cut_at_a_character)
{
	char text[2 * ERR_MSG_SIZE] = "";

	text[0] = 'x';
	for (size_t i = 1; i + 3 < sizeof(text); i += 3)
		memcpy(&text[i], "\xe2\x82\xac", 3);
	text[sizeof(text) - 1] = '\0';
	rig_put_both();
	rig_commit_ok(&(struct store_txn){ { store_put_notes(
		&(struct store_notes){ rig_move1.id, rig_entry(text, text), 1 }) } });
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(strlen(rig.entries[1].event), 61);
	ck_assert_uint_eq(strlen(rig.entries[1].detail), 2047);
	ck_assert_int_eq(strncmp(rig.entries[1].detail, text, 2047), 0);
}
END_TEST

/* A move that the other side may still ask about is kept, however old; a record that only
 * answers `unknown' is deleted before older ones. */
START_TEST(unsettled_moves_over_limit_are_kept_vain_ones_go_first)
{
	struct store_move old = rig_move1, vain = rig_move1;

	old.is_final = vain.is_final = vain.settled = true;
	old.idempotency_key[0] = vain.idempotency_key[0] = '\0';
	vain.ended_ms = INT64_MAX;
	snprintf(vain.id, sizeof(vain.id), "018f0000-0000-7000-8000-0000000000ff");
	snprintf(vain.verdict, sizeof(vain.verdict), "unknown");
	store_commit(rig.store, &(struct store_txn){ { store_put_move(&old) } }, NULL, NULL);
	store_commit(rig.store, &(struct store_txn){ { store_put_move(&vain) } }, NULL, NULL);
	rig_put_ended_moves(STORE_HISTORY_MAX);
	store_idle(rig.store);
	loop_sim_run(rig.loop);
	rig_load();
	ck_assert_uint_eq(rig.move_count, STORE_HISTORY_MAX + 1);
	for (size_t i = 0; i < rig.move_count; i++)
		ck_assert_str_ne(rig.moves[i].id, vain.id);
}
END_TEST

/* The history is bounded, and a move that is under way is never deleted. */
START_TEST(ended_moves_over_limit_are_deleted_oldest_first)
{
	rig_put_both();
	rig_put_ended_moves(STORE_HISTORY_MAX + 70);
	loop_sim_run(rig.loop);
	rig_load();
	ck_assert_uint_eq(rig.move_count, STORE_HISTORY_MAX + 1);

	store_idle(rig.store);
	loop_sim_run(rig.loop);
	rig_load();
	ck_assert_uint_eq(rig.move_count, STORE_HISTORY_MAX + 1);
	ck_assert_str_eq(rig.moves[0].id, "018f0000-0000-7000-8000-000000000070");
	ck_assert_str_eq(rig.moves[STORE_HISTORY_MAX].id, rig_move1.id);
	rig_load_timeline("018f0000-0000-7000-8000-000000000069");
	ck_assert_uint_eq(rig.entry_count, 0);
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 1);
}
END_TEST

static off_t wal_bytes(void)
{
	struct stat st = { 0 };

	return stat(rig_path("migrd.db-wal"), &st) == 0 ? st.st_size : 0;
}

static void put_large(size_t count, enum err_code expected)
{
	CLEANUP(free_charp) char *text = xcalloc(1, (1u << 20) + 1);
	struct store_vm vm = rig_vm1;

	vm.definition = text;
	for (size_t i = 0; i < count; i++) {
		struct err err;

		memset(text, 'a' + (int)(i % 26), 1u << 20); /* an equal text costs no page */
		err = rig_commit(&(struct store_txn){ { store_put_vm(&vm) } });
		ck_assert_msg(err.code == expected, "%s", err.msg);
	}
}

/* No commit has to wait for a checkpoint while moves run, until the log is too large. */
START_TEST(log_is_checkpointed_when_idle_or_over_its_limit)
{
	put_large(8, ERR_NONE);
	ck_assert_int_gt(wal_bytes(), 8 << 20);
	store_idle(rig.store);
	loop_sim_run(rig.loop);
	ck_assert_int_lt(wal_bytes(), 16 << 10);

	put_large(100, ERR_NONE);
	ck_assert_int_lt(wal_bytes(), 68 << 20);
	rig_load();
	ck_assert_uint_eq(strlen(rig.vms[0].definition), 1u << 20);
}
END_TEST

/* ---- a full disk ---- */

static void assert_figures(struct store_figures figures)
{
	ck_assert(!figures.is_refusing);
	ck_assert_uint_eq(figures.waiting, 0);
	ck_assert_uint_ge(figures.writes.count, 4);
	ck_assert_double_gt(figures.writes.sum, 0);
	ck_assert_uint_gt(figures.file_bytes, 0);
	ck_assert_uint_gt(figures.log_bytes, 2u << 20); /* what was written last */
}

/* On a full disk the old state stays, and writing goes on when there is room again. */
START_TEST(disk_full_answers_no_space_and_recovers)
{
	rig_put_both();
	rig_limit_files(512 * 1024);
	put_large(3, ERR_NO_SPACE);
	rig_load();
	rig_assert_vm_same(&rig.vms[0], &rig_vm1);
	store_idle(rig.store);
	put_large(1, ERR_NO_SPACE);
	ck_assert(store_figures(rig.store).is_refusing);

	rig_limit_files(RLIM_INFINITY);
	put_large(2, ERR_NONE);
	assert_figures(store_figures(rig.store));
	rig_reopen();
	rig_load();
	ck_assert_uint_eq(strlen(rig.vms[0].definition), 1u << 20);
	ck_assert_uint_eq(rig.move_count, 1);
}
END_TEST

/* ---- fault points ---- */

#ifdef ENABLE_FAULT_INJECTION
static void plan_faults(const char *plan)
{
	struct err err = { 0 };

	setenv("MIGRD_FAULTS", plan, 1);
	ck_assert_msg(fault_init(&err), "%s", err.msg);
}

static const struct fault_case {
	const char *point;
	bool is_written; /* the change is on disk, only its answer fails */
} fault_cases[] = {
	{ "store.commit", false },
	{ "store.move.transfer.before", false },
	{ "store.move.transfer.after", true },
	{ "store.committed", true },
};

/* An error at each point is answered once, and the next change works. */
START_TEST(fault_at_each_point_answers_once_and_recovers)
{
	const struct fault_case *c = &fault_cases[_i];
	char plan[64];
	struct err err;

	snprintf(plan, sizeof(plan), "%s:error", c->point);
	plan_faults(plan);
	err = rig_commit(
		&(struct store_txn){ { store_put_vm(&rig_vm1), store_put_move(&rig_move1) } });
	ck_assert(err_is_set(&err));
	rig_load();
	ck_assert_uint_eq(rig.vm_count, c->is_written ? 1 : 0);
	ck_assert_uint_eq(rig.move_count, c->is_written ? 1 : 0);

	rig_put_both();
	rig_load();
	ck_assert_uint_eq(rig.move_count, 1);
}
END_TEST

/* After a crash at each point either the whole change is there or nothing of it. */
START_TEST(crash_at_each_point_keeps_all_or_nothing)
{
	const struct fault_case *c = &fault_cases[_i];
	char plan[64];
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		snprintf(plan, sizeof(plan), "%s:crash", c->point);
		plan_faults(plan);
		rig_open();
		rig_put_both();
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 99);
	rig_open();
	rig_load();
	ck_assert_uint_eq(rig.vm_count, c->is_written ? 1 : 0);
	ck_assert_uint_eq(rig.move_count, c->is_written ? 1 : 0);
}
END_TEST
#endif

/* ---- suite ---- */

static void add_both(TCase *tc)
{
	tcase_add_test(tc, put_every_member_reads_back_same);
	tcase_add_test(tc, put_null_text_reads_back_null);
	tcase_add_test(tc, put_again_updates_and_keeps_timeline);
	tcase_add_test(tc, delete_vm_keeps_move);
	tcase_add_test(tc, delete_and_put_same_name_works_in_one_change);
	tcase_add_test(tc, vm_name_taken_answers_exists_and_changes_nothing);
	tcase_add_test(tc, idempotency_key_taken_answers_exists);
	tcase_add_test(tc, timeline_of_unknown_move_answers_not_found);
	tcase_add_test(tc, empty_change_is_answered);
	tcase_add_test(tc, commits_are_done_in_the_order_of_the_calls);
	tcase_add_test(tc, close_finishes_what_was_queued_and_what_follows);
	tcase_add_test(tc, timeline_entries_of_one_change_keep_their_order);
	tcase_add_test(tc, timeline_over_limit_keeps_first_and_last);
	tcase_add_test(tc, timeline_long_text_is_cut_at_a_character);
	tcase_add_test(tc, disk_full_answers_no_space_and_recovers);
}

Suite *suite(void)
{
	Suite *s = suite_create("store");
	TCase *sim = rig_add_case(s, "sim", rig_set_up);
#ifdef ENABLE_FAULT_INJECTION
	TCase *closed = rig_add_case(s, "closed", rig_set_up_closed);
	int points = (int)ARRAY_LEN(fault_cases);

	tcase_add_loop_test(sim, fault_at_each_point_answers_once_and_recovers, 0, points);
	tcase_add_loop_test(closed, crash_at_each_point_keeps_all_or_nothing, 0, points);
#endif
	add_both(sim);
	add_both(rig_add_case(s, "real", rig_set_up_real));
	tcase_add_test(sim, ended_moves_over_limit_are_deleted_oldest_first);
	tcase_add_test(sim, unsettled_moves_over_limit_are_kept_vain_ones_go_first);
	tcase_add_test(sim, log_is_checkpointed_when_idle_or_over_its_limit);
	return s;
}
