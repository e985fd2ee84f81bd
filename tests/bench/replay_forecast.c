/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model says now of moves that were recorded:
 *
 *     tests/bench/replay_forecast FILE
 *
 * FILE is what `tests/bench/bench_forecast --json FILE' has written.  Each forecast is made anew of
 * its `basis' and options, so a change of the model is judged without a quiet host and without a
 * move.  What earlier moves told (the costs, the link) stays as it was then; ranges are narrower,
 * since neither the spread of those moves nor missed forecasts are in a basis. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/mem.h"
#include "forecast/forecast.h"

#define COST_SPREAD 0.2

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

static struct forecast_costs costs_of(const struct forecast_basis *basis, double factor)
{
	return (struct forecast_costs){
		.prepare_ms = (double)basis->prepare_ms * factor,
		.handover_ms = (double)basis->handover_ms * factor,
		.end_ms = (double)basis->end_ms * factor,
		.disk_ms = (double)basis->disk_ms * factor,
	};
}

static struct forecast_input input_of(struct json_object *basis_obj, struct json_object *options,
				      const struct forecast_basis *basis)
{
	struct forecast_input input = {
		.memory_bytes = basis->memory_bytes,
		.nonzero_bytes = basis->nonzero_bytes,
		.resident_bytes = basis->resident_bytes,
		.link_bytes_per_s = { (double)basis->link_bytes_per_s },
		.link_moves = basis->link_bytes_per_s > 0,
		.link_age_ms = basis->link_age_ms,
		.small_bytes = { (double)basis->nonzero_bytes },
		.small_bytes_per_s = { (double)basis->small_bytes_per_s },
		.small_moves = basis->small_bytes_per_s > 0,
		.zero_bytes_per_s = (double)basis->zero_bytes_per_s,
		.pace = (double)basis->pace_percent / 100,
		.limit_bytes_per_s = (uint64_t)number(options, "bandwidth_bytes_per_s"),
		.downtime_limit_ms = (uint64_t)number(options, "downtime_limit_ms"),
		.disk_bytes = basis->disk_bytes,
		.disk_write_bytes_per_s = basis->disk_write_bytes_per_s,
		.disk_bytes_per_s = (double)basis->disk_bytes_per_s,
		.costs = costs_of(basis, 1),
		.costs_low = costs_of(basis, 1 - COST_SPREAD),
		.costs_high = costs_of(basis, 1 + COST_SPREAD),
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

struct sums {
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
	sums->duration += fabs(missed(&said->duration_ms, duration));
	sums->blackout += log(factor);
	sums->bytes += fabs(missed(&said->bytes, bytes));
	sums->passes += fabs((double)said->passes.expected - passes);
	sums->twice += factor <= 2;
	sums->in_duration += holds(&said->duration_ms, duration);
	sums->in_blackout += holds(&said->blackout_ms, blackout);
	sums->count++;
}

static void replay(struct json_object *move, struct sums *sums)
{
	struct json_object *said_obj = json_object_object_get(move, "said"), *basis_obj = NULL;
	struct json_object *options = json_object_object_get(move, "options");
	struct forecast *recorded = xnew(struct forecast), *said = xnew(struct forecast);
	struct forecast_input input;
	struct err err;

	if (!said_obj || !options || !json_object_object_get_ex(said_obj, "basis", &basis_obj))
		die("a move", "it has no forecast or no options");
	if (!json_decode_object(said_obj, forecast_fields, recorded, JSON_IGNORE_UNKNOWN, &err))
		die("a forecast", err.msg);
	input = input_of(basis_obj, options, &recorded->basis);
	forecast_make(&input, said);
	compare(move, said, sums);
	free(recorded);
	free(said);
}

int main(int argc, char **argv)
{
	struct json_object *moves = argc == 2 ? json_object_from_file(argv[1]) : NULL;
	struct sums sums = { 0 };

	if (!moves || !json_object_is_type(moves, json_type_array))
		die(argc == 2 ? argv[1] : "usage: replay_forecast FILE",
		    argc == 2 ? "no list of moves" : "FILE is what bench_forecast --json wrote");
	for (size_t i = 0; i < json_object_array_length(moves); i++) {
		printf("%3zu  ", i + 1);
		replay(json_object_array_get_idx(moves, i), &sums);
	}
	if (sums.count)
		printf("%u moves: duration missed by %.1f %% in the mean, blackout by a factor of "
		       "%.2f (%u within 2), bytes by %.1f %%, passes by %.2f; in the range: "
		       "duration %u, blackout %u\n",
		       sums.count, 100 * sums.duration / sums.count,
		       exp(sums.blackout / sums.count), sums.twice, 100 * sums.bytes / sums.count,
		       sums.passes / sums.count, sums.in_duration, sums.in_blackout);
	json_object_put(moves);
	return 0;
}
