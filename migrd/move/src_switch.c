/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source lets the guest go over before its memory: post-copy begins. */
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

/* The first pass counts as over when QEMU has looked at so much of the guest's memory.  Its own
 * count of passes does not tell: 11.1 counts ten a second when post-copy is allowed. */
#define FIRST_PASS_PERCENT 98
/* Under a limit of bandwidth QEMU's thread sleeps for up to this time (migration/migration.c,
 * BUFFER_DELAY), which the guest would wait for. */
#define QEMU_SLEEP_MS 100
/* The guest is stopped so long before QEMU's thread wakes: a record, and three commands. */
#define STOP_TAKES_MS 15
/* A QEMU that tells nothing when it wakes. */
#define WAKES_UNTOLD_MS 300
/* Less than this is sent before the guest goes over. */
#define LEFT_MIN_BYTES (UINT64_C(1) << 20)

bool move_src_link_is_lost(const struct move *move)
{
	return !move->stream || stream_status(move->stream)->error[0];
}

/* QEMU 11.1 with nothing left to send at the switch fails on the destination; 7.2 and 10.0 do not
 * switch then (findings/postcopy-with-nothing-left-to-send-fails.sh). */
static bool needs_something_left(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;

	return version && qmp_version_is_since(version, 10, 1);
}

static bool has_passed_once(const struct qmp_mig_info *info)
{
	return info->ram_total_bytes &&
	       info->ram_visited_bytes / FIRST_PASS_PERCENT >= info->ram_total_bytes / 100;
}

static bool is_due(const struct move *move)
{
	switch ((enum transfer_postcopy_start)move->options.transfer.postcopy.start) {
	case TRANSFER_POSTCOPY_AT_ONCE:
		return true;
	case TRANSFER_POSTCOPY_FIRST_PASS:
		return move->facts.switch_wanted || has_passed_once(&move->ram.info);
	case TRANSFER_POSTCOPY_MANUAL:
		break;
	}
	return move->facts.switch_wanted;
}

/* True: QEMU has had no limit for long enough.  The stream goes on to hold the limit. */
static bool has_no_limit(struct move *move)
{
	if (!move_limit_bytes_per_s(move) ||
	    (move->facts.limit_lifted && !loop_timer_is_active(move->tick)))
		return true;
	if (!move->facts.limit_lifted) {
		move->facts.limit_lifted = true;
		move_src_apply_options(move);
		loop_timer_start(move->tick, QEMU_SLEEP_MS);
	}
	return false;
}

/* QEMU begins a pass each time that it wakes. */
static bool is_about_to_wake(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);
	uint64_t due_ms;

	if (!move->facts.limit_lowered_ms) {
		move->facts.limit_lowered_ms = now_ms;
		move_src_apply_options(move);
	}
	due_ms = move->ram.pass_at_ms > move->facts.limit_lowered_ms
			 ? move->ram.pass_at_ms + QEMU_SLEEP_MS - STOP_TAKES_MS
			 : move->facts.limit_lowered_ms + WAKES_UNTOLD_MS;
	if (now_ms < due_ms)
		loop_timer_start(move->tick, (uint32_t)(due_ms - now_ms));
	return now_ms >= due_ms;
}

bool move_src_may_switch(struct move *move)
{
	return transfer_plan_has_postcopy(move->plan) && move->ram.state == QMP_MIG_ACTIVE &&
	       !move->facts.cancel_requested && !move->facts.lease_held &&
	       !move_src_link_is_lost(move) && is_due(move) &&
	       (needs_something_left(move) ? is_about_to_wake(move) : has_no_limit(move));
}

/* ---- the guest stops --------------------------------------------------------- */

/* Not in the last pass of pre-copy, which 7.2 calls active too. */
bool move_src_is_switch_left(const struct move *move)
{
	return move->facts.switch_wanted && !move->facts.switch_sent && !move->facts.saw_stop &&
	       move->ram.state == QMP_MIG_ACTIVE;
}

static void on_switched(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && err->code == ERR_QEMU)
		move_roll_back(move, err);
	else if (err)
		move_query(move); /* it may have switched all the same */
}

static void set_limit(struct move *move, uint64_t bytes_per_s)
{
	struct json_object *args = json_object_new_object();

	json_add_uint(args, "max-bandwidth", bytes_per_s);
	move_qmp(move, "migrate-set-parameters", args, COMMAND_DEADLINE_MS, on_switched);
}

/* QEMU lets a guest that ran at the switch run on when its connection breaks, also when the
 * guest runs on the destination already (findings/postcopy-source-runs-again-when-the-last-
 * answer-is-lost.sh).  One that was paused before stays paused, whatever happens. */
static void stop(struct move *move)
{
	move->facts.stop_sent = true;
	move_qmp(move, "stop", NULL, COMMAND_DEADLINE_MS, on_switched);
}

static void go_over(struct move *move)
{
	move->facts.switch_sent = true;
	move_qmp(move, "migrate-start-postcopy", NULL, COMMAND_DEADLINE_MS, on_switched);
}

static void on_left(struct move *move, struct json_object *result, const struct err *err)
{
	struct qmp_mig_info info;
	struct err bad;

	if (err || !qmp_mig_info_decode(result, &info, &bad)) {
		move->facts.stop_sent = false; /* the tick begins again */
	} else if (info.state != QMP_MIG_ACTIVE || !move_src_is_switch_left(move)) {
		move_query(move); /* the last pass of pre-copy, or its failure, came first */
	} else if (info.ram_remaining_bytes >= LEFT_MIN_BYTES) {
		go_over(move);
	} else {
		move->facts.switch_sent = true; /* there is nothing more to do */
		set_limit(move, MOVE_BANDWIDTH_UNLIMITED);
	}
}

/* So that what is left when it is looked at is left at the switch. */
static void hold_the_rest(struct move *move)
{
	set_limit(move, MOVE_BANDWIDTH_ONE_PAGE);
	stop(move);
	move_qmp(move, "query-migrate", NULL, COMMAND_DEADLINE_MS, on_left);
}

void move_src_switch(struct move *move)
{
	if (move->facts.stop_sent) {
		; /* on_left() goes on */
	} else if (needs_something_left(move)) {
		hold_the_rest(move);
	} else {
		stop(move);
		go_over(move);
	}
}
