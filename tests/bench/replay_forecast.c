/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model says now of moves that were recorded:
 *
 *     tests/bench/replay_forecast [--basis] FILE
 *
 * FILE is what `tests/bench/bench_forecast --json FILE' has written.  Each forecast is made anew of
 * what was sampled of its guest and of its options, and what earlier moves tell is learned anew of
 * those before it in FILE, on each of the two ways: so a change of the model, or of what it learns,
 * is judged without a quiet host and without a move.  The moves before the first, of which FILE has
 * only what was learned, count as two of that link and those costs.
 *
 * With --basis what earlier moves told stays as it was then: that judges the model alone, and the
 * ranges are narrower, since neither the spread of those moves nor missed forecasts are in a basis.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/mem.h"
#include "forecast/forecast.h"
#include "forecast/past.h"

#define COST_SPREAD 0.2
/* The moves before the first of FILE: a filled guest, as bench_forecast has it. */
#define FIRST_MOVES        2
#define FIRST_SENT_BYTES   2.8e8
#define FIRST_MEMORY_BYTES 4.0e8
/* A guest is moved so often; then the next is started where the first was. */
#define MOVES_OF_A_GUEST 3
#define MOVES_MAX        1000
#define MOVE_EVERY_MS    10000

static void die(const char *what, const char *why)
{
	fprintf(stderr, "replay_forecast: %s: %s\n", what, why);
	exit(1);
}

static double number(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(obj, key, &value) ? json_object_get_double(value) : 0;
}

/* ---- as it was learned then ------------------------------------------------------- */

static struct forecast_costs costs_of(const struct forecast_basis *basis, double factor)
{
	return (struct forecast_costs){
		.prepare_ms = (double)basis->prepare_ms * factor,
		.handover_ms = (double)basis->handover_ms * factor,
		.end_ms = (double)basis->end_ms * factor,
		.disk_ms = (double)basis->disk_ms * factor,
	};
}

/* What is known of the guest, and what was asked for. */
static struct forecast_input asked(struct json_object *basis_obj, struct json_object *options,
				   const struct forecast_basis *basis)
{
	struct forecast_input input = {
		.memory_bytes = basis->memory_bytes,
		.nonzero_bytes = basis->nonzero_bytes,
		.resident_bytes = basis->resident_bytes,
		.limit_bytes_per_s = (uint64_t)number(options, "bandwidth_bytes_per_s"),
		.downtime_limit_ms = (uint64_t)number(options, "downtime_limit_ms"),
		.disk_bytes = basis->disk_bytes,
		.disk_write_bytes_per_s = basis->disk_write_bytes_per_s,
	};
	const struct forecast_sample sample = {
		.short_s = (double)basis->dirty_short_ms / 1000,
		.long_s = (double)basis->dirty_long_ms / 1000,
		.short_bytes = (double)basis->dirty_short_bytes,
		.long_bytes = (double)basis->dirty_long_bytes,
	};

	if (json_object_object_get_ex(basis_obj, "dirty_short_ms", NULL))
		input.dirty = forecast_fit_dirty(&sample, (double)basis->nonzero_bytes);
	return input;
}

static void learned_then(const struct forecast_basis *basis, struct forecast_input *ret)
{
	ret->link_bytes_per_s[0] = (double)basis->link_bytes_per_s;
	ret->link_moves = basis->link_bytes_per_s > 0;
	ret->link_age_ms = basis->link_age_ms;
	ret->small_bytes[0] = (double)basis->nonzero_bytes;
	ret->small_bytes_per_s[0] = (double)basis->small_bytes_per_s;
	ret->small_moves = basis->small_bytes_per_s > 0;
	ret->zero_bytes_per_s = (double)basis->zero_bytes_per_s;
	ret->pace = (double)basis->pace_percent / 100;
	ret->disk_bytes_per_s = (double)basis->disk_bytes_per_s;
	ret->costs = costs_of(basis, 1);
	ret->costs_low = costs_of(basis, 1 - COST_SPREAD);
	ret->costs_high = costs_of(basis, 1 + COST_SPREAD);
}

/* ---- learned anew ------------------------------------------------------------------- */

/* On one of the two ways, oldest first. */
struct way {
	struct forecast_past *list;
	size_t count;
};

static double of_pass(struct json_object *passes, size_t i, const char *key)
{
	return number(json_object_array_get_idx(passes, i), key);
}

static void take_passes(struct json_object *move, struct json_object *options,
			struct forecast_past *ret)
{
	struct json_object *passes = json_object_object_get(move, "by_pass");
	size_t count =
		json_object_is_type(passes, json_type_array) ? json_object_array_length(passes) : 0;
	bool has_multifd = json_object_object_get_ex(options, "multifd", NULL);

	ret->sent_bytes = number(move, "bytes");
	for (size_t i = 0; i < count; i++) {
		double bytes =
			of_pass(passes, i, "begun_at_bytes") + of_pass(passes, i, "sent_bytes");

		ret->sent_bytes = i == 0 ? bytes : fmax(ret->sent_bytes, bytes);
	}
	ret->first_pass_bytes = ret->sent_bytes;
	if (count < 2)
		return;
	if (of_pass(passes, 0, "last") == 1 && !has_multifd)
		ret->first_pass_bytes = of_pass(passes, 0, "sent_bytes");
	if (of_pass(passes, count - 1, "first") == of_pass(passes, count - 1, "last"))
		ret->last_bytes = of_pass(passes, count - 1, "sent_bytes");
}

static struct forecast_past past_of(struct json_object *move, const struct forecast_basis *basis,
				    const struct forecast *said)
{
	struct json_object *times = json_object_object_get(move, "times");
	struct json_object *options = json_object_object_get(move, "options");
	struct forecast_past past = {
		.duration_ms = number(move, "duration_ms"),
		.prepare_ms = number(times, "created_to_prepared_ms"),
		.setup_ms = number(times, "qemu_setup_ms"),
		.sending_ms = number(times, "migrate_to_completed_ms") -
			      number(times, "qemu_setup_ms") -
			      number(times, "stopped_to_completed_ms"),
		.still_ms = number(move, "blackout_ms"),
		.end_ms = number(times, "answer_to_end_ms"),
		.memory_bytes = (double)basis->memory_bytes,
		.limit_bytes_per_s = number(options, "bandwidth_bytes_per_s"),
		.memory_was_held = number(options, "bandwidth_bytes_per_s") > 0,
		.has_disks = basis->disk_bytes > 0,
		.pace = (double)basis->pace_percent / 100,
		.said = said,
	};

	take_passes(move, options, &past);
	past.disk_bytes = fmax(number(move, "bytes") - past.sent_bytes, 0);
	if (past.has_disks)
		past.disks_ms = number(times, "prepared_to_migrate_ms");
	else
		past.prepare_ms += number(times, "prepared_to_migrate_ms");
	return past;
}

static void begin_way(const struct forecast_basis *basis, struct way *way)
{
	const double zero = FIRST_MEMORY_BYTES - FIRST_SENT_BYTES;

	way->list = xcalloc(FIRST_MOVES + MOVES_MAX, sizeof(*way->list));
	for (; way->count < FIRST_MOVES; way->count++)
		way->list[way->count] = (struct forecast_past){
			.prepare_ms = (double)basis->prepare_ms,
			.sending_ms = FIRST_SENT_BYTES * 1000 / (double)basis->link_bytes_per_s +
				      zero * 1000 / FORECAST_ZERO_BYTES_PER_S,
			.still_ms = (double)basis->handover_ms,
			.end_ms = (double)basis->end_ms,
			.memory_bytes = FIRST_MEMORY_BYTES,
			.sent_bytes = FIRST_SENT_BYTES,
			.first_pass_bytes = FIRST_SENT_BYTES,
		};
}

static void learn(struct way *way, struct forecast_input *ret)
{
	struct forecast_history history = { .sent_count = 0 };

	for (size_t i = way->count; i > 0; i--) {
		way->list[i - 1].age_ms += MOVE_EVERY_MS;
		forecast_history_add(&history, &way->list[i - 1]);
	}
	forecast_learn(&history, ret);
}

/* ---- said and true -------------------------------------------------------------------- */

struct sums {
	double misses[MOVES_MAX]; /* of the duration */
	double duration, blackout, bytes, passes;
	unsigned count, twice, in_duration, in_blackout;
};

static double missed(const struct forecast_value *said, double was)
{
	return (double)said->expected / was - 1;
}

static bool holds(const struct forecast_value *said, double was)
{
	return (double)said->low <= was && was <= (double)said->high;
}

static int compare_numbers(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void compare(struct json_object *move, const struct forecast *said, struct sums *sums)
{
	double duration = number(move, "duration_ms"), blackout = number(move, "blackout_ms");
	double bytes = number(move, "bytes"), passes = number(move, "passes"), factor;

	if (duration <= 0) {
		printf("was not made; %s\n", said->summary);
		return;
	}
	factor = exp(fabs(log(fmax((double)said->blackout_ms.expected, 1) / fmax(blackout, 1))));
	printf("duration %6.0f was %6.0f %+4.0f %%, blackout %4.0f was %4.0f, MiB %4.0f was %4.0f, "
	       "passes %2.0f was %2.0f\n",
	       (double)said->duration_ms.expected, duration,
	       100 * missed(&said->duration_ms, duration), (double)said->blackout_ms.expected,
	       blackout, (double)said->bytes.expected / (1 << 20), bytes / (1 << 20),
	       (double)said->passes.expected, passes);
	sums->misses[sums->count] = fabs(missed(&said->duration_ms, duration));
	sums->duration += sums->misses[sums->count];
	sums->blackout += log(factor);
	sums->bytes += fabs(missed(&said->bytes, bytes));
	sums->passes += fabs((double)said->passes.expected - passes);
	sums->twice += factor <= 2;
	sums->in_duration += holds(&said->duration_ms, duration);
	sums->in_blackout += holds(&said->blackout_ms, blackout);
	sums->count++;
}

/* Is it from the first host to the other?  An older file does not tell it: a guest goes to and fro,
 * and stays where it is when it is not moved. */
static size_t way_of(struct json_object *move, size_t number, bool *is_there)
{
	struct json_object *from = json_object_object_get(move, "from");
	bool was_there;

	if (number % MOVES_OF_A_GUEST == 0)
		*is_there = false;
	was_there = *is_there;
	if (json_object_object_get_ex(move, "duration_ms", NULL))
		*is_there = !was_there;
	return from ? strcmp(json_object_get_string(from), "a") != 0 : was_there;
}

struct replay {
	bool by_basis;
	bool is_there; /* the guest, on the second host */
	struct way ways[2];
	struct forecast *said[MOVES_MAX]; /* of each move */
	struct sums sums;
};

static void replay_move(struct replay *replay, struct json_object *move, size_t number)
{
	struct json_object *said_obj = json_object_object_get(move, "said"), *basis_obj = NULL;
	struct json_object *options = json_object_object_get(move, "options");
	struct forecast *recorded = xnew(struct forecast);
	struct forecast *said = replay->said[number] = xnew(struct forecast);
	struct way *way = &replay->ways[way_of(move, number, &replay->is_there)];
	struct forecast_input input;
	struct err err;

	if (!said_obj || !options || !json_object_object_get_ex(said_obj, "basis", &basis_obj))
		die("a move", "it has no forecast or no options");
	if (!json_decode_object(said_obj, forecast_fields, recorded, JSON_IGNORE_UNKNOWN, &err))
		die("a forecast", err.msg);
	input = asked(basis_obj, options, &recorded->basis);
	if (!way->list)
		begin_way(&recorded->basis, way);
	if (replay->by_basis)
		learned_then(&recorded->basis, &input);
	else
		learn(way, &input);
	forecast_make(&input, said);
	compare(move, said, &replay->sums);
	if (json_object_object_get_ex(move, "duration_ms", NULL))
		way->list[way->count++] = past_of(move, &recorded->basis, said);
	free(recorded);
}

static void replay_all(struct replay *replay, struct json_object *moves)
{
	for (size_t i = 0; i < json_object_array_length(moves); i++) {
		printf("%3zu  ", i + 1);
		replay_move(replay, json_object_array_get_idx(moves, i), i);
	}
	for (size_t i = 0; i < ARRAY_LEN(replay->ways); i++)
		free(replay->ways[i].list);
	for (size_t i = 0; i < MOVES_MAX; i++)
		free(replay->said[i]);
}

static void tell(struct sums *sums)
{
	qsort(sums->misses, sums->count, sizeof(*sums->misses), compare_numbers);
	printf("%u moves: duration missed by %.1f %% in the mean, %.1f %% in the median, %.0f %% "
	       "at worst; blackout by a factor of %.2f (%u within 2), bytes by %.1f %%, passes by "
	       "%.2f; in the range: duration %u, blackout %u\n",
	       sums->count, 100 * sums->duration / sums->count, 100 * sums->misses[sums->count / 2],
	       100 * sums->misses[sums->count - 1], exp(sums->blackout / sums->count), sums->twice,
	       100 * sums->bytes / sums->count, sums->passes / sums->count, sums->in_duration,
	       sums->in_blackout);
}

int main(int argc, char **argv)
{
	bool by_basis = argc == 3 && strcmp(argv[1], "--basis") == 0;
	const char *name = argc == 2 || by_basis ? argv[argc - 1] : NULL;
	struct json_object *moves = name ? json_object_from_file(name) : NULL;
	struct replay *replay = xnew(struct replay);

	if (!moves || !json_object_is_type(moves, json_type_array) ||
	    json_object_array_length(moves) > MOVES_MAX)
		die(name ? name : "usage: replay_forecast [--basis] FILE",
		    name ? "no list of moves" : "FILE is what bench_forecast --json wrote");
	replay->by_basis = by_basis;
	replay_all(replay, moves);
	if (replay->sums.count)
		tell(&replay->sums);
	free(replay);
	json_object_put(moves);
	return 0;
}
