/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The moves that a restarted daemon finds in its store. */
#include <dirent.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"

/* A state that only a later version knows is taken as stuck; move_row_is_known() tells. */
static enum move_state state_of_row(const struct move *move, const struct store_move *row)
{
	unsigned state = machine_state_of_name(move->machine.type, row->state);

	return state == MOVE_STATE_COUNT ? MOVE_STATE_STUCK : (enum move_state)state;
}

/* A verdict that only a later version knows is taken as UNKNOWN, which allows nobody to run
 * the guest; move_row_is_known() tells. */
static enum verdict verdict_of_row(const struct store_move *row)
{
	enum verdict verdict = verdict_from_name(row->verdict);

	return verdict == VERDICT_COUNT ? VERDICT_UNKNOWN : verdict;
}

bool move_row_is_known(const struct move *move, struct err *err)
{
	const struct store_move *row = &move->row;

	if (strcmp(row->kind, "MIGRATION_OUT") != 0 && strcmp(row->kind, "MIGRATION_IN") != 0)
		return err_set(err, ERR_STORE, "its kind is '%s'", row->kind);
	if (machine_state_of_name(move->machine.type, row->state) == MOVE_STATE_COUNT)
		return err_set(err, ERR_STORE, "its state is '%s'", row->state);
	if (verdict_from_name(row->verdict) == VERDICT_COUNT)
		return err_set(err, ERR_STORE, "its verdict is '%s'", row->verdict);
	return true;
}

/* Then the guest needs its memory, also while this coordinator waits for others. */
static bool may_run_there(const struct move *move)
{
	return move->machine.state == MOVE_STATE_FETCH ||
	       (move->machine.state == MOVE_STATE_HANDOVER && move->facts.switch_wanted);
}

void moves_add_row(struct moves *moves, struct store_move *row)
{
	enum move_side side = strcmp(row->kind, "MIGRATION_OUT") == 0 ? MOVE_SRC : MOVE_DST;
	struct move *move = move_new(moves, side, row->id);

	store_move_fini(&move->row);
	move->row = *row;
	move->machine.state = state_of_row(move, row);
	move->verdict = verdict_of_row(row);
	move->settle.is_done = row->settled;
	move->ram.state = QMP_MIG_UNKNOWN;
	if (row->error_code[0])
		err_set(&move->error, err_from_name(row->error_code), "%s", row->error_text);
	move_detail_decode(move);
	move->ram.may_have_begun = !move->facts.memory_waits;
	if (move_is_final(move)) {
		moves_file(moves, move);
		move_become_history(move);
		return;
	}
	move->machine.is_dormant = true;
	move_attach_stream(move); /* a rollback needs it too, to end it */
	if (!may_run_there(move))
		move_lease_begin(move);
}

static void recover(struct move *move)
{
	struct vm *vm = move_vm(move);
	struct err err;

	if (vm && !move_hold_vm(move, vm, &err))
		log_error("move", "recover", "move=%s error=%s", move->row.id, err.msg);
	log_info("move", "recovered", "move=%s vm=%s state=%s", move->row.id, move->row.vm_name,
		 move_state_name(move));
	move_note(move, "recovered", "the coordinator was restarted");
	if (move->side == MOVE_SRC)
		move_parts_tidy(move);
	err_set(&err, ERR_UNAVAILABLE, "the coordinator of host '%s' was restarted in %s",
		move->moves->env.host_id, move_state_name(move));
	machine_restart(&move->machine, &err);
}

static bool has_dir(const struct move *move)
{
	CLEANUP(free_charp) char *dir = move_dir(move);

	return access(dir, F_OK) == 0;
}

/* The guest has run here, so the move has come further than its record says. */
static bool has_run(const struct move *move)
{
	struct vm *vm = move_vm(move);

	return vm && vm_is_active(vm) && !vm_never_ran(vm);
}

/* A QEMU that has given its guest away does not leave POSTMIGRATE by itself. */
static bool has_come_back(const struct vm *vm)
{
	return vm && vm_is_active(vm) && qemu_run_state(vm_qemu(vm)) != QMP_RUN_POSTMIGRATE;
}

/* The VM was stopped by its old record, and this QEMU may be one that was started since. */
static bool was_started_since(const struct move *move)
{
	const struct vm *vm = move_vm(move);

	return move->facts.stopped && move_qemu(move) && !vm_never_ran(vm) &&
	       (!vm_is_active(vm) || has_come_back(vm));
}

static void leave_alone(struct move *move)
{
	move_set_reason(move,
			"the record is old, and a QEMU of the guest is here: it is left alone; "
			"make sure that the guest runs on one host");
	log_error("move", "doubt", "move=%s vm=%s reason=%s", move->row.id, move->row.vm_name,
		  move->reason);
}

/* The VM's QEMU is there, and its guest has provably never run. */
static bool is_waiting(const struct vm *vm)
{
	return vm && vm_is_active(vm) && vm_never_ran(vm);
}

/* A destination in prepare whose guest has run goes on in transfer, where the source is asked
 * what became of the move. */
static void recover_doubtful(struct move *move)
{
	bool is_early = move->side == MOVE_DST && move->machine.state == MOVE_STATE_PREPARE;
	struct vm *vm = move_vm(move);
	struct err err;

	if ((move->machine.state == MOVE_STATE_CONFIRM && has_come_back(vm)) ||
	    was_started_since(move)) {
		leave_alone(move);
		return;
	}
	/* Must still be known in later states and after the next restart. */
	if (move->side == MOVE_DST && !is_waiting(vm)) {
		move->facts.may_have_run = true;
		machine_save(&move->machine);
	}
	if (!is_early || !has_run(move)) {
		recover(move);
		return;
	}
	if (!move_hold_vm(move, vm, &err))
		log_error("move", "recover", "move=%s reason=%s", move->row.id, err.msg);
	move->machine.is_dormant = false;
	move->machine.is_resumed = true;
	machine_go_to(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_TRANSFER,
						.with = { store_put_vm(vm_row(vm)) },
						.why = "its QEMU has run the guest already" });
}

static void recover_all(struct moves *moves, void (*recover_one)(struct move *move))
{
	for (struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (!move_is_final(move)) {
			recover_one(move);
			continue;
		}
		move_tell_end(move);
		if (has_dir(move))
			move_end_stream(move); /* a crash between its end and the tidying up */
		if (!move->settle.is_done) {
			move_parts_tidy(move); /* the same */
			move_settle_is_due(move);
		}
	}
	move_settle_later(moves); /* once is enough: it looks at all moves */
}

void moves_recover(struct moves *moves)
{
	recover_all(moves, recover);
}

/* Ends the stream of a move without a record: nobody else would end it, and the guest would
 * stop when all is sent.  QEMU lets the guest run on when its stream is gone. */
static void end_unknown_stream(struct moves *moves, const char *id)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/moves/%s", moves->env.run_dir, id);
	struct err err;

	log_warning("move", "unknown-stream", "move=%s: no record knows it; it is ended", id);
	stream_end_lost(moves->env.loop, dir, (struct proc_id){ 0 });
	if (!dir_remove(dir, &err))
		log_warning("move", "leftover", "move=%s error=%s", id, err.msg);
}

static void end_unknown_streams(struct moves *moves)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/moves", moves->env.run_dir);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (id_uuid_is_valid(entry->d_name) && !moves_find(moves, entry->d_name))
			end_unknown_stream(moves, entry->d_name);
	}
	closedir(dir);
}

void moves_recover_doubtful(struct moves *moves)
{
	recover_all(moves, recover_doubtful);
	end_unknown_streams(moves);
}
