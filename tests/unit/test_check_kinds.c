/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check/kinds.h"
#include "check_main.h"

#define UUID "0190a000-0000-7000-8000-000000000001"
#define MOVE "0190a000-0000-7000-8000-000000000002"

static struct check_view *view;
static struct check_findings findings;

/* A view with room for two of each kind or more; a test adds what it wants. */
static void setup(void)
{
	view = xnew(struct check_view);
	view->seen = xnew(struct check_seen);
	view->marks = xnew(struct storage_marks);
	view->marks->list = xcalloc(2, sizeof(*view->marks->list));
	view->seen->processes = xcalloc(2, sizeof(*view->seen->processes));
	view->seen->entries = xcalloc(CHECK_FINDINGS_MAX + 10, sizeof(*view->seen->entries));
	view->vms = xcalloc(2, sizeof(*view->vms));
	view->moves = xcalloc(2, sizeof(*view->moves));
	view->peers = xcalloc(2, sizeof(*view->peers));
	snprintf(view->host_id, sizeof(view->host_id), "a");
	snprintf(view->dirs.vms, sizeof(view->dirs.vms), "/run/vms");
	snprintf(view->dirs.moves, sizeof(view->dirs.moves), "/run/moves");
	snprintf(view->dirs.logs, sizeof(view->dirs.logs), "/log");
	snprintf(view->dirs.tpms, sizeof(view->dirs.tpms), "/tpm");
}

static void teardown(void)
{
	check_findings_fini(&findings);
	check_view_free(view);
}

static struct check_vm *add_vm(const char *state)
{
	struct check_vm *vm = &view->vms[view->vm_count++];

	snprintf(vm->uuid, sizeof(vm->uuid), "%s", UUID);
	snprintf(vm->name, sizeof(vm->name), "g1");
	snprintf(vm->state, sizeof(vm->state), "%s", state);
	vm->generation = 4;
	return vm;
}

static struct check_move *add_move(const char *state, bool is_final)
{
	struct check_move *move = &view->moves[view->move_count++];

	snprintf(move->id, sizeof(move->id), "%s", MOVE);
	snprintf(move->vm, sizeof(move->vm), "g1");
	snprintf(move->peer, sizeof(move->peer), "b");
	snprintf(move->state, sizeof(move->state), "%s", state);
	move->is_final = is_final;
	move->is_out = true;
	return move;
}

static struct check_process *add_process(const char *key, pid_t pid)
{
	struct check_process *process = &view->seen->processes[view->seen->process_count++];

	snprintf(process->key, sizeof(process->key), "%s", key);
	process->id = (struct proc_id){ pid, 1000 };
	return process;
}

static struct check_entry *add_entry(enum check_place place, const char *key)
{
	struct check_entry *entry = &view->seen->entries[view->seen->entry_count++];

	entry->place = place;
	snprintf(entry->name, sizeof(entry->name), "%s", key);
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	entry->is_ours = true;
	return entry;
}

static struct peer_vm *add_claim(uint64_t generation)
{
	struct check_peer *peer = &view->peers[view->peer_count++];

	snprintf(peer->id, sizeof(peer->id), "b");
	peer->vms = xcalloc(1, sizeof(*peer->vms));
	peer->vm_count = 1;
	snprintf(peer->vms->uuid, sizeof(peer->vms->uuid), "%s", UUID);
	snprintf(peer->vms->name, sizeof(peer->vms->name), "g1");
	snprintf(peer->vms->role, sizeof(peer->vms->role), "owned");
	snprintf(peer->vms->state, sizeof(peer->vms->state), "running");
	peer->vms->generation = generation;
	return peer->vms;
}

/* The names of the kinds that were found, in the order of the findings. */
static const char *found(void)
{
	static char kinds[512];
	size_t len = 0;

	check_findings_fini(&findings);
	check_find(view, &findings);
	kinds[0] = '\0';
	for (size_t i = 0; i < findings.count && len < sizeof(kinds) - 64; i++)
		len += (size_t)snprintf(kinds + len, sizeof(kinds) - len, "%s%s", len ? " " : "",
					findings.list[i].kind->name);
	return kinds;
}

static void assert_says(const char *words)
{
	ck_assert_msg(strstr(findings.list[0].explanation, words) ||
			      strstr(findings.list[0].remedy, words),
		      "'%s' is not in: %s / %s", words, findings.list[0].explanation,
		      findings.list[0].remedy);
}

/* ---- QEMU ----------------------------------------------------------------------- */

START_TEST(qemu_of_a_record_is_no_finding)
{
	struct check_vm *vm = add_vm("running");

	vm->has_qemu = true;
	vm->id = (struct proc_id){ 4711, 1000 };
	add_process(UUID, 4711);
	add_entry(CHECK_VMS, UUID);
	add_entry(CHECK_LOGS, UUID);
	ck_assert_str_eq(found(), "");
}
END_TEST

/* After a crash before the record of the pid, the daemon looks for the QEMU by its monitor. */
START_TEST(qemu_that_is_being_looked_for_is_no_finding)
{
	add_vm("starting")->has_qemu = true;
	add_process(UUID, 4711);
	ck_assert_str_eq(found(), "");
}
END_TEST

/* The same pid with another start time is another process. */
START_TEST(qemu_with_a_recycled_pid_is_unknown)
{
	struct check_vm *vm = add_vm("running");

	vm->has_qemu = true;
	vm->id = (struct proc_id){ 4711, 999 };
	add_process(UUID, 4711);
	ck_assert_str_eq(found(), "unknown-qemu");
	ck_assert(!findings.list[0].is_safe);
	assert_says("second QEMU");
}
END_TEST

/* Starting a VM whose old QEMU still lives would run the guest twice. */
START_TEST(crashed_vm_with_another_qemu_is_not_to_be_started)
{
	add_vm("crashed");
	add_process(UUID, 4711);
	add_entry(CHECK_VMS, UUID);
	ck_assert_str_eq(found(), "unknown-qemu crashed-vm");
	ck_assert_ptr_null(strstr(findings.list[1].remedy, "vm start"));
}
END_TEST

static struct check_vm *add_vm_with_nic(const char *name, const char *nic)
{
	struct check_vm *vm = add_vm("running");

	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->has_qemu = true;
	vm->definition = xasprintf("{\"nics\":[%s]}", nic);
	return vm;
}

/* On one bridge each guest would get frames of the other, and the reason would be hard to
 * find. */
START_TEST(two_guests_have_one_mac_it_is_told)
{
	add_vm_with_nic("g1", "{\"type\":\"tap\",\"mac\":\"52:54:00:AA:00:01\"}");
	add_vm_with_nic("g2", "{\"type\":\"tap\",\"mac\":\"52:54:00:aa:00:01\"}");
	check_find(view, &findings);
	ck_assert_uint_eq(findings.count, 1);
	ck_assert_str_eq(findings.list[0].kind->name, "same-mac");
	ck_assert_str_eq(findings.list[0].object, "VM g2");
	ck_assert(strstr(findings.list[0].explanation, "52:54:00:aa:00:01"));
}
END_TEST

/* With user networking each guest has a network of its own. */
START_TEST(two_guests_have_one_mac_behind_nat_nothing_is_told)
{
	add_vm_with_nic("g1", "{\"type\":\"user\",\"mac\":\"52:54:00:aa:00:01\"}");
	add_vm_with_nic("g2", "{\"type\":\"user\",\"mac\":\"52:54:00:aa:00:01\"}");
	check_find(view, &findings);
	ck_assert_uint_eq(findings.count, 0);
}
END_TEST

/* No repair may end a process that can run a guest, or decide between two hosts. */
START_TEST(what_may_run_a_guest_has_no_repair)
{
	static const char *const never[] = { "unknown-qemu", "double-claim",       "stuck-move",
					     "waiting-move", "crashed-vm",         "unreachable-vm",
					     "still-vm",     "foreign-file",       "unknown-state",
					     "silent-peer",  "not-looked-at",      "old-store",
					     "was-here",     "unsettled-move",     "same-mac",
					     "sent-away-vm", "leftover-tpm-state", "missing-swtpm",
					     "leftover-mark" };

	for (const struct check_kind *kind = check_kinds; kind->name; kind++) {
		bool is_never = false;

		for (size_t i = 0; i < ARRAY_LEN(never); i++)
			is_never = is_never || strcmp(never[i], kind->name) == 0;
		ck_assert_msg(is_never == !kind->repair, "%s", kind->name);
	}
}
END_TEST

/* ---- two hosts ---------------------------------------------------------------------- */

START_TEST(vm_of_two_hosts_names_the_later_owner)
{
	add_vm("stopped");
	add_claim(5);
	ck_assert_str_eq(found(), "double-claim");
	assert_says("later owner: host 'b'");
	assert_says("on host 'a': 'migrctl vm stop g1'");
	view->vms[0].generation = 6;
	found();
	assert_says("later owner: host 'a'");
	assert_says("on host 'b'");
	view->vms[0].generation = 5;
	found();
	assert_says("do not tell who owns it");
}
END_TEST

/* During a handover both hosts may have the VM, and the move decides. */
START_TEST(vm_that_a_move_holds_on_either_side_is_no_double_claim)
{
	struct check_vm *vm = add_vm("running");
	struct peer_vm *other = add_claim(5);

	snprintf(vm->move, sizeof(vm->move), "%s", MOVE);
	ck_assert_str_eq(found(), "");
	vm->move[0] = '\0';
	snprintf(other->move, sizeof(other->move), "%s", MOVE);
	ck_assert_str_eq(found(), "");
	other->move[0] = '\0';
	snprintf(other->role, sizeof(other->role), "incoming");
	ck_assert_str_eq(found(), "");
}
END_TEST

START_TEST(silent_peer_is_said)
{
	add_vm("stopped");
	add_claim(5);
	view->peers[0].vm_count = 0;
	snprintf(view->peers[0].silence, sizeof(view->peers[0].silence), "no route");
	ck_assert_str_eq(found(), "silent-peer");
	assert_says("no route");
}
END_TEST

/* ---- what is safe ---------------------------------------------------------------------- */

/* A guest that may have run must not be removed. */
START_TEST(incoming_without_a_move_is_safe_only_if_it_never_ran)
{
	struct check_vm *vm = add_vm("incoming");

	vm->is_incoming = true;
	ck_assert_str_eq(found(), "orphan-incoming");
	ck_assert(!findings.list[0].is_safe);
	vm->never_ran = true;
	found();
	ck_assert(findings.list[0].is_safe);
	snprintf(vm->move, sizeof(vm->move), "%s", MOVE);
	ck_assert_str_eq(found(), "");
}
END_TEST

/* Without the move's record it is unknown whether the move has ended. */
START_TEST(stream_is_safe_only_with_the_record_of_an_ended_move)
{
	add_process(MOVE, 7)->is_stream = true;
	ck_assert_str_eq(found(), "leftover-stream");
	ck_assert(!findings.list[0].is_safe);
	add_move("failed", true);
	ck_assert_str_eq(found(), "leftover-stream");
	ck_assert(findings.list[0].is_safe);
	view->moves[0].is_final = false;
	ck_assert_str_eq(found(), "");
}
END_TEST

START_TEST(files_are_safe_unless_used_or_foreign)
{
	struct check_entry *entry = add_entry(CHECK_VMS, UUID);

	ck_assert_str_eq(found(), "leftover-vm-dir");
	ck_assert(findings.list[0].is_safe);
	entry->is_used = true;
	found();
	ck_assert(!findings.list[0].is_safe);
	assert_says("still uses it");
	entry->is_used = entry->is_ours = false;
	found();
	ck_assert(!findings.list[0].is_safe);
	assert_says("by hand");
}
END_TEST

/* A guest without its keys is lost, and keys that are left may be stolen: a person decides. */
START_TEST(state_of_a_tpm_is_left_to_people)
{
	struct check_vm *vm;

	add_entry(CHECK_TPMS, UUID);
	ck_assert_str_eq(found(), "leftover-tpm-state");
	ck_assert(!findings.list[0].is_safe);
	assert_says("holds keys");
	vm = add_vm("stopped");
	ck_assert_str_eq(found(), "");
	vm->is_second = true;
	ck_assert_str_eq(found(), "leftover-tpm-state");
	assert_says("has its own in");
	assert_says(UUID ".2");
	vm->is_second = false;
	vm->is_former = true;
	ck_assert_ptr_nonnull(strstr(found(), "leftover-tpm-state"));
	snprintf(vm->move, sizeof(vm->move), "%s", MOVE);
	ck_assert_ptr_null(strstr(found(), "leftover-tpm-state"));
}
END_TEST

/* A refresh that is under way has two. */
START_TEST(state_of_a_tpm_beside_is_left_unless_a_job_has_the_vm)
{
	struct check_vm *vm = add_vm("running");

	add_entry(CHECK_TPMS, UUID);
	add_entry(CHECK_TPMS, UUID ".2");
	vm->is_refreshed = true;
	snprintf(vm->move, sizeof(vm->move), "%s", MOVE);
	ck_assert_ptr_null(strstr(found(), "leftover-tpm-state"));
	vm->is_refreshed = false;
	vm->move[0] = '\0';
	ck_assert_str_eq(found(), "leftover-tpm-state");
	ck_assert_ptr_nonnull(strstr(findings.list[0].object, UUID ".2"));
}
END_TEST

static struct storage_mark *add_mark(void)
{
	struct storage_mark *mark = &view->marks->list[view->marks->count++];

	snprintf(mark->dir, sizeof(mark->dir), "/images");
	snprintf(mark->name, sizeof(mark->name), "disk.raw");
	snprintf(mark->move, sizeof(mark->move), "%s", MOVE);
	mark->beside = MARK_BESIDE_MADE;
	return mark;
}

static void assert_mark_says(const char *words)
{
	ck_assert_str_eq(found(), "leftover-mark");
	ck_assert_str_eq(findings.list[0].object, "/images/.disk.raw.migrd-" MOVE);
	ck_assert(!findings.list[0].is_safe);
	assert_says(words);
}

static struct check_move *add_ended_arrival(enum verdict verdict)
{
	struct check_move *move = add_move("failed", true);

	move->is_out = false;
	move->verdict = verdict;
	return move;
}

START_TEST(mark_of_a_move_under_way_is_no_finding)
{
	struct check_move *move = add_move("transfer", false);

	add_mark();
	ck_assert_str_eq(found(), "");
	move->is_out = false;
	ck_assert_str_eq(found(), "");
}
END_TEST

/* Only the record tells whether the guest may have run from the image. */
START_TEST(mark_is_told_by_how_its_move_has_ended)
{
	struct check_move *move = add_ended_arrival(VERDICT_REFUSED);

	add_mark();
	assert_mark_says("the guest never ran here. When host 'b' has it");
	move->verdict = VERDICT_TAKEN;
	assert_mark_says("remove the mark alone");
	move->verdict = VERDICT_NONE;
	assert_mark_says("the guest may have run here");
	move->is_out = true;
	assert_mark_says("host 'b' made it");
	view->move_count = 0;
	assert_mark_says("another host that has this directory may be making it");
}
END_TEST

START_TEST(mark_is_told_by_what_is_beside_it)
{
	struct check_move *move = add_ended_arrival(VERDICT_REFUSED);
	struct storage_mark *mark = add_mark();

	mark->beside = MARK_BESIDE_OTHER;
	assert_mark_says("leave the other file");
	mark->beside = MARK_BESIDE_NOTHING;
	assert_mark_says("is not there any more");
	move->verdict = VERDICT_TAKEN;
	assert_mark_says("the last name of its image");
	mark->is_tpm = true;
	assert_mark_says("with its keys");
}
END_TEST

START_TEST(records_in_doubt_do_not_tell_that_a_guest_never_ran)
{
	add_ended_arrival(VERDICT_REFUSED);
	add_mark();
	snprintf(view->doubt, sizeof(view->doubt), "it was put back");
	found();
	for (size_t i = 0; i < findings.count; i++)
		ck_assert_ptr_null(strstr(findings.list[i].remedy, "never ran"));
	ck_assert_ptr_nonnull(strstr(found(), "leftover-mark"));
}
END_TEST

/* What storage does not tell says nothing of what the host has. */
START_TEST(storage_that_is_not_looked_at_makes_no_other_repair_unsafe)
{
	add_entry(CHECK_VMS, UUID);
	snprintf(view->marks->gap, sizeof(view->marks->gap), "it has not answered");
	ck_assert_str_eq(found(), "leftover-vm-dir not-looked-at");
	ck_assert(findings.list[0].is_safe);
	ck_assert_ptr_nonnull(strstr(findings.list[1].explanation, "it has not answered"));
}
END_TEST

START_TEST(program_is_missing_only_for_a_vm_with_a_tpm)
{
	struct check_vm *vm = add_vm("stopped");

	view->seen->lacks_swtpm = true;
	snprintf(view->dirs.swtpm, sizeof(view->dirs.swtpm), "swtpm");
	ck_assert_str_eq(found(), "");
	vm->has_tpm = true;
	ck_assert_str_eq(found(), "missing-swtpm");
	assert_says("'swtpm'");
	assert_says("install it");
	view->seen->lacks_swtpm = false;
	ck_assert_str_eq(found(), "");
}
END_TEST

/* The mark of a move beside it is none of a foreign file. */
START_TEST(mark_of_a_tpm_is_no_finding)
{
	add_entry(CHECK_TPMS, "");
	ck_assert_str_eq(found(), "");
}
END_TEST

/* That a file is unused cannot be proved when some processes could not be read. */
START_TEST(nothing_is_safe_when_not_all_was_seen)
{
	add_entry(CHECK_VMS, UUID);
	add_entry(CHECK_MOVES, MOVE);
	add_entry(CHECK_LOGS, UUID);
	add_vm("incoming")->is_incoming = true;
	view->vms[0].never_ran = true;
	snprintf(view->vms[0].uuid, ID_UUID_SIZE, "%s", MOVE);
	snprintf(view->seen->gap, sizeof(view->seen->gap), "process 3 cannot be read");
	ck_assert_str_eq(found(), "orphan-incoming leftover-vm-dir leftover-move-dir leftover-log "
				  "not-looked-at");
	for (size_t i = 0; i < findings.count; i++)
		ck_assert(!findings.list[i].is_safe);
}
END_TEST

/* ---- moves and records ------------------------------------------------------------------- */

START_TEST(moves_that_want_attention_point_to_commands)
{
	struct check_move *move = add_move("handover", false);

	ck_assert_str_eq(found(), "");
	snprintf(move->reason, sizeof(move->reason), "waiting for host 'b'");
	ck_assert_str_eq(found(), "waiting-move");
	assert_says("waiting for host 'b'");
	assert_says("migrctl move show " MOVE " --timeline");
	move->can_cancel = true;
	found();
	assert_says("migrctl move cancel " MOVE);
	move->is_stuck = true;
	ck_assert_str_eq(found(), "stuck-move");
	assert_says("migrctl move resolve " MOVE " --keep source|destination");
	move->is_stuck = false;
	move->is_final = true;
	ck_assert_str_eq(found(), "");
}
END_TEST

START_TEST(unknown_words_in_records_are_told)
{
	snprintf(add_vm("stopped")->fault, sizeof(view->vms->fault), "its role is 'lent'");
	snprintf(add_move("done", true)->fault, sizeof(view->moves->fault), "its state is 'x'");
	ck_assert_str_eq(found(), "unknown-state unknown-state");
	assert_says("'lent'");
}
END_TEST

/* ---- two looks ------------------------------------------------------------------------------ */

/* A QEMU that was told to end lives on for a moment after its record is gone. */
START_TEST(what_was_only_about_to_go_is_dropped)
{
	struct check_findings earlier;

	add_process(UUID, 4711);
	add_vm("crashed");
	ck_assert_str_eq(found(), "unknown-qemu crashed-vm");
	ck_assert(check_needs_second_look(&findings));
	earlier = findings;
	findings = (struct check_findings){ 0 };
	view->seen->processes[0].id.start_time++; /* another process with the same pid */
	found();
	check_confirm(&findings, &earlier);
	ck_assert_uint_eq(findings.count, 1);
	ck_assert_str_eq(findings.list[0].kind->name, "crashed-vm");
	ck_assert(!check_needs_second_look(&findings));
	check_findings_fini(&earlier);
}
END_TEST

/* A host full of leftovers must not make an endless report. */
START_TEST(too_many_findings_are_counted)
{
	for (int i = 0; i < CHECK_FINDINGS_MAX + 7; i++)
		add_entry(CHECK_MOVES, UUID);
	found();
	ck_assert_uint_eq(findings.count, CHECK_FINDINGS_MAX);
	ck_assert_uint_eq(findings.left_out, 7);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("check_kinds");
	TCase *tc = tcase_create("check_kinds");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, qemu_of_a_record_is_no_finding);
	tcase_add_test(tc, qemu_that_is_being_looked_for_is_no_finding);
	tcase_add_test(tc, qemu_with_a_recycled_pid_is_unknown);
	tcase_add_test(tc, crashed_vm_with_another_qemu_is_not_to_be_started);
	tcase_add_test(tc, two_guests_have_one_mac_it_is_told);
	tcase_add_test(tc, two_guests_have_one_mac_behind_nat_nothing_is_told);
	tcase_add_test(tc, what_may_run_a_guest_has_no_repair);
	tcase_add_test(tc, vm_of_two_hosts_names_the_later_owner);
	tcase_add_test(tc, vm_that_a_move_holds_on_either_side_is_no_double_claim);
	tcase_add_test(tc, silent_peer_is_said);
	tcase_add_test(tc, incoming_without_a_move_is_safe_only_if_it_never_ran);
	tcase_add_test(tc, stream_is_safe_only_with_the_record_of_an_ended_move);
	tcase_add_test(tc, files_are_safe_unless_used_or_foreign);
	tcase_add_test(tc, state_of_a_tpm_is_left_to_people);
	tcase_add_test(tc, state_of_a_tpm_beside_is_left_unless_a_job_has_the_vm);
	tcase_add_test(tc, mark_of_a_move_under_way_is_no_finding);
	tcase_add_test(tc, mark_is_told_by_how_its_move_has_ended);
	tcase_add_test(tc, mark_is_told_by_what_is_beside_it);
	tcase_add_test(tc, records_in_doubt_do_not_tell_that_a_guest_never_ran);
	tcase_add_test(tc, storage_that_is_not_looked_at_makes_no_other_repair_unsafe);
	tcase_add_test(tc, program_is_missing_only_for_a_vm_with_a_tpm);
	tcase_add_test(tc, mark_of_a_tpm_is_no_finding);
	tcase_add_test(tc, nothing_is_safe_when_not_all_was_seen);
	tcase_add_test(tc, moves_that_want_attention_point_to_commands);
	tcase_add_test(tc, unknown_words_in_records_are_told);
	tcase_add_test(tc, what_was_only_about_to_go_is_dropped);
	tcase_add_test(tc, too_many_findings_are_counted);
	suite_add_tcase(s, tc);
	return s;
}
