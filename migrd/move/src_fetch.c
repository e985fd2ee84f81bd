/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source in post-copy: the guest is on the destination, and this QEMU has memory that it
 * needs.
 *
 * The streams make a lost connection again by themselves.  When a stream itself is lost, both
 * QEMUs pause, and the source asks the destination for a new one, and lets its QEMU resume.
 * That is tried for as long as it takes: nothing else can help the guest.
 */
#include "base/log.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "wire/peer_msg.h"

#define FATE_DEADLINE_MS 1000
#define FETCH_TICK_MS    200
/* A link that is silent for this long is made again: the guest waits for it. */
#define LINK_TIMEOUT_MS 2000
/* A step of a recovery that takes longer has failed. */
#define STEP_MAX_MS     10000
#define RETRY_FIRST_MS  100
#define RETRY_MAX_MS    2000
#define RECOVER_TICK_MS 50

/* ---- what the destination says --------------------------------------------- */

bool move_src_sends_no_more(const struct move *move)
{
	return move_is_gone(move) || move_parts_progress(move) == MOVE_PART_BROKEN ||
	       (move->facts.hangs_at_end && move->ram.state == QMP_MIG_POSTCOPY_ACTIVE);
}

static void lose(struct move *move)
{
	move->facts.memory_lost = true;
	err_set(&move->error, ERR_QEMU,
		"QEMU ended on host '%s' before all of the guest's memory was on host '%s': the "
		"guest cannot go on there, and must be started anew from its disks",
		move->moves->env.host_id, move->row.peer);
	machine_go_to(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_CONFIRM, .why = move->error.msg });
}

/* A person gave the guest to a destination that has not heard of it. */
static void on_given(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		log_warning("move", "go", "move=%s error=%s", move->row.id, err->msg);
}

static void give(struct move *move)
{
	move_ask_peer(move, "go", move_claim_json(move, move->facts.run), STEP_MAX_MS, on_given);
}

static void on_fate(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;

	move->facts.asked = false;
	if (err || !peer_fate_decode(result, &fate, &bad)) {
		move_is_waiting(move, err ? err : &bad);
		return;
	}
	move->reason[0] = '\0';
	move_measure_resumed_there(move, fate.resumed_us);
	move->rejoin.is_there_interrupted = fate.interrupted || fate.needs_stream;
	if (fate.verdict == VERDICT_UNKNOWN)
		move_set_reason(move, "host '%s' has no record of the move: %s", move->row.peer,
				fate.reason);
	else if (fate.verdict == VERDICT_REFUSED)
		move_set_reason(move, "host '%s' refused the guest, which was given to it",
				move->row.peer);
	else if (fate.verdict == VERDICT_NONE)
		give(move);
	if ((fate.interrupted && move_src_sends_no_more(move)) || fate.memory_lost)
		lose(move);
	else if (fate.final && fate.verdict == VERDICT_TAKEN)
		move->facts.answered = true;
	machine_step(&move->machine);
}

static void ask_fate(struct move *move)
{
	if (move->facts.asked)
		return;
	move->facts.asked = true;
	move_ask_peer(move, NULL, NULL, FATE_DEADLINE_MS, on_fate);
}

/* ---- new streams ------------------------------------------------------------- */

/* Begins from the start after a pause, which is that of the retry timer. */
static void try_again(struct move *move, const struct err *why)
{
	uint32_t pause_ms = move->rejoin.retry_ms ? move->rejoin.retry_ms * 2 : RETRY_FIRST_MS;

	move->rejoin.retry_ms = pause_ms < RETRY_MAX_MS ? pause_ms : RETRY_MAX_MS;
	move_set_reason(move,
			"the guest waits for memory, and the data stream cannot be made "
			"again yet: %s",
			why->msg);
	move_rejoin_to(move, MOVE_REJOIN_NONE);
	loop_timer_start(move->retry, move->rejoin.retry_ms);
}

static void on_ready_there(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_prepare_reply reply;
	struct err bad;

	if (move->rejoin.step != MOVE_REJOIN_ASKED)
		return;
	if (err || !peer_prepare_reply_decode(result, &reply, &bad)) {
		try_again(move, err ? err : &bad);
		return;
	}
	snprintf(move->data_address, sizeof(move->data_address), "%s", reply.data_address);
	snprintf(move->token, sizeof(move->token), "%s", reply.token);
	move_rejoin_to(move, MOVE_REJOIN_STARTING);
	if (!move_start_stream(move, &bad))
		try_again(move, &bad);
}

static void on_resumed(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && move->rejoin.step == MOVE_REJOIN_RESUMING)
		try_again(move, err);
}

static void go_on(struct move *move)
{
	struct err err;

	switch (move->rejoin.step) {
	case MOVE_REJOIN_ENDING:
		/* A QEMU that does not answer now may only be slow. */
		move->facts.hangs_at_end = move->ram.state == QMP_MIG_POSTCOPY_ACTIVE &&
					   !move->facts.query_pending &&
					   move_rejoin_step_ms(move) > MOVE_PAUSE_MAX_MS;
		if (move->ram.state != QMP_MIG_POSTCOPY_PAUSED)
			break;
		move_rejoin_to(move, MOVE_REJOIN_ASKED);
		move_ask_peer(move, "recover", move_claim_json(move, move->facts.run), STEP_MAX_MS,
			      on_ready_there);
		break;
	case MOVE_REJOIN_STARTING:
		if (!move->facts.stream_ready)
			break;
		move_rejoin_to(move, MOVE_REJOIN_RESUMING);
		stream_set_link_timeout(move->stream, LINK_TIMEOUT_MS);
		stream_set_bandwidth(move->stream, 0); /* the guest waits */
		move_ram_resume(move, on_resumed);
		break;
	case MOVE_REJOIN_RESUMING:
		if (move->ram.state != QMP_MIG_POSTCOPY_ACTIVE)
			break;
		move_rejoin_is_done(move);
		return;
	case MOVE_REJOIN_NONE:
	case MOVE_REJOIN_ASKED:
	case MOVE_REJOIN_READY:
		break;
	}
	if (move->rejoin.step != MOVE_REJOIN_NONE && move_rejoin_step_ms(move) > STEP_MAX_MS) {
		err_set(&err, ERR_TIMEOUT, "no answer in %d s", STEP_MAX_MS / 1000);
		try_again(move, &err);
	}
}

/* While the streams work, QEMU never pauses. */
static bool is_interrupted(const struct move *move)
{
	return move_stream_is_over(move) || !move->stream || move->rejoin.is_there_interrupted ||
	       move->ram.state == QMP_MIG_POSTCOPY_PAUSED;
}

static void recover(struct move *move)
{
	if (move->rejoin.step == MOVE_REJOIN_STARTING && move_stream_is_over(move)) {
		struct err err;

		err_set(&err, ERR_PEER, "%s", move_stream_fault(move));
		try_again(move, &err);
	} else if (move->rejoin.step != MOVE_REJOIN_NONE) {
		go_on(move);
	} else if (is_interrupted(move) && !loop_timer_is_active(move->retry)) {
		move->measure.rejoins++;
		move_note(move, "interrupted", "%s",
			  move_stream_fault(move) ? move_stream_fault(move) : "");
		move_rejoin_end_stream(move);
	}
}

/* ---- the state ------------------------------------------------------------------ */

void move_src_enter_fetch(struct machine *machine)
{
	struct move *move = move_of(machine);

	move_lease_end(move); /* a restart has begun one */
	if (move->stream)
		stream_set_link_timeout(move->stream, LINK_TIMEOUT_MS);
	move_query(move);
	loop_timer_start(move->tick, FETCH_TICK_MS);
}

void move_src_step_fetch(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move->facts.answered || move_parts_progress(move) == MOVE_PART_DONE) {
		move_stamp(move, MOVE_STAMP_FETCHED);
		machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_CONFIRM });
		return;
	}
	if (!move_src_sends_no_more(move))
		recover(move);
	if (!loop_timer_is_active(move->tick)) {
		move_query(move);
		ask_fate(move);
		loop_timer_start(move->tick, move->rejoin.step == MOVE_REJOIN_NONE
						     ? FETCH_TICK_MS
						     : RECOVER_TICK_MS);
	}
}
