/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What policies decide in real moves that were recorded (tests/bench/record_history).  A replay
 * does what move/src_converge.c does, but no decision changes what comes: a recorded guest does
 * not become slower. */
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
	{ "idle", "default", "" },
	{ "idle", "must-complete", "" },
	{ "idle", "suspend", "" },
	{ "idle", "fast", "" },
	{ "steady-25", "default", "6106 whole" },
	{ "steady-25", "must-complete", "6106 whole" },
	{ "steady-25", "suspend", "6106 whole" },
	{ "steady-25", "fast", "6106 whole" },
	{ "steady-50", "default", "" },
	{ "steady-50", "must-complete", "" },
	{ "steady-50", "suspend", "" },
	{ "steady-50", "fast", "" },
	{ "steady-80", "default", "17807 whole" },
	{ "steady-80", "must-complete", "17807 whole" },
	{ "steady-80", "suspend", "17807 whole" },
	{ "steady-80", "fast", "17807 whole" },
	{ "steady-120", "default", "270000 cancel" },
	{ "steady-120", "must-complete",
	  "13567 throttle 30; 22253 throttle 60; 31203 throttle 80; 40160 postcopy" },
	{ "steady-120", "suspend", "13567 limit 4628; 22253 pause" },
	{ "steady-120", "fast",
	  "13567 throttle 30; 22253 throttle 60; 31203 limit 1000; 45000 cancel" },
	{ "saw-tooth", "default", "7260 whole" },
	{ "saw-tooth", "must-complete", "7260 whole" },
	{ "saw-tooth", "suspend", "7260 whole" },
	{ "saw-tooth", "fast", "7260 whole" },
	{ "bursty", "default", "" },
	{ "bursty", "must-complete", "17168 throttle 30" },
	{ "bursty", "suspend", "17168 pause" },
	{ "bursty", "fast", "17168 throttle 30" },
	{ "link-drops", "default", "270000 cancel" },
	{ "link-drops", "must-complete", "63835 postcopy" },
	{ "link-drops", "suspend", "20423 pause" },
	{ "link-drops", "fast", "63835 cancel" },
	{ "disks", "default", "14401 whole" },
	{ "disks", "must-complete", "14401 whole" },
	{ "disks", "suspend", "14401 whole" },
	{ "disks", "fast", "14401 whole" },
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
		state->now_ms = look.at_ms;
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
	if (!has_ended && state.now_ms < state.basis.deadline_ms) {
		state.now_ms = state.basis.deadline_ms;
		decide(&state);
	}
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
