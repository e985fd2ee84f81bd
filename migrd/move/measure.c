/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a move costs its guest, measured: how long it stood still (the blackout), and how much
 * slower it ran before that (the brownout). */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "qemu/qemu.h"

/* A shorter time, or a guest that has used less of one CPU, gives no pace to compare with. */
#define PACE_MIN_US      100000
#define PACE_MIN_PERCENT 5
/* An event that seems to be older comes from a clock that was set. */
#define EVENT_AGE_MAX_US 10000000

void move_measure_begin(struct move *move)
{
	move->measure.has_begun = true;
	if (!move->machine.is_resumed)
		move_measure_pace(move, MOVE_PACE_TRANSFER);
}

void move_measure_memory(struct move *move)
{
	move_stamp(move, MOVE_STAMP_MIGRATE);
	move->measure.disk_bytes = 0;
	for (size_t i = 0; i < VM_DEF_IMAGE_MAX; i++)
		move->measure.disk_bytes += move->disks.mirrors[i].done;
}

/* ---- the blackout ---------------------------------------------------------------- */

static uint64_t time_of(const struct qmp_event *event)
{
	return event->time_us > 0 ? (uint64_t)event->time_us : 0;
}

/* How long ago EVENT was, as far as this host was only busy; 0: it is not known. */
static uint64_t age_of(const struct qmp_event *event)
{
	int64_t age_us = clock_wall_us() - event->time_us;

	return age_us > 0 && age_us < EVENT_AGE_MAX_US ? (uint64_t)age_us : 0;
}

/* A guest that stood still, came back and stands still again is measured anew. */
void move_measure_stop(struct move *move, const struct qmp_event *event)
{
	if (!move->stamps[MOVE_STAMP_STOPPED])
		move->stamps[MOVE_STAMP_STOPPED] = clock_monotonic_us() - age_of(event);
	move->measure.stopped_us = time_of(event);
	move->measure.resumed_us = 0;
	move->measure.has_come_back = false;
	move_frames_stop(move, move->measure.stopped_us);
}

void move_measure_resume(struct move *move, const struct qmp_event *event)
{
	struct move_measure *measure = &move->measure;

	if (measure->resumed_us || (move->side == MOVE_SRC && !measure->stopped_us))
		return;
	measure->resumed_us = time_of(event);
	measure->has_come_back = move->side == MOVE_SRC;
	move_frames_await(move, measure->resumed_us);
}

void move_measure_resumed_there(struct move *move, uint64_t resumed_us)
{
	if (!move->measure.resumed_us)
		move->measure.resumed_us = resumed_us;
}

uint64_t move_resumed_us(const struct move *move)
{
	return move->side == MOVE_DST ? move->measure.resumed_us : 0;
}

void move_measure_ask_time(struct move *move)
{
	move->measure.asked_us = clock_monotonic_us();
	move->measure.asked_wall_us = (uint64_t)clock_wall_us();
}

void move_measure_time(struct move *move, uint64_t there_us)
{
	uint64_t now_us = clock_monotonic_us();
	const struct clocks_sample sample = {
		.asked_us = (int64_t)move->measure.asked_wall_us,
		.there_us = (int64_t)there_us,
		.round_trip_us = now_us - move->measure.asked_us,
		.at_us = now_us,
	};

	if (there_us && move->measure.asked_us)
		clocks_note(&move->measure.clocks, &sample);
	move->measure.asked_us = 0;
}

static bool is_over(const struct move *move)
{
	return move_is_final(move) || move->stamps[MOVE_STAMP_TAKEN];
}

const char *move_why_not_still(const struct move *move)
{
	const struct move_measure *measure = &move->measure;

	if (move->facts.stopped)
		return "the VM is stopped";
	if (!measure->stopped_us && !is_over(move))
		return "the guest does not stand still yet";
	if (!measure->stopped_us && move->stamps[MOVE_STAMP_TAKEN] && move->facts.run)
		return "the coordinator did not see when the guest stopped";
	if (!measure->stopped_us)
		return "the guest was not stopped by the move";
	if (!measure->resumed_us && !is_over(move))
		return "the guest stands still";
	return "";
}

static const char *why_no_blackout(const struct move *move)
{
	const struct move_measure *measure = &move->measure;
	const char *why = move_why_not_still(move);

	if (*why)
		return why;
	if (!measure->resumed_us)
		return "nobody saw when the guest ran on: a coordinator was restarted, or the "
		       "destination has an older migrd";
	if (!measure->has_come_back && !measure->clocks.is_known)
		return "the clocks of the two hosts were not compared";
	return "";
}

static void show_blackout(const struct move *move, struct move_measured *ret)
{
	const struct move_measure *measure = &move->measure;
	int64_t us = (int64_t)measure->resumed_us - (int64_t)measure->stopped_us;
	uint64_t end_us = move->stamps[MOVE_STAMP_TAKEN];

	ret->blackout_note = why_no_blackout(move);
	if (*ret->blackout_note)
		return;
	ret->has_blackout = true;
	if (!measure->has_come_back) {
		us -= measure->clocks.ahead_us;
		ret->blackout_error_ms = (double)clocks_error_us(&measure->clocks, end_us) / 1000;
	}
	ret->blackout_ms = us > 0 ? (double)us / 1000 : 0;
}

/* ---- pauses --------------------------------------------------------------------------- */

void move_measure_hold(struct move *move)
{
	move->measure.held_since_us = clock_monotonic_us();
	move->measure.held_count++;
}

void move_measure_flow(struct move *move)
{
	struct move_measure *measure = &move->measure;

	if (measure->held_since_us)
		measure->held_us += clock_monotonic_us() - measure->held_since_us;
	measure->held_since_us = 0;
}

/* ---- the brownout ------------------------------------------------------------------ */

static bool read_cpu(const struct move *move, uint64_t *ret_us)
{
	const struct move_measure *measure = &move->measure;
	const struct qemu *qemu = move_qemu(move);
	uint64_t sum_us = 0, us;
	struct err ignored;

	if (!qemu)
		return false;
	for (size_t i = 0; i < measure->thread_count; i++) {
		if (!proc_thread_cpu_us(qemu_proc_id(qemu).pid, measure->threads[i], &us, &ignored))
			return false;
		sum_us += us;
	}
	*ret_us = sum_us;
	return measure->thread_count > 0;
}

/* CPUs that stand still use no time, so what is read later is what they had used at their stop. */
void move_measure_pace(struct move *move, enum move_pace_moment moment)
{
	struct move_pace *pace = &move->measure.pace[moment];
	uint64_t stopped_us = move->stamps[MOVE_STAMP_STOPPED], cpu_us;

	if (!read_cpu(move, &cpu_us))
		return;
	pace->cpu_us = cpu_us;
	pace->at_us = moment == MOVE_PACE_STOP ? stopped_us : clock_monotonic_us();
}

/* CPUs in use, in percent of one. */
static double percent_between(const struct move_pace *from, const struct move_pace *to)
{
	return 100.0 * (double)(to->cpu_us - from->cpu_us) / (double)(to->at_us - from->at_us);
}

static bool is_long_enough(const struct move_pace *from, const struct move_pace *to)
{
	return to->at_us >= from->at_us + PACE_MIN_US && to->cpu_us >= from->cpu_us;
}

static void show_brownout(const struct move *move, struct move_measured *ret)
{
	const struct move_pace *pace = move->measure.pace;
	double before, during;

	ret->brownout_note = "";
	if (!pace[MOVE_PACE_BEGIN].at_us || !pace[MOVE_PACE_TRANSFER].at_us) {
		ret->brownout_note = "the guest's CPUs were not looked at before the transfer";
		return;
	}
	if (!pace[MOVE_PACE_STOP].at_us) {
		ret->brownout_note = "the guest's CPUs were not looked at up to its stop";
		return;
	}
	if (!is_long_enough(&pace[MOVE_PACE_BEGIN], &pace[MOVE_PACE_TRANSFER]) ||
	    !is_long_enough(&pace[MOVE_PACE_TRANSFER], &pace[MOVE_PACE_STOP])) {
		ret->brownout_note = "the move was too short to see the guest's pace";
		return;
	}
	before = percent_between(&pace[MOVE_PACE_BEGIN], &pace[MOVE_PACE_TRANSFER]);
	during = percent_between(&pace[MOVE_PACE_TRANSFER], &pace[MOVE_PACE_STOP]);
	ret->has_pace = true;
	ret->cpu_before_percent = before;
	ret->cpu_during_percent = during;
	if (before < PACE_MIN_PERCENT) {
		ret->brownout_note = "the guest had less than 5 % of one CPU before the transfer";
		return;
	}
	ret->has_brownout = true;
	ret->brownout_percent = during < before ? 100 - 100 * during / before : 0;
}

struct move_measured move_show_measured(const struct move *move)
{
	struct move_measured ret = { 0 };

	show_blackout(move, &ret);
	show_brownout(move, &ret);
	move_show_outage(move, &ret);
	return ret;
}
