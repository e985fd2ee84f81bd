/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is true of each decision, whatever the guest, the link and the policy do: random guests are
 * sent over random links under random policies by a simple QEMU, which is told what
 * move/src_converge.c would tell it. */
#include <string.h>

#include "check_main.h"
#include "converge/converge.h"

#define MIB(n)        ((uint64_t)(n) << 20)
#define MOVES         4000
#define STEP_MS       50
#define DECISIONS_MAX 4
/* So long a move without a deadline is looked at. */
#define HORIZON_MS 200000
/* QEMU throttles when it has looked twice, at least so long apart. */
#define THROTTLE_LOOK_MS 1000
#define LOOK_OFTEN_MS    100
#define FORCED_MS        1000

/* ---- chance ---------------------------------------------------------------------- */

static uint64_t chance;

static uint64_t next(uint64_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance % below;
}

static uint64_t between(uint64_t low, uint64_t high)
{
	return low + next(high - low + 1);
}

static bool in_percent(unsigned percent)
{
	return next(100) < percent;
}

/* ---- a guest and its link ------------------------------------------------------------ */

/* A rate over time. */
struct pace {
	enum { STEADY, SAW_TOOTH, BURSTY, DROPS, PACE_COUNT } shape;
	uint64_t bytes_per_s, period_ms, drop_at_ms;
};

static struct pace random_pace(uint64_t high)
{
	return (struct pace){ .shape = (int)next(PACE_COUNT),
			      .bytes_per_s = between(0, high),
			      .period_ms = between(500, 30000),
			      .drop_at_ms = between(0, 60000) };
}

static uint64_t rate_at(const struct pace *pace, uint64_t at_ms)
{
	uint64_t phase_ms = at_ms % pace->period_ms;

	if (pace->shape == SAW_TOOTH)
		return pace->bytes_per_s * 2 * phase_ms / pace->period_ms;
	if (pace->shape == BURSTY)
		return phase_ms < pace->period_ms / 3 ? pace->bytes_per_s * 3 : 0;
	if (pace->shape == DROPS && at_ms >= pace->drop_at_ms)
		return pace->bytes_per_s / 10;
	return pace->bytes_per_s;
}

struct world {
	struct pace link, guest;
	uint64_t memory, set; /* bytes; the guest changes the same SET again and again */
	bool looks_often;     /* as 11.1 does when post-copy is allowed */
	bool slows_down;      /* this QEMU comes to throttle */
};

static struct world random_world(void)
{
	struct world world = { .link = random_pace(MIB(1200)),
			       .guest = random_pace(MIB(1200)),
			       .memory = MIB(between(64, 4096)),
			       .looks_often = in_percent(30),
			       .slows_down = in_percent(90) };

	world.link.bytes_per_s += MIB(20);
	if (world.link.shape == BURSTY)
		world.link.shape = STEADY;
	world.set = in_percent(50) ? world.memory : between(MIB(1), world.memory);
	return world;
}

static struct policy random_policy(void)
{
	const struct policy *built_in = &policy_built_in[next(policy_built_in_count)];
	struct policy policy = { .name = "p" };

	if (in_percent(50))
		return *built_in;
	policy.downtime_ceiling_ms = in_percent(60) ? between(1, 20000) : 0;
	policy.throttle_max_percent = in_percent(60) ? between(1, 99) : 0;
	policy.postcopy = (int)next(POLICY_POSTCOPY_FIRST_PASS + 1);
	policy.deadline_s = in_percent(80) ? between(1, 120) : 0;
	policy.timeout =
		policy.deadline_s ? (int)next(POLICY_TIMEOUT_PAUSE + 1) : POLICY_TIMEOUT_CANCEL;
	return policy;
}

/* ---- QEMU ------------------------------------------------------------------------------ */

struct qemu {
	struct converge_look look;
	uint64_t changed;  /* since it looked last */
	uint64_t limit_ms; /* as it was told */
	uint64_t throttle_max, throttle_at_ms;
	unsigned throttle_looks;
	uint64_t looked_ms;
	bool has_ended;
};

/* ---- one move --------------------------------------------------------------------------- */

static struct world world;
static struct policy policy;
static struct converge_history history;
static struct converge_basis basis;
static struct qemu qemu;
static struct {
	enum converge_action last; /* of those that are the last */
	uint64_t at_ms;
	unsigned escalations; /* since a pass ended */
	uint64_t seed;
} told;

#define CHECK(what_)                                                                    \
	ck_assert_msg(what_, "move %llu at %llu ms: %s", (unsigned long long)told.seed, \
		      (unsigned long long)qemu.look.at_ms, #what_)

static void check_limit(uint64_t ms)
{
	CHECK(ms > basis.downtime_limit_ms);
	CHECK(ms > basis.raised_ms);
	CHECK(ms <= policy.downtime_ceiling_ms);
}

static void check_throttle(uint64_t percent)
{
	CHECK(basis.can_throttle);
	CHECK(percent > basis.throttle_percent);
	CHECK(percent <= policy.throttle_max_percent);
}

/* Of what ends a transfer. */
static void check_last(const struct converge_decision *decision)
{
	uint64_t now_ms = qemu.look.at_ms;
	bool is_late = basis.deadline_ms && now_ms >= basis.deadline_ms;
	bool is_nearly = basis.deadline_ms && now_ms >= basis.deadline_ms * 80 / 100;

	if (decision->action == CONVERGE_POSTCOPY) {
		CHECK(basis.can_postcopy);
		CHECK(is_late || policy.postcopy == POLICY_POSTCOPY_IF_NEEDED);
	} else if (decision->action == CONVERGE_FORCE) {
		CHECK(is_nearly && (policy.timeout == POLICY_TIMEOUT_FORCE ||
				    policy.timeout == POLICY_TIMEOUT_PAUSE));
	} else {
		CHECK(decision->action == CONVERGE_CANCEL && is_late);
		CHECK(policy.timeout == POLICY_TIMEOUT_CANCEL ||
		      (policy.timeout == POLICY_TIMEOUT_POSTCOPY && !basis.can_postcopy));
	}
}

static void check_decision(const struct converge_decision *decision)
{
	struct converge_decision again = converge_decide(&basis, qemu.look.at_ms);

	CHECK(memcmp(&again, decision, sizeof(again)) == 0);
	CHECK(decision->why[0] && strlen(decision->why) < CONVERGE_WHY_SIZE - 1);
	if (decision->action == CONVERGE_LIMIT)
		check_limit(decision->value);
	else if (decision->action == CONVERGE_THROTTLE)
		check_throttle(decision->value);
	else
		check_last(decision);
	/* The deadline waits for nothing; all else is one at a time. */
	if (!basis.deadline_ms || qemu.look.at_ms < basis.deadline_ms)
		CHECK(told.escalations++ == 0);
}

static void take(const struct converge_decision *decision)
{
	if (decision->action == CONVERGE_LIMIT) {
		basis.raised_ms = decision->value;
		basis.raised_at_ms = qemu.look.at_ms;
	} else if (decision->action == CONVERGE_THROTTLE) {
		basis.throttle_percent = decision->value;
		basis.throttled_at_ms = qemu.look.at_ms;
		qemu.throttle_max = decision->value;
	} else {
		told.last = decision->action;
		told.at_ms = qemu.look.at_ms;
	}
}

static uint64_t most_allowed_ms(void)
{
	uint64_t ms = basis.downtime_limit_ms;

	return basis.raised_ms > ms ? basis.raised_ms : ms;
}

static void tell_limit(void)
{
	qemu.limit_ms = converge_limit_ms(&basis, qemu.look.at_ms);
	CHECK(qemu.limit_ms >= 1 && qemu.limit_ms <= most_allowed_ms());
	CHECK(!basis.raised_ms || qemu.limit_ms == most_allowed_ms());
	if (told.last == CONVERGE_FORCE)
		qemu.limit_ms = CONVERGE_LIMIT_MAX_MS;
}

static void decide(void)
{
	struct converge_decision decision;

	for (int i = 0; i <= DECISIONS_MAX && !told.last; i++) {
		decision = converge_decide(&basis, qemu.look.at_ms);
		if (decision.action == CONVERGE_NONE)
			break;
		CHECK(i < DECISIONS_MAX);
		check_decision(&decision);
		take(&decision);
	}
	tell_limit();
}

/* ---- QEMU sends ----------------------------------------------------------------------------- */

static void slow_down(void)
{
	if (qemu.look.at_ms - qemu.throttle_at_ms < THROTTLE_LOOK_MS)
		return;
	qemu.throttle_at_ms = qemu.look.at_ms;
	if (!world.slows_down || !qemu.throttle_max || !qemu.changed || ++qemu.throttle_looks < 2)
		return;
	qemu.throttle_looks = 0;
	qemu.look.throttle_percent = (unsigned)qemu.throttle_max;
}

/* Looks at what the guest has changed. */
static void look(void)
{
	uint64_t ms = qemu.look.at_ms - qemu.looked_ms;

	if (ms)
		qemu.look.dirty_bytes_per_s = qemu.changed * 1000 / ms;
	slow_down();
	qemu.look.left_bytes += qemu.changed;
	if (qemu.look.left_bytes > world.memory)
		qemu.look.left_bytes = world.memory;
	qemu.changed = 0;
	qemu.looked_ms = qemu.look.at_ms;
	if (!converge_history_add(&history, &qemu.look))
		return;
	told.escalations = 0;
	decide();
}

static void send_step(void)
{
	uint64_t link = rate_at(&world.link, qemu.look.at_ms);
	uint64_t guest =
		rate_at(&world.guest, qemu.look.at_ms) * (100 - qemu.look.throttle_percent) / 100;
	uint64_t bytes = link * STEP_MS / 1000;
	double room = 1 - (double)qemu.changed / (double)world.set;

	if (bytes > qemu.look.left_bytes)
		bytes = qemu.look.left_bytes;
	qemu.look.left_bytes -= bytes;
	qemu.look.sent_bytes += bytes;
	qemu.look.visited_bytes += bytes;
	qemu.look.at_ms += STEP_MS;
	if (room > 0)
		qemu.changed += (uint64_t)((double)guest * STEP_MS / 1000 * room);
}

static bool fits(void)
{
	uint64_t link = rate_at(&world.link, qemu.look.at_ms);

	return (double)qemu.look.left_bytes * 1000 <= (double)link * (double)qemu.limit_ms;
}

static void step(void)
{
	send_step();
	if (fits() || (world.looks_often && qemu.look.at_ms - qemu.looked_ms >= LOOK_OFTEN_MS))
		look();
	if (!told.last && basis.deadline_ms && qemu.look.at_ms >= basis.deadline_ms)
		decide(); /* as move_converge_step() */
	qemu.has_ended = fits() && !qemu.changed;
}

/* QEMU ends it when it looks next; it does so all the time, unless nothing is sent. */
static void end_of_forced(void)
{
	uint64_t until_ms = told.at_ms + FORCED_MS;

	while (!qemu.has_ended) {
		step();
		CHECK(qemu.look.at_ms <= until_ms);
	}
}

static void move(uint64_t seed)
{
	chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world = random_world();
	policy = random_policy();
	memset(&history, 0, sizeof(history));
	memset(&qemu, 0, sizeof(qemu));
	memset(&told, 0, sizeof(told));
	told.seed = seed;
	basis = (struct converge_basis){
		.history = &history,
		.policy = &policy,
		.downtime_limit_ms = between(1, in_percent(90) ? 2000 : 30000),
		.deadline_ms = policy_deadline_ms(&policy, world.memory),
		.bandwidth_bytes_per_s = in_percent(30) ? world.link.bytes_per_s : 0,
		.can_throttle = policy.throttle_max_percent && in_percent(80),
		.can_postcopy = policy.postcopy != POLICY_POSTCOPY_NEVER && in_percent(80),
	};
	qemu.look.left_bytes = world.memory;
	tell_limit();
	converge_history_add(&history, &qemu.look);
	while (!qemu.has_ended && !told.last && qemu.look.at_ms < HORIZON_MS)
		step();
}

static unsigned counts[CONVERGE_ACTION_COUNT], ends;

START_TEST(decisions_keep_to_their_bounds)
{
	for (uint64_t seed = 1; seed <= MOVES; seed++) {
		move(seed);
		ends += qemu.has_ended;
		counts[told.last]++;
		counts[CONVERGE_LIMIT] += basis.raised_ms > 0;
		counts[CONVERGE_THROTTLE] += basis.throttle_percent > 0;
		/* What may not go on for ever comes to an end. */
		if (basis.deadline_ms && basis.deadline_ms < HORIZON_MS)
			CHECK(qemu.has_ended || told.last);
		if (told.last)
			CHECK(!basis.deadline_ms || told.at_ms < basis.deadline_ms + 2 * STEP_MS);
		if (told.last == CONVERGE_FORCE)
			end_of_forced();
	}
	/* All of it was there. */
	for (int action = CONVERGE_LIMIT; action < CONVERGE_ACTION_COUNT; action++)
		ck_assert_msg(counts[action] > MOVES / 100, "%s: %u", converge_action_names[action],
			      counts[action]);
	ck_assert_uint_gt(ends, MOVES / 10);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("converge_random");
	TCase *tc = tcase_create("converge_random");

	tcase_add_test(tc, decisions_keep_to_their_bounds);
	suite_add_tcase(s, tc);
	return s;
}
