/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue/expect.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "queue/pick.h"

/* What is left of a move at its end, by rounding. */
#define LITTLE_S     1e-6
#define LITTLE_BYTES 1e-3

struct playing_move {
	double beside_s, held_s, bytes, rate; /* left; bytes a second */
	bool is_begun;
};

struct playing {
	const struct expect_host *host;
	const struct expect_lane *lanes;
	struct expect_move *list;
	struct playing_move *state; /* of each of LIST */
	size_t count;
	size_t *active, active_count; /* indexes into LIST */
	unsigned setting_up;
	size_t first; /* none before it waits */
	struct playing_lane {
		unsigned transfers;
		size_t waiting;
		double rest;   /* bytes a second that are not given out yet, */
		unsigned left; /* to so many */
	} * of;                /* each lane */
	size_t lane_count;
	double now_s;
};

static bool is_set_up(const struct playing *playing, size_t at)
{
	return playing->state[at].beside_s <= LITTLE_S;
}

static bool is_sending(const struct playing *playing, size_t at)
{
	return is_set_up(playing, at) && playing->state[at].held_s <= LITTLE_S;
}

static void begin(struct playing *playing, size_t at)
{
	playing->state[at].is_begun = true;
	playing->list[at].start_s = playing->now_s;
	playing->active[playing->active_count++] = at;
	playing->of[playing->list[at].lane].waiting--;
	playing->setting_up += !is_set_up(playing, at);
	playing->of[playing->list[at].lane].transfers += is_sending(playing, at);
}

static bool is_open(const struct playing *playing, size_t lane)
{
	return playing->of[lane].transfers < playing->lanes[lane].at_once;
}

static bool may_begin(const struct playing *playing)
{
	size_t lane = 0;

	while (lane < playing->lane_count && !(playing->of[lane].waiting && is_open(playing, lane)))
		lane++;
	return lane < playing->lane_count && playing->active_count < playing->host->out_max &&
	       playing->setting_up < playing->host->setups_max;
}

/* The next ones in their turn.  Returns when the first of the others may be tried again. */
static double begin_next(struct playing *playing)
{
	double next_s = INFINITY;

	while (playing->first < playing->count && playing->state[playing->first].is_begun)
		playing->first++;
	if (!may_begin(playing))
		return next_s;
	for (size_t at = playing->first; at < playing->count; at++) {
		const struct expect_move *move = &playing->list[at];

		if (playing->state[at].is_begun || !is_open(playing, move->lane))
			continue;
		if (move->not_before_s > playing->now_s) {
			next_s = fmin(next_s, move->not_before_s);
			continue;
		}
		begin(playing, at);
		if (!may_begin(playing))
			break;
	}
	return next_s;
}

/* ---- what each gets ------------------------------------------------------------------ */

/* One with less than an equal part of its lane by its own limit leaves the rest to the others,
 * whose part only becomes larger by that. */
static bool take_limit(struct playing *playing, size_t at)
{
	struct playing_lane *lane = &playing->of[playing->list[at].lane];
	double limit = playing->list[at].limit_bytes_per_s;

	if (!is_sending(playing, at) || playing->state[at].rate > 0 || limit <= 0 ||
	    limit >= lane->rest / lane->left)
		return false;
	playing->state[at].rate = limit;
	lane->rest -= limit;
	lane->left--;
	return true;
}

static void begin_to_share(struct playing *playing)
{
	for (size_t i = 0; i < playing->active_count; i++) {
		struct playing_lane *lane = &playing->of[playing->list[playing->active[i]].lane];

		lane->rest = playing->lanes[playing->list[playing->active[i]].lane].bytes_per_s;
		lane->left = lane->transfers;
		playing->state[playing->active[i]].rate = 0;
	}
}

static void share(struct playing *playing)
{
	double budget = playing->host->budget_bytes_per_s, sum = 0;
	bool is_fixed = true;

	begin_to_share(playing);
	while (is_fixed) {
		is_fixed = false;
		for (size_t i = 0; i < playing->active_count; i++)
			is_fixed = take_limit(playing, playing->active[i]) || is_fixed;
	}
	for (size_t i = 0; i < playing->active_count; i++) {
		size_t at = playing->active[i];
		const struct playing_lane *lane = &playing->of[playing->list[at].lane];

		if (is_sending(playing, at) && playing->state[at].rate <= 0)
			playing->state[at].rate = lane->rest / lane->left;
		sum += playing->state[at].rate;
	}
	for (size_t i = 0; budget > 0 && sum > budget && i < playing->active_count; i++)
		playing->state[playing->active[i]].rate *= budget / sum;
}

/* ---- from one moment to the next --------------------------------------------------------- */

static double time_left(const struct playing *playing, size_t at)
{
	const struct playing_move *state = &playing->state[at];

	if (!is_set_up(playing, at))
		return state->beside_s;
	if (!is_sending(playing, at))
		return state->held_s;
	return state->bytes > LITTLE_BYTES ? state->bytes / state->rate : 0;
}

/* Until the first of those under way changes, or UNTIL_S. */
static double step_s(const struct playing *playing, double until_s)
{
	double step = until_s - playing->now_s;

	for (size_t i = 0; i < playing->active_count; i++)
		step = fmin(step, time_left(playing, playing->active[i]));
	return fmax(step, 0);
}

static void go_on(struct playing *playing, size_t at, double seconds)
{
	struct playing_move *state = &playing->state[at];

	if (is_sending(playing, at)) {
		state->bytes -= state->rate * seconds;
		return;
	}
	if (is_set_up(playing, at)) {
		state->held_s -= seconds;
	} else {
		state->beside_s -= seconds;
		playing->setting_up -= is_set_up(playing, at);
	}
	playing->of[playing->list[at].lane].transfers += is_sending(playing, at);
}

static bool has_ended(const struct playing *playing, size_t at)
{
	const struct playing_move *state = &playing->state[at];

	return is_sending(playing, at) &&
	       (state->bytes <= LITTLE_BYTES ||
		(state->rate > 0 && state->bytes / state->rate <= LITTLE_S));
}

static void advance(struct playing *playing, double seconds)
{
	size_t kept = 0;

	playing->now_s += seconds;
	for (size_t i = 0; i < playing->active_count; i++)
		go_on(playing, playing->active[i], seconds);
	for (size_t i = 0; i < playing->active_count; i++) {
		size_t at = playing->active[i];

		if (!has_ended(playing, at)) {
			playing->active[kept++] = at;
			continue;
		}
		playing->list[at].end_s = playing->now_s;
		playing->of[playing->list[at].lane].transfers--;
	}
	playing->active_count = kept;
}

static size_t lane_count(const struct expect_move *list, size_t count)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		most = list[i].lane > most ? list[i].lane : most;
	return most + 1;
}

void expect_play(const struct expect_host *host, const struct expect_lane *lanes,
		 struct expect_move *list, size_t count, size_t begun)
{
	struct playing playing = {
		.host = host,
		.lanes = lanes,
		.list = list,
		.count = count,
		.state = xcalloc(count + 1, sizeof(struct playing_move)),
		.active = xcalloc(count + 1, sizeof(size_t)),
		.lane_count = lane_count(list, count),
	};
	double next_s;

	playing.of = xcalloc(playing.lane_count, sizeof(*playing.of));
	for (size_t i = 0; i < count; i++) {
		playing.state[i].beside_s = list[i].beside_s;
		playing.state[i].held_s = list[i].held_s;
		playing.state[i].bytes = list[i].bytes;
		playing.of[list[i].lane].waiting++;
	}
	for (size_t i = 0; i < begun; i++)
		begin(&playing, i);
	while (next_s = begin_next(&playing), playing.active_count || isfinite(next_s)) {
		share(&playing);
		advance(&playing, step_s(&playing, next_s));
	}
	free(playing.state);
	free(playing.active);
	free(playing.of);
}
