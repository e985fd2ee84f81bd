/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What policies decide in real moves that were recorded (tests/bench/record_history), with each
 * QEMU; of those named `armed' QEMU was told before what a policy may need, and 11.1 looks ten
 * times a second then.  The host of 10.0 and 11.1 was busy, so that their guests are slower at
 * times.  A replay does what move/src_converge.c does, but no decision changes what comes: a
 * recorded guest does not become slower. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "check_main.h"
#include "converge/converge.h"

#define MEMORY_BYTES  (UINT64_C(512) << 20)
#define LIMIT_MS      300
#define DECISIONS_MAX 4

static const struct replay {
	const char *recording, *policy;
	/* "TIME ACTION [VALUE]; ...", times in ms; `whole' is that QEMU may use the whole limit. */
	const char *decisions;
} replays[] = {
	{ "7.2/idle", "default", "" },
	{ "7.2/idle", "must-complete", "" },
	{ "7.2/idle", "suspend", "" },
	{ "7.2/idle", "fast", "" },
	{ "7.2/steady-25", "default", "" },
	{ "7.2/steady-25", "must-complete", "" },
	{ "7.2/steady-25", "suspend", "" },
	{ "7.2/steady-25", "fast", "" },
	{ "7.2/steady-50", "default", "" },
	{ "7.2/steady-50", "must-complete", "" },
	{ "7.2/steady-50", "suspend", "" },
	{ "7.2/steady-50", "fast", "" },
	{ "7.2/steady-80", "default", "17912 whole" },
	{ "7.2/steady-80", "must-complete", "17912 whole" },
	{ "7.2/steady-80", "suspend", "17912 whole" },
	{ "7.2/steady-80", "fast", "17912 whole" },
	{ "7.2/steady-120", "default", "270000 cancel" },
	{ "7.2/steady-120", "must-complete",
	  "13567 throttle 30; 26729 throttle 60; 40000 postcopy" },
	{ "7.2/steady-120", "suspend", "13567 limit 4628; 20000 force" },
	{ "7.2/steady-120", "fast",
	  "13567 throttle 30; 26729 throttle 60; 40160 limit 1000; 45000 cancel" },
	{ "7.2/saw-tooth", "default", "7469 whole" },
	{ "7.2/saw-tooth", "must-complete", "7469 whole" },
	{ "7.2/saw-tooth", "suspend", "7469 whole" },
	{ "7.2/saw-tooth", "fast", "7469 whole" },
	{ "7.2/bursty", "default", "" },
	{ "7.2/bursty", "must-complete", "17168 throttle 30" },
	{ "7.2/bursty", "suspend", "17168 force" },
	{ "7.2/bursty", "fast", "17168 throttle 30" },
	{ "7.2/link-drops", "default", "270000 cancel" },
	{ "7.2/link-drops", "must-complete", "40000 postcopy" },
	{ "7.2/link-drops", "suspend", "20000 force" },
	{ "7.2/link-drops", "fast", "45000 cancel" },
	{ "7.2/disks", "default", "" },
	{ "7.2/disks", "must-complete", "" },
	{ "7.2/disks", "suspend", "" },
	{ "7.2/disks", "fast", "" },
	{ "7.2/armed-50", "must-complete", "" },
	{ "7.2/armed-80", "must-complete", "15129 whole" },
	{ "7.2/armed-120", "must-complete",
	  "13576 throttle 30; 27349 throttle 60; 32226 postcopy" },
	{ "7.2/armed-saw-tooth", "must-complete",
	  "10514 limit 726; 11442 limit 1152; 12444 limit 1578; 13866 limit 2000; 16226 throttle "
	  "60" },
	{ "10.0/idle", "default", "" },
	{ "10.0/idle", "must-complete", "" },
	{ "10.0/idle", "suspend", "" },
	{ "10.0/idle", "fast", "" },
	{ "10.0/steady-25", "default", "" },
	{ "10.0/steady-25", "must-complete", "" },
	{ "10.0/steady-25", "suspend", "" },
	{ "10.0/steady-25", "fast", "" },
	{ "10.0/steady-50", "default", "8815 whole" },
	{ "10.0/steady-50", "must-complete", "8815 whole" },
	{ "10.0/steady-50", "suspend", "8815 whole" },
	{ "10.0/steady-50", "fast", "8815 whole" },
	{ "10.0/steady-80", "default", "19249 whole" },
	{ "10.0/steady-80", "must-complete", "19249 whole" },
	{ "10.0/steady-80", "suspend", "19249 whole" },
	{ "10.0/steady-80", "fast", "19249 whole" },
	{ "10.0/steady-120", "default", "270000 cancel" },
	{ "10.0/steady-120", "must-complete",
	  "16357 throttle 40; 29843 throttle 60; 40000 postcopy" },
	{ "10.0/steady-120", "suspend", "16357 limit 3959; 20000 force" },
	{ "10.0/steady-120", "fast", "16357 throttle 40; 29843 throttle 60; 45000 cancel" },
	{ "10.0/saw-tooth", "default", "7294 whole" },
	{ "10.0/saw-tooth", "must-complete", "7294 whole" },
	{ "10.0/saw-tooth", "suspend", "7294 whole" },
	{ "10.0/saw-tooth", "fast", "7294 whole" },
	{ "10.0/bursty", "default", "" },
	{ "10.0/bursty", "must-complete", "13817 throttle 30" },
	{ "10.0/bursty", "suspend", "13817 limit 4924; 20000 force" },
	{ "10.0/bursty", "fast", "13817 throttle 30" },
	{ "10.0/link-drops", "default", "270000 cancel" },
	{ "10.0/link-drops", "must-complete", "40000 postcopy" },
	{ "10.0/link-drops", "suspend", "20000 force" },
	{ "10.0/link-drops", "fast", "45000 cancel" },
	{ "10.0/disks", "default", "" },
	{ "10.0/disks", "must-complete", "" },
	{ "10.0/disks", "suspend", "" },
	{ "10.0/disks", "fast", "" },
	{ "10.0/armed-50", "must-complete", "" },
	{ "10.0/armed-80", "must-complete", "13930 whole" },
	{ "10.0/armed-120", "must-complete",
	  "18217 throttle 30; 31693 throttle 60; 40000 postcopy" },
	{ "10.0/armed-saw-tooth", "must-complete",
	  "9668 limit 726; 10302 limit 1152; 11034 limit 1578; 11942 limit 2000; 13645 throttle "
	  "20" },
	{ "11.1/idle", "default", "" },
	{ "11.1/idle", "must-complete", "" },
	{ "11.1/idle", "suspend", "" },
	{ "11.1/idle", "fast", "" },
	{ "11.1/steady-25", "default", "5793 whole" },
	{ "11.1/steady-25", "must-complete", "5793 whole" },
	{ "11.1/steady-25", "suspend", "5793 whole" },
	{ "11.1/steady-25", "fast", "5793 whole" },
	{ "11.1/steady-50", "default", "9260 whole" },
	{ "11.1/steady-50", "must-complete", "9260 whole" },
	{ "11.1/steady-50", "suspend", "9260 whole" },
	{ "11.1/steady-50", "fast", "9260 whole" },
	{ "11.1/steady-80", "default", "19683 whole" },
	{ "11.1/steady-80", "must-complete", "19683 whole" },
	{ "11.1/steady-80", "suspend", "19683 whole; 20000 force" },
	{ "11.1/steady-80", "fast", "19683 whole" },
	{ "11.1/steady-120", "default", "" },
	{ "11.1/steady-120", "must-complete", "14079 throttle 40" },
	{ "11.1/steady-120", "suspend", "14079 limit 3472; 20000 force" },
	{ "11.1/steady-120", "fast", "14079 throttle 40" },
	{ "11.1/saw-tooth", "default", "5801 whole" },
	{ "11.1/saw-tooth", "must-complete", "5801 whole" },
	{ "11.1/saw-tooth", "suspend", "5801 whole" },
	{ "11.1/saw-tooth", "fast", "5801 whole" },
	{ "11.1/bursty", "default", "" },
	{ "11.1/bursty", "must-complete", "" },
	{ "11.1/bursty", "suspend", "20000 force" },
	{ "11.1/bursty", "fast", "" },
	{ "11.1/link-drops", "default", "270000 cancel" },
	{ "11.1/link-drops", "must-complete", "32491 postcopy" },
	{ "11.1/link-drops", "suspend", "20000 force" },
	{ "11.1/link-drops", "fast", "45000 cancel" },
	{ "11.1/disks", "default", "" },
	{ "11.1/disks", "must-complete", "" },
	{ "11.1/disks", "suspend", "" },
	{ "11.1/disks", "fast", "" },
	{ "11.1/armed-50", "must-complete", "" },
	{ "11.1/armed-80", "must-complete", "" },
	{ "11.1/armed-120", "must-complete", "6283 limit 1503; 7974 limit 1929" },
	{ "11.1/armed-saw-tooth", "must-complete", "7212 whole" },
};

struct state {
	struct converge_history history;
	struct converge_basis basis;
	uint64_t limit_ms, now_ms;
	bool is_over;
	struct strbuf text;
};

static void say(struct state *state, const char *action, uint64_t value)
{
	strbuf_addf(&state->text, "%s%llu %s", state->text.len ? "; " : "",
		    (unsigned long long)state->now_ms, action);
	if (value)
		strbuf_addf(&state->text, " %llu", (unsigned long long)value);
}

static bool decide_once(struct state *state)
{
	struct converge_decision decision;

	if (state->is_over)
		return false;
	decision = converge_decide(&state->basis, state->now_ms);
	if (decision.action == CONVERGE_NONE)
		return false;
	ck_assert(decision.why[0]);
	say(state, converge_action_names[decision.action], decision.value);
	if (decision.action == CONVERGE_LIMIT) {
		state->basis.raised_ms = decision.value;
		state->basis.raised_at_ms = state->now_ms;
	} else if (decision.action == CONVERGE_THROTTLE) {
		state->basis.throttle_percent = decision.value;
		state->basis.throttled_at_ms = state->now_ms;
	} else {
		state->is_over = true;
	}
	return true;
}

static void decide(struct state *state)
{
	uint64_t former_ms = state->limit_ms;
	int count = 0;

	while (decide_once(state))
		ck_assert_int_lt(count++, DECISIONS_MAX);
	state->limit_ms = converge_limit_ms(&state->basis, state->now_ms);
	if (state->limit_ms != former_ms && state->limit_ms == LIMIT_MS)
		say(state, "whole", 0);
}

static FILE *open_recording(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/unit/histories/%s.txt", srcdir ? srcdir : ".", name);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s cannot be opened", path);
	return file;
}

static bool read_look(const char *line, struct converge_look *ret)
{
	unsigned long long v[5];

	if (line[0] == '#')
		return false;
	ck_assert_int_eq(sscanf(line, "%llu %llu %llu %llu %llu %u", &v[0], &v[1], &v[2], &v[3],
				&v[4], &ret->throttle_percent),
			 6);
	ret->at_ms = v[0];
	ret->sent_bytes = v[1];
	ret->visited_bytes = v[2];
	ret->left_bytes = v[3];
	ret->dirty_bytes_per_s = v[4];
	return true;
}

/* It came between two looks (move_converge_step() in move/src_converge.c). */
static void pass_deadline(struct state *state, uint64_t until_ms)
{
	uint64_t deadline_ms = state->basis.deadline_ms;

	if (!deadline_ms || state->now_ms >= deadline_ms || until_ms < deadline_ms)
		return;
	state->now_ms = deadline_ms;
	decide(state);
}

/* True: that move came to its end. */
static bool play(struct state *state, const char *recording)
{
	FILE *file = open_recording(recording);
	struct converge_look look;
	bool has_ended = false;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		has_ended = has_ended || strstr(line, "it ended");
		if (!read_look(line, &look))
			continue;
		pass_deadline(state, look.at_ms);
		state->now_ms = look.at_ms;
		state->basis.left_bytes = look.left_bytes;
		if (converge_history_add(&state->history, &look))
			decide(state);
	}
	ck_assert_int_eq(fclose(file), 0);
	return has_ended;
}

static void replay(const struct replay *row)
{
	const struct policy *policy = policy_find_built_in(row->policy);
	struct state state = { 0 };
	bool has_ended;

	state.basis = (struct converge_basis){
		.history = &state.history,
		.policy = policy,
		.downtime_limit_ms = LIMIT_MS,
		.deadline_ms = policy_deadline_ms(policy, MEMORY_BYTES),
		.can_throttle = policy->throttle_max_percent > 0,
		.can_postcopy = policy->postcopy != POLICY_POSTCOPY_NEVER,
	};
	state.limit_ms = converge_limit_ms(&state.basis, 0);
	ck_assert_uint_eq(state.limit_ms, LIMIT_MS / 8);
	has_ended = play(&state, row->recording);
	if (!has_ended)
		pass_deadline(&state, UINT64_MAX);
	if (getenv("SHOW"))
		fprintf(stderr, "\t{ \"%s\", \"%s\", \"%s\" },\n", row->recording, row->policy,
			strbuf_str(&state.text));
	else
		ck_assert_msg(strcmp(strbuf_str(&state.text), row->decisions) == 0,
			      "%s under %s: \"%s\"", row->recording, row->policy,
			      strbuf_str(&state.text));
	strbuf_fini(&state.text);
}

START_TEST(recorded_move_is_decided_as_stated)
{
	replay(&replays[_i]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("converge_replay");
	TCase *tc = tcase_create("converge_replay");

	tcase_add_loop_test(tc, recorded_move_is_decided_as_stated, 0,
			    (int)(sizeof(replays) / sizeof(replays[0])));
	suite_add_tcase(s, tc);
	return s;
}
