/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination in post-copy: the guest is here, and its memory follows. */
#include "base/log.h"
#include "move/dst.h"
#include "move/priv.h"
#include "vm/entry.h"
#include "vm/still.h"
#include "wire/peer_msg.h"

#define TICK_MS             200
#define RECOVER_TICK_MS     50
#define FATE_DEADLINE_MS    1000
#define COMMAND_DEADLINE_MS 10000
/* A step of a recovery that takes longer has failed, and the source asks again. */
#define STEP_MAX_MS 8000
#define UNKNOWN_MS  1000

/* How long the destination waits for the source's QEMU to hear of the end. */
#define LAST_WORD_MS 2000

static bool is_waiting(const struct move *move)
{
	return move->machine.state == MOVE_STATE_FETCH && !move_is_gone(move) &&
	       move_parts_progress(move) != MOVE_PART_DONE && move->rejoin.step == MOVE_REJOIN_NONE;
}

/* Only QEMU's own word, as a guest that has all must not be given up. */
bool move_dst_is_interrupted(const struct move *move)
{
	return is_waiting(move) && move->ram.state == QMP_MIG_POSTCOPY_PAUSED;
}

bool move_dst_needs_stream(const struct move *move)
{
	return is_waiting(move) && (!move->stream || move_stream_is_over(move));
}

/* The source's stream is not there, whatever the reason. */
static bool is_cut_off(const struct move *move)
{
	return move_dst_is_interrupted(move) || move_dst_needs_stream(move) ||
	       (is_waiting(move) && stream_status(move->stream)->error[0]);
}

/* ---- a new stream, for a source that asks for it --------------------------------- */

static void fail(struct move *move, const struct err *why)
{
	move->rejoin.err = *why;
	log_warning("move", "recover", "move=%s error=%s", move->row.id, why->msg);
	move_note(move, "not-recovered", "%s", why->msg);
	move_rejoin_to(move, MOVE_REJOIN_NONE);
	move_tell(move);
}

static void on_waits(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (move->rejoin.step != MOVE_REJOIN_RESUMING)
		return;
	if (err) {
		fail(move, err);
		return;
	}
	move_note(move, "recovering", "QEMU waits for the source on a new data stream");
	move_rejoin_to(move, MOVE_REJOIN_READY);
	move_tell(move);
}

static void start_stream(struct move *move)
{
	struct err err;

	id_token_new(move->token);
	stream_preamble_key(move->token, move->offer.port_key);
	move->offer.attempts = (struct stream_attempts){ 0 };
	move_rejoin_to(move, MOVE_REJOIN_STARTING);
	if (!move_start_stream(move, &err))
		fail(move, &err);
}

/* After a restart a QEMU whose main loop waits for the guest's memory tells nothing; if it has not
 * paused, it refuses the new stream. */
static bool has_paused(const struct move *move)
{
	return move->ram.state == QMP_MIG_POSTCOPY_PAUSED ||
	       (move->ram.state == QMP_MIG_UNKNOWN && move_rejoin_step_ms(move) > UNKNOWN_MS);
}

static void go_on(struct move *move)
{
	struct err err;

	switch (move->rejoin.step) {
	case MOVE_REJOIN_ENDING:
		if (has_paused(move))
			start_stream(move);
		break;
	case MOVE_REJOIN_STARTING:
		if (!move->facts.stream_started)
			break;
		move_rejoin_to(move, MOVE_REJOIN_RESUMING);
		move_ram_await_source(move, on_waits);
		break;
	case MOVE_REJOIN_READY:
		if (move->ram.state != QMP_MIG_POSTCOPY_ACTIVE)
			break;
		move_rejoin_is_done(move);
		return;
	case MOVE_REJOIN_NONE:
	case MOVE_REJOIN_ASKED:
	case MOVE_REJOIN_RESUMING:
		break;
	}
	if (move->rejoin.step != MOVE_REJOIN_NONE && move_rejoin_step_ms(move) > STEP_MAX_MS) {
		err_set(&err, ERR_TIMEOUT, "no new data stream in %d s", STEP_MAX_MS / 1000);
		fail(move, &err);
	}
}

struct move *moves_rejoin(struct moves *moves, const struct move_claim *claim, struct err *err)
{
	struct move *move = moves_claimed(moves, claim, err);

	if (!move)
		return NULL;
	if (move->machine.state != MOVE_STATE_FETCH || move->machine.is_saving) {
		err_set(err, move_is_final(move) ? ERR_TOO_LATE : ERR_BUSY, "the move is %s here",
			move_state_name(move));
		return NULL;
	}
	move->rejoin.err = (struct err){ 0 };
	move_note(move, "interrupted", "host '%s' asks for a new data stream", move->row.peer);
	move_rejoin_end_stream(move);
	loop_timer_stop(move->tick);
	machine_step(&move->machine);
	return move;
}

bool move_rejoin_failed(const struct move *move, struct err *err)
{
	*err = move->rejoin.err;
	if (!err_is_set(err) && move_is_final(move))
		err_set(err, ERR_TOO_LATE, "the move has ended here: %s", move_state_name(move));
	return err_is_set(err);
}

/* ---- the end of the source ---------------------------------------------------------- */

void move_dst_give_up_memory(struct move *move)
{
	if (move->facts.memory_lost)
		return;
	move->facts.memory_lost = true;
	err_set(&move->error, ERR_QEMU,
		"host '%s' ended with memory that the guest lacks: it cannot go on, and must be "
		"started anew from its disks",
		move->row.peer);
	if (move_vm(move))
		vm_note_still(move_vm(move), &move->error);
	move_parts_begin(move, MOVE_PHASE_END);
}

/* What belongs to the move has been put in order. */
static void conclude(struct move *move)
{
	if (move->facts.memory_lost)
		machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_LOST,
									.why = move->error.msg });
	else
		move_dst_end(move);
}

static void on_fate(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;

	move->facts.asked = false;
	if (err || !peer_fate_decode(result, &fate, &bad)) {
		err = err ? err : &bad;
		move_set_reason(move,
				"the guest waits for memory from host '%s', which does not answer: "
				"%s; if that host is dead: migrctl move resolve %s --keep "
				"destination --assert-dead %s, which gives the guest up",
				move->row.peer, move_peer_words(move, err), move->row.id,
				move->row.peer);
	} else if (move_dst_is_interrupted(move) && (fate.memory_lost || fate.final)) {
		move_dst_give_up_memory(move); /* a person may have ended it there */
	} else if (fate.verdict == VERDICT_UNKNOWN) {
		move_set_reason(move,
				"the guest waits for memory from host '%s', which has no record of "
				"the move: migrctl move resolve %s --keep destination --assert-dead "
				"%s gives the guest up",
				move->row.peer, move->row.id, move->row.peer);
	} else if (fate.sends_no_more && move->stream) {
		move_end_stream(move); /* QEMU then has all, or pauses */
		move->facts.stream_gone = true;
	} else {
		move_set_reason(move,
				"the guest waits for memory from host '%s': the data stream "
				"is made again",
				move->row.peer);
	}
}

/* ---- the state ------------------------------------------------------------------------ */

void move_dst_enter_fetch(struct machine *machine)
{
	struct move *move = move_of(machine);

	move_query(move);
	loop_timer_start(move->tick, TICK_MS);
}

static void tick(struct move *move)
{
	move_query(move);
	move_dst_ask_whether_it_runs(move);
	if (is_cut_off(move) && !move->facts.asked) {
		move->facts.asked = true;
		move_ask_peer(move, NULL, NULL, FATE_DEADLINE_MS, on_fate);
	}
	loop_timer_start(move->tick,
			 move->rejoin.step == MOVE_REJOIN_NONE ? TICK_MS : RECOVER_TICK_MS);
}

/* The source's QEMU is to hear that all has come; without that it would fail, which does no
 * harm. */
static bool is_heard(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	if (!move->rejoin.fetched_ms)
		move->rejoin.fetched_ms = now_ms;
	return !move->stream || move_stream_is_over(move) ||
	       stream_status(move->stream)->error[0] || /* the source has ended its stream */
	       now_ms - move->rejoin.fetched_ms > LAST_WORD_MS;
}

void move_dst_step_fetch(struct machine *machine)
{
	struct move *move = move_of(machine);
	bool has_all = move_parts_progress(move) == MOVE_PART_DONE;

	if (move_parts_are_over(move, MOVE_PHASE_END)) {
		conclude(move);
		return;
	}
	if (move->cursor.phase == MOVE_PHASE_END)
		return;
	if (move_is_gone(move) || (has_all && move->facts.is_running && is_heard(move))) {
		move_parts_begin(move, MOVE_PHASE_END);
		return;
	}
	if (move_parts_progress(move) == MOVE_PART_BROKEN)
		qemu_kill(move_qemu(move)); /* it may hang as it ends; its log has the reason */
	else if (!has_all)
		go_on(move);
	if (!is_cut_off(move) && move->rejoin.step == MOVE_REJOIN_NONE)
		move->reason[0] = '\0';
	if (!loop_timer_is_active(move->tick))
		tick(move);
}
