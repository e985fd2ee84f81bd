/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the policy decides while memory is sent, and how it is carried out.  The decisions
 * themselves are in converge/converge.c. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "converge/converge.h"
#include "move/explain.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

/* A rest that seems to take so long may take this many times as long, and a minute: the link may
 * become slower, and nobody sees how far QEMU is in its last pass. */
#define REST_FACTOR  10
#define REST_MORE_MS 60000
/* A rate of less time may be of one burst. */
#define RATE_MS 1000
/* Without a limit of bandwidth, just before post-copy begins, QEMU would see an end of pre-copy
 * within the downtime limit in what is buffered at once; post-copy stands still for less. */
#define SWITCH_LIMIT_MS 1
/* What a user wishes, and what the policy decides, may come at once. */
#define DECISIONS_MAX 4
/* QEMU slows the CPUs down when a guest has changed more than `throttle-trigger-threshold' percent
 * of what was sent between two looks, which are at least a second apart, twice in a row:
 * by cpu-throttle-initial, later by cpu-throttle-increment more, up to max-cpu-throttle
 * (migration_trigger_throttle() and mig_throttle_guest_down() in migration/ram.c).  Before the
 * policy has decided it can do no more than the least that QEMU takes. */
#define THROTTLE_INITIAL   "cpu-throttle-initial"
#define THROTTLE_INCREMENT "cpu-throttle-increment"
#define THROTTLE_MAX       "max-cpu-throttle"
#define THROTTLE_TRIGGER   "throttle-trigger-threshold"

/* Of "WHAT: HOW IT IS" the first part, as far as a pass has room for it. */
#define DECISION_MAX 100
#define DECISION_WORDS(decision)                                                            \
	((int)(strcspn((decision)->why, ":") < DECISION_MAX ? strcspn((decision)->why, ":") \
							    : DECISION_MAX))

/* ---- what is looked at ---------------------------------------------------------- */

/* On the clock of the history. */
static uint64_t now_ms(const struct move *move)
{
	uint64_t ms = move->converge.before_ms + machine_in_state_ms(&move->machine);

	return ms > move->facts.hold_took_ms ? ms - move->facts.hold_took_ms : 0;
}

void move_converge_begin(struct move *move)
{
	uint64_t began_us = move->stamps[MOVE_STAMP_PREPARED], now_us = clock_monotonic_us();

	move->converge = (struct move_converge){ 0 };
	if (move->machine.is_resumed && began_us && now_us > began_us)
		move->converge.before_ms = (now_us - began_us) / 1000;
	move->converge.is_over = move->facts.forced;
}

void move_converge_change(struct move *move, const struct policy *policy)
{
	struct move_facts *facts = &move->facts;
	uint64_t ceiling_ms = policy->observe ? 0 : policy->downtime_ceiling_ms;
	uint64_t throttle = policy->observe ? 0 : policy->throttle_max_percent;

	move->converge.is_over = facts->forced || facts->cancel_sent;
	move->converge.seen_raised_ms = move->converge.seen_throttle_percent = 0;
	if (facts->downtime_raised_ms > ceiling_ms)
		facts->downtime_raised_ms = ceiling_ms;
	if (facts->throttle_percent > throttle)
		facts->throttle_percent = throttle ? throttle : 1; /* QEMU takes no less */
}

static uint64_t bytes_of(const struct move *move)
{
	const struct vm_def *def = move_definition(move);
	uint64_t bytes = def ? vm_def_memory_mib(def) << 20 : move->ram.info.ram_total_bytes;

	for (size_t i = 0; move->plan && i < move->plan->disk_count; i++)
		bytes += move->plan->disks[i].allocated_bytes;
	return bytes;
}

/* In the pass that is under way, if it lasts for a while, so that a link that has become slow
 * shows; 0: the history knows more.  After a restart as it was before. */
static uint64_t sent_bytes_per_s(const struct move *move)
{
	const struct converge_history *history = &move->converge.history;
	uint64_t ms = now_ms(move) - history->began.at_ms;
	uint64_t sent = move->ram.info.ram_transferred_bytes;

	if (history->has_begun && now_ms(move) > history->began.at_ms &&
	    sent > history->began.sent_bytes && (!history->count || ms >= RATE_MS))
		return (sent - history->began.sent_bytes) * 1000 / ms;
	return move->passes && !history->count ? passes_bytes_per_s(move->passes) : 0;
}

static enum converge_wish wish_of(const struct move *move)
{
	if (move->facts.forced)
		return CONVERGE_WISH_NONE; /* there is no more to be done */
	if (move->facts.finish_forced)
		return CONVERGE_WISH_FORCE;
	return move->facts.finish_wanted ? CONVERGE_WISH_END : CONVERGE_WISH_NONE;
}

static struct converge_basis basis_of(const struct move *move)
{
	const struct policy *policy = &move->policy;
	const struct move_converge *converge = &move->converge;
	bool is_seen = policy->observe;

	return (struct converge_basis){
		.history = &converge->history,
		.policy = policy,
		.downtime_limit_ms = move->options.downtime_limit_ms,
		.bandwidth_bytes_per_s = move_limit_bytes_per_s(move),
		.deadline_ms = policy_deadline_ms(policy, bytes_of(move)),
		.can_throttle = is_seen || transfer_plan_has(move->plan, "auto-converge"),
		.can_postcopy = is_seen || transfer_plan_has_postcopy(move->plan),
		.raised_ms = is_seen ? converge->seen_raised_ms : move->facts.downtime_raised_ms,
		.raised_at_ms = converge->raised_at_ms,
		.throttle_percent =
			is_seen ? converge->seen_throttle_percent : move->facts.throttle_percent,
		.throttled_at_ms = converge->throttled_at_ms,
		.left_bytes = move->ram.info.ram_remaining_bytes,
		.sent_bytes_per_s = sent_bytes_per_s(move),
		.wish = wish_of(move),
	};
}

struct converge_rest move_converge_rest(const struct move *move)
{
	struct converge_basis basis = basis_of(move);

	return converge_rest(&basis, now_ms(move));
}

uint64_t move_converge_end_limit_ms(const struct move *move)
{
	struct converge_basis basis = basis_of(move);

	return converge_end_limit_ms(&basis);
}

uint64_t move_converge_deadline_ms(const struct move *move)
{
	uint64_t deadline_ms = policy_deadline_ms(&move->policy, bytes_of(move));

	if (move->side != MOVE_SRC || move->machine.state != MOVE_STATE_TRANSFER ||
	    move->policy.observe || move->converge.is_over)
		return 0;
	return deadline_ms > now_ms(move) ? deadline_ms - now_ms(move) : 0;
}

/* ---- what QEMU is told ------------------------------------------------------------ */

static uint64_t limit_ms(const struct move *move)
{
	struct converge_basis basis = basis_of(move);

	if (move->facts.forced)
		return CONVERGE_LIMIT_MAX_MS;
	if (basis.policy->observe)
		return move->options.downtime_limit_ms;
	return converge_limit_ms(&basis, now_ms(move));
}

/* QEMU keeps what an earlier move has set, so a user who asks for auto_converge gets QEMU's own
 * values; the plan has the rest of them. */
static void add_throttle(const struct move *move, struct json_object *args)
{
	uint64_t percent = move->facts.throttle_percent;
	bool is_ours = percent || (move->policy.throttle_max_percent && !move->policy.observe);

	if (!transfer_plan_has(move->plan, "auto-converge"))
		return;
	json_add_uint(args, THROTTLE_INCREMENT, is_ours ? 99 : 10);
	json_add_uint(args, THROTTLE_TRIGGER, is_ours && percent ? 1 : 50);
	if (!is_ours)
		return;
	json_add_uint(args, THROTTLE_INITIAL, percent ? percent : 1);
	json_add_uint(args, THROTTLE_MAX, percent ? percent : 1);
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What QEMU is told of the rate while the guest stands still, if bitmaps go: as the last move to the
 * host got it, or this one, if that was more. */
static uint64_t told_rate(const struct move *move)
{
	return most(transfer_plan_number(move->plan, TRANSFER_SWITCHOVER_BANDWIDTH),
		    move->passes ? passes_top_bytes_per_s(move->passes) : 0);
}

/* QEMU reckons with the rate that it is told.  If the link is slower now, the guest's stop would take
 * longer than LIMIT_MS.  A move that is limited or held shows nothing of the link. */
static uint64_t limit_at_rate(const struct move *move, uint64_t limit_ms, uint64_t rate)
{
	uint64_t seen = move->passes ? passes_top_bytes_per_s(move->passes) : 0;

	if (move->facts.forced || move->options.bandwidth_bytes_per_s || move->options.has_hold)
		return limit_ms;
	if (!move->passes || move->passes->count < 2)
		return least(limit_ms, converge_first_limit_ms(move->options.downtime_limit_ms));
	if (!seen || !rate)
		return limit_ms; /* no pass took long */
	return most((uint64_t)((double)limit_ms * (double)seen / (double)rate), 1);
}

/* QEMU counts bitmaps as eight times what they are, beside memory, until the guest stands still. It
 * is allowed that much more, so that neither they nor a limit that is lowered meanwhile keep the
 * guest from its stop. */
static uint64_t told_limit_ms(const struct move *move)
{
	uint64_t ms = limit_ms(move), rate;

	if (!move->facts.bitmap_bytes)
		return ms;
	rate = told_rate(move);
	ms = limit_at_rate(move, ms, rate);
	return least(ms + least(transfer_bitmaps_ms(move->facts.bitmap_bytes, rate),
				CONVERGE_LIMIT_MAX_MS),
		     CONVERGE_LIMIT_MAX_MS);
}

void move_converge_add_parameters(struct move *move, struct json_object *args)
{
	move->converge.limit_ms = told_limit_ms(move);
	json_add_uint(args, "downtime-limit",
		      move->facts.limit_lifted ? SWITCH_LIMIT_MS : move->converge.limit_ms);
	if (move->facts.bitmap_bytes && !move->facts.limit_lifted)
		json_add_uint(args, TRANSFER_SWITCHOVER_BANDWIDTH, told_rate(move));
	add_throttle(move, args);
}

uint64_t move_converge_stop_ms(const struct move *move)
{
	uint64_t ms = move->options.downtime_limit_ms;

	if (move->facts.downtime_raised_ms > ms)
		ms = move->facts.downtime_raised_ms;
	return move->facts.rest_ms > ms ? move->facts.rest_ms : ms;
}

/* ---- decisions ------------------------------------------------------------------------ */

static void set_limit(struct move *move, const struct converge_decision *decision)
{
	move->facts.downtime_raised_ms = decision->value;
}

static void slow_down(struct move *move, const struct converge_decision *decision)
{
	move->facts.throttle_percent = decision->value;
}

static void go_over(struct move *move, const struct converge_decision *decision)
{
	(void)decision;
	move->facts.switch_wanted = true;
}

static void note_rest(struct move *move, const struct converge_decision *decision)
{
	uint64_t ms = decision->rest_ms < CONVERGE_LIMIT_MAX_MS
			      ? decision->rest_ms * REST_FACTOR + REST_MORE_MS
			      : CONVERGE_LIMIT_MAX_MS;

	move->facts.rest_ms = ms < CONVERGE_LIMIT_MAX_MS ? ms : CONVERGE_LIMIT_MAX_MS;
}

static void force(struct move *move, const struct converge_decision *decision)
{
	note_rest(move, decision);
	move->facts.forced = true;
	move_share_follow(move);
}

static void cancel(struct move *move, const struct converge_decision *decision)
{
	err_set(&move->error, ERR_TIMEOUT, "%s", decision->why);
	if (transfer_plan_has_disks(move->plan) || !move->ram.may_have_begun)
		move_roll_back(move, &move->error);
	else
		move_ram_cancel(move);
}

/* What is done of a decision; after the last ones there is nothing more to decide. */
static const struct {
	void (*carry_out)(struct move *move, const struct converge_decision *decision);
	bool is_last;
} rows[CONVERGE_ACTION_COUNT] = {
	[CONVERGE_LIMIT] = { set_limit, false }, [CONVERGE_THROTTLE] = { slow_down, false },
	[CONVERGE_POSTCOPY] = { go_over, true }, [CONVERGE_FORCE] = { force, true },
	[CONVERGE_CANCEL] = { cancel, true },
};

static void remember(struct move *move, const struct converge_decision *decision)
{
	struct move_converge *converge = &move->converge;

	converge->is_over = converge->is_over || rows[decision->action].is_last;
	if (decision->action == CONVERGE_LIMIT) {
		converge->raised_at_ms = now_ms(move);
		converge->seen_raised_ms = decision->value;
	} else if (decision->action == CONVERGE_THROTTLE) {
		converge->throttled_at_ms = now_ms(move);
		converge->seen_throttle_percent = decision->value;
	}
}

/* The pass that runs shows what was decided; its figures tell why. */
static void note_in_pass(struct move *move, const char *how,
			 const struct converge_decision *decision)
{
	char text[MOVE_DECISION_SIZE];

	snprintf(text, sizeof(text), "%s%.*s", how, DECISION_WORDS(decision), decision->why);
	if (move->passes)
		passes_decide(move->passes, text);
}

static void observe(struct move *move, const struct converge_decision *decision)
{
	move->facts.observed++;
	note_in_pass(move, MOVE_NOT_DECIDED, decision);
	move_note(move, "would-have-decided", "policy '%s' would have decided (%s): %s",
		  move->policy.name, converge_action_names[decision->action], decision->why);
}

static void carry_out(struct move *move, const struct converge_decision *decision)
{
	const char *name = converge_action_names[decision->action];

	note_in_pass(move, decision->is_wish ? MOVE_DECIDED_BY_USER : "", decision);
	if (decision->is_wish)
		move_note(move, "granted", "a user asked for the end (%s): %s", name,
			  decision->why);
	else
		move_note(move, "decided", "policy '%s' decided (%s): %s", move->policy.name, name,
			  decision->why);
	log_info("move", decision->is_wish ? "finish" : "policy",
		 "move=%s vm=%s policy=%s action=%s value=%llu", move->row.id, move->row.vm_name,
		 move->policy.name, name, (unsigned long long)decision->value);
	rows[decision->action].carry_out(move, decision);
}

/* After a restart QEMU is asked first: it may be at the end, and what is left is not known. */
static bool is_heard(const struct move *move)
{
	return !move_ram_has_started(move) || move->ram.state != QMP_MIG_UNKNOWN;
}

static bool may_decide(const struct move *move)
{
	return move->side == MOVE_SRC && is_heard(move) &&
	       move->machine.state == MOVE_STATE_TRANSFER && !move->machine.is_saving &&
	       !move->facts.stopped && !move->facts.cancel_requested && !move->facts.cancel_sent &&
	       !move->facts.switch_wanted && !move->facts.saw_stop && !err_is_set(&move->error);
}

/* Both coordinators are there: QEMU stops a guest by itself once it is forced to (move/lease.c). */
static bool may_end(const struct move *move)
{
	return !move->facts.lease_held && !move_src_link_is_lost(move);
}

/* What can be done now for a user who wants the end. */
static struct converge_decision granted(const struct move *move)
{
	struct converge_basis basis = basis_of(move);
	struct converge_decision decision = converge_grant(&basis, now_ms(move));

	if (!move_ram_has_started(move) || (decision.action == CONVERGE_FORCE && !may_end(move)))
		return (struct converge_decision){ 0 };
	return decision;
}

/* A user's wish comes first; after the last decision of the policy it is all that may come. */
static struct converge_decision next_decision(const struct move *move)
{
	struct converge_decision decision = granted(move);
	struct converge_basis basis = basis_of(move);

	if (decision.action == CONVERGE_NONE && !move->converge.is_over)
		decision = converge_decide(&basis, now_ms(move));
	return decision;
}

/* True: something was decided. */
static bool decide_once(struct move *move)
{
	struct converge_decision decision;
	bool only_says;

	if (!may_decide(move))
		return false;
	decision = next_decision(move);
	only_says = move->policy.observe && !decision.is_wish;
	if (decision.action == CONVERGE_NONE ||
	    (decision.action == CONVERGE_FORCE && !only_says && !may_end(move)))
		return false;
	remember(move, &decision);
	if (only_says)
		observe(move, &decision);
	else
		carry_out(move, &decision);
	return true;
}

/* What QEMU is told does not wait for the record.  Post-copy is in that of the next state, which
 * carries it out. */
static void decide(struct move *move, int max)
{
	bool has_decided = false;

	for (int i = 0; i < max && decide_once(move); i++)
		has_decided = true;
	if (move->machine.state != MOVE_STATE_TRANSFER || move->machine.is_saving)
		return;
	if (told_limit_ms(move) != move->converge.limit_ms || has_decided)
		move_src_apply_options(move);
	if (has_decided && !move->facts.switch_wanted)
		machine_save(&move->machine);
}

void move_converge_note(struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	const struct converge_look look = {
		.at_ms = now_ms(move),
		.sent_bytes = info->ram_transferred_bytes,
		.visited_bytes = info->ram_visited_bytes,
		.left_bytes = info->ram_remaining_bytes,
		.dirty_bytes_per_s = info->ram_dirty_pages_per_s * info->ram_page_bytes,
		.throttle_percent = info->throttle_percent,
	};

	if (move->side != MOVE_SRC || move->machine.state != MOVE_STATE_TRANSFER ||
	    info->state != QMP_MIG_ACTIVE || info->ram_passes == move->converge.pass)
		return;
	move->converge.pass = info->ram_passes;
	if (converge_history_add(&move->converge.history, &look))
		decide(move, DECISIONS_MAX);
}

/* True: it is held before memory. */
static bool note_hold(struct move *move)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t since_us =
		move->stamps[move->stamps[MOVE_STAMP_HELD] ? MOVE_STAMP_HELD : MOVE_STAMP_TOLD];

	if (!move_is_held(move) && !move_waits_for_parties(move))
		return false;
	move->facts.hold_took_ms = now_us > since_us ? (now_us - since_us) / 1000 : 0;
	return true;
}

/* While disks are copied and memory has not begun, only a cancel helps. */
void move_converge_step(struct move *move)
{
	const struct policy *policy = &move->policy;
	uint64_t deadline_ms = policy_deadline_ms(policy, bytes_of(move));

	if (granted(move).action != CONVERGE_NONE)
		decide(move, 1); /* a wish waits for no pass; what the policy says does */
	else if (!note_hold(move) && deadline_ms && now_ms(move) >= deadline_ms &&
		 (move_ram_has_started(move) || policy->timeout == POLICY_TIMEOUT_CANCEL))
		decide(move, DECISIONS_MAX);
}
