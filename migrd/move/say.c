/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gathers what the sentences about a move are made of (move/outlook.h, move/explain.h). */
#include "base/mem.h"
#include "base/strbuf.h"
#include "converge/converge.h"
#include "move/explain.h"
#include "move/outlook.h"
#include "move/priv.h"
#include "move/src_priv.h"

/* QEMU's target page on x86: that in which it counts what the guest has changed. */
#define PAGE_BYTES 4096

/* ---- what is to be expected ------------------------------------------------------- */

static enum outlook_stage stage_in_transfer(const struct move *move)
{
	if (move->facts.saw_stop)
		return OUTLOOK_STILL;
	if (move->facts.lease_held)
		return OUTLOOK_HELD;
	if (move_is_held(move))
		return OUTLOOK_ASKED;
	if (move_waits_for_parties(move))
		return OUTLOOK_TOLD;
	if (!move->stamps[MOVE_STAMP_MIGRATE] && transfer_plan_has_disks(move->plan))
		return OUTLOOK_DISKS;
	return OUTLOOK_MEMORY;
}

static enum outlook_stage stage_of(const struct move *move)
{
	switch ((enum move_state)move->machine.state) {
	case MOVE_STATE_BEGIN:
	case MOVE_STATE_PREPARE:
		return OUTLOOK_READY;
	case MOVE_STATE_TRANSFER:
		return stage_in_transfer(move);
	case MOVE_STATE_HANDOVER:
	case MOVE_STATE_STUCK:
		return OUTLOOK_STILL;
	case MOVE_STATE_FETCH:
		return OUTLOOK_FETCH;
	case MOVE_STATE_ROLLBACK:
	case MOVE_STATE_CANCELLED:
	case MOVE_STATE_FAILED:
		return OUTLOOK_BACK;
	case MOVE_STATE_CONFIRM:
	case MOVE_STATE_DONE:
	case MOVE_STATE_LOST:
	case MOVE_STATE_COUNT:
		break;
	}
	return OUTLOOK_END;
}

static void look_at_disks(const struct move *move, struct outlook_basis *basis)
{
	uint64_t copied = 0, total = 0;
	uint64_t ms = loop_now_ms(move->moves->env.loop) - move->disks.began_at_ms;

	for (size_t i = 0; i < VM_DEF_IMAGE_MAX; i++) {
		copied += move->disks.mirrors[i].done;
		total += move->disks.mirrors[i].total;
	}
	basis->disk_left_bytes = total > copied ? total - copied : 0;
	if (move->disks.began_at_ms && ms)
		basis->disk_bytes_per_s = (uint64_t)((double)copied * 1000 / (double)ms);
}

/* The rate of a pass is known at its end. */
static void look_at_memory(const struct move *move, struct outlook_basis *basis)
{
	const struct qmp_mig_info *info = &move->ram.info;
	const struct vm_def *def = info->ram_total_bytes ? NULL : move_definition(move);

	/* Of the same moment as the other figures: a text that is kept stays what it would be. */
	if (move->stamps[MOVE_STAMP_MIGRATE] && move->ram.info_us > move->stamps[MOVE_STAMP_MIGRATE])
		basis->elapsed_ms = (move->ram.info_us - move->stamps[MOVE_STAMP_MIGRATE]) / 1000;
	basis->pass = info->ram_passes;
	basis->total_bytes = def ? vm_def_memory_mib(def) << 20 : info->ram_total_bytes;
	basis->left_bytes = info->ram_passes ? info->ram_remaining_bytes : basis->total_bytes;
	basis->bytes_per_s = move->passes ? passes_bytes_per_s(move->passes) : 0;
	if (move->passes && move->passes->count)
		basis->in_pass_ms = move->passes->rows[move->passes->count - 1].duration_ms;
	basis->is_held = converge_is_held(move_limit_bytes_per_s(move), basis->bytes_per_s);
	basis->is_dirty_known = info->ram_passes > 1;
	basis->dirty_bytes_per_s = info->ram_dirty_pages_per_s * PAGE_BYTES;
	basis->throttle_percent = info->throttle_percent;
}

/* How long the guest may stand still, as its policy has decided. */
static uint64_t limit_ms(const struct move *move)
{
	uint64_t asked_ms = move->options.downtime_limit_ms;

	if (move->facts.forced)
		return CONVERGE_LIMIT_MAX_MS;
	return move->facts.downtime_raised_ms > asked_ms ? move->facts.downtime_raised_ms
							 : asked_ms;
}

/* What the policy does at its deadline, as far as this move can. */
static int timeout_of(const struct move *move)
{
	const struct policy *policy = &move->policy;
	bool can_postcopy = transfer_plan_has_postcopy(move->plan);

	if (policy->timeout == POLICY_TIMEOUT_FORCE && can_postcopy &&
	    policy->postcopy == POLICY_POSTCOPY_IF_NEEDED)
		return POLICY_TIMEOUT_POSTCOPY;
	if (policy->timeout == POLICY_TIMEOUT_POSTCOPY && !can_postcopy)
		return POLICY_TIMEOUT_CANCEL;
	return policy->timeout;
}

void move_show_outlook(const struct move *move, struct move_progress *ret)
{
	struct outlook_basis basis = { .peer = move->row.peer,
				       .limit_ms = limit_ms(move),
				       .can_switch = transfer_plan_has_postcopy(move->plan),
				       .will_switch =
					       transfer_plan_has_postcopy(move->plan) &&
					       move->policy.postcopy == POLICY_POSTCOPY_IF_NEEDED &&
					       !move->policy.observe,
				       .deadline_ms = move_converge_deadline_ms(move),
				       .timeout = timeout_of(move) };
	struct outlook outlook;

	if (move->side != MOVE_SRC || move_is_final(move) || move->machine.is_new)
		return;
	basis.stage = stage_of(move);
	look_at_memory(move, &basis);
	look_at_disks(move, &basis);
	outlook = outlook_of(&basis);
	ret->has_outlook = true;
	memcpy(ret->sentence, outlook.sentence, sizeof(ret->sentence));
	ret->eta_min_ms.value = outlook.min_ms;
	ret->eta_min_ms.is_known = outlook.has_min;
	ret->eta_max_ms.value = outlook.max_ms;
	ret->eta_max_ms.is_known = outlook.has_max;
}

/* ---- why it took so long ----------------------------------------------------------- */

/* From one moment to the other, or to the end if that has not come; 0: the first has not. */
static uint64_t ms_between(const struct move *move, enum move_stamp from, enum move_stamp to)
{
	uint64_t a = move->stamps[from];
	uint64_t b = move->stamps[to] ? move->stamps[to] : move->stamps[MOVE_STAMP_ENDED];

	return a && b > a ? (b - a) / 1000 : 0;
}

static enum explain_end end_of(const struct move *move)
{
	if (move->machine.state == MOVE_STATE_DONE)
		return EXPLAIN_DONE;
	return move->machine.state == MOVE_STATE_LOST ? EXPLAIN_LOST : EXPLAIN_STAYED;
}

static void add_passes(const struct move *move, struct explain_basis *basis)
{
	const struct move_pass *rows;
	size_t count;

	rows = move_passes(move, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t dirty = rows[i].dirty_pages_per_s * PAGE_BYTES;

		if (dirty > basis->dirty_bytes_per_s)
			basis->dirty_bytes_per_s = dirty;
		if (rows[i].throttle_percent > basis->throttle_percent)
			basis->throttle_percent = rows[i].throttle_percent;
		if (rows[i].decision[0])
			basis->decision = rows[i].decision;
	}
}

/* Who had asked for a delay, and why. */
static void add_delays(const struct move *move, struct strbuf *text)
{
	for (size_t i = 0; move->notices && i < move->notices->count; i++) {
		const struct move_notice *row = &move->notices->rows[i];

		if (!row->until_ms)
			continue;
		strbuf_addf(text, "%sparty '%s' had asked for a delay", text->len ? ", " : "",
			    row->party);
		if (row->reason[0])
			strbuf_addf(text, " (%s)", row->reason);
	}
}

uint64_t move_waited_ms(const struct move *move)
{
	return ms_between(move,
			  move->stamps[MOVE_STAMP_HELD] ? MOVE_STAMP_HELD : MOVE_STAMP_TOLD,
			  MOVE_STAMP_MIGRATE);
}

/* Of a guest that stood still before the move, or came back, memory ends with the sending. */
static void add_times(const struct move *move, const struct move_measured *measured,
		      struct explain_basis *basis)
{
	bool is_stopped = move->stamps[MOVE_STAMP_STOPPED];

	basis->prepare_ms = ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED);
	basis->hold_ms =
		ms_between(move, MOVE_STAMP_HELD,
			   move->stamps[MOVE_STAMP_TOLD] ? MOVE_STAMP_TOLD : MOVE_STAMP_MIGRATE);
	basis->parties_ms = ms_between(move, MOVE_STAMP_TOLD, MOVE_STAMP_MIGRATE);
	if (transfer_plan_has_disks(move->plan))
		basis->disks_ms = ms_between(move, MOVE_STAMP_PREPARED, MOVE_STAMP_MIGRATE);
	if (basis->disks_ms >= basis->hold_ms + basis->parties_ms)
		basis->disks_ms -= basis->hold_ms + basis->parties_ms;
	basis->memory_ms = ms_between(move, MOVE_STAMP_MIGRATE,
				      is_stopped ? MOVE_STAMP_STOPPED : MOVE_STAMP_COMPLETED);
	if (is_stopped)
		basis->last_pass_ms = ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_COMPLETED);
	basis->still_ms = measured->has_blackout
				  ? (uint64_t)(measured->blackout_ms + 0.5)
				  : ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN);
	if (move->stamps[MOVE_STAMP_FETCHED])
		basis->fetch_ms = ms_between(move, MOVE_STAMP_TAKEN, MOVE_STAMP_FETCHED);
	basis->tidy_ms =
		ms_between(move,
			   move->stamps[MOVE_STAMP_FETCHED] ? MOVE_STAMP_FETCHED : MOVE_STAMP_TAKEN,
			   MOVE_STAMP_ENDED);
}

void move_explain(const struct move *move, const struct move_measured *measured,
		  char ret[MOVE_EXPLANATION_SIZE])
{
	CLEANUP(strbuf_fini) struct strbuf delays = STRBUF_INIT;
	struct explain_basis basis = {
		.end = end_of(move),
		.destination = move->row.peer,
		.total_ms = ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED),
		.disk_bytes = move->measure.disk_bytes,
		.ram_bytes = move->ram.info.ram_total_bytes,
		.sent_bytes = move->ram.info.ram_transferred_bytes,
		.passes = move->ram.info.ram_passes,
		.limit_bytes_per_s = move->options.bandwidth_bytes_per_s,
		.budget_bytes_per_s = move->facts.budget_least,
		.is_still = move->facts.stopped ||
			    (end_of(move) == EXPLAIN_DONE && !move->stamps[MOVE_STAMP_STOPPED]),
		.policy = move->policy.name,
		.held_ms = move->measure.held_us / 1000,
		.held_count = move->measure.held_count,
		.rejoins = move->measure.rejoins,
		.has_outage = measured->has_outage,
		.outage_ms = (uint64_t)(measured->outage_ms + 0.5),
	};

	add_delays(move, &delays);
	basis.delays = strbuf_str(&delays);
	add_times(move, measured, &basis);
	add_passes(move, &basis);
	explain(&basis, ret);
}
