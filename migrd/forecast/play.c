/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/play.h"

#include <math.h>

#include "converge/converge.h"
#include "forecast/learn.h"

/* QEMU stops sending after so long to look whether the end has come. */
#define PIECE_S         0.05
#define LIMITED_PIECE_S 0.1
/* Of memory that is zero QEMU sends a few bytes a page. */
#define ZERO_PAGE_SHARE  (9.0 / 4096)
/* QEMU counts a pass each time that it looks for changed memory: also before the first, when it
 * thinks that the end has come, and when the guest stands still (dirty-sync-count). */
#define LOOKS 3
/* A transfer that has not come to its end in so many passes, or so long, is taken not to. */
#define PASSES_MAX 200
#define TIME_MAX_S (24 * 3600.0)
/* QEMU's throttle: begins with 20 %, and adds 10 up to 99 (qapi/migration.json,
 * throttle-trigger-threshold, cpu-throttle-*). */
#define THROTTLE_FIRST     0.20
#define THROTTLE_MORE      0.10
#define THROTTLE_MAX       0.99
#define THROTTLE_THRESHOLD 0.5

double play_bandwidth(const struct play *play)
{
	double limit = (double)play->input->limit_bytes_per_s;

	return limit > 0 && limit < play->link ? limit : play->link;
}

static bool is_limited(const struct play *play)
{
	return play_bandwidth(play) < play->link;
}

static double dirty_after(const struct play *play, double seconds, double throttle)
{
	double rate = play->rate * (1 - throttle);

	if (play->set <= 0 || rate <= 0)
		return 0;
	return play->set * -expm1(-rate * seconds / play->set);
}

static double stop_bytes_per_s(const struct play *play)
{
	const struct forecast_input *input = play->input;

	return input->switchover_bytes_per_s ? (double)input->switchover_bytes_per_s
					     : play_bandwidth(play);
}

/* What QEMU thinks it can send while the guest stands still, after the first pass. */
static double threshold(const struct play *play)
{
	uint64_t ms = play->input->downtime_limit_ms;

	if (!is_limited(play))
		ms = converge_first_limit_ms(ms);
	return stop_bytes_per_s(play) * (double)ms / 1000;
}

static bool is_stopped(const struct play *play, double *plain_end_ms)
{
	const struct converge_stop at = { .limit_ms = play->input->downtime_limit_ms,
					  .left_ms = play->left * 1000 / stop_bytes_per_s(play),
					  .elapsed_ms = play->seconds * 1000,
					  .is_held = is_limited(play) };

	return converge_would_stop(&at, plain_end_ms);
}

/* Disks go first.  A mirror passes over what the guest has written since until little is left. */
static bool play_disks(struct play *play)
{
	double bytes = (double)play->input->disk_bytes;
	double writes = play->input->is_still ? 0 : (double)play->input->disk_write_bytes_per_s;
	double rate = play_bandwidth(play);

	if (bytes <= 0)
		return true;
	if (writes >= rate)
		return false;
	play->seconds += bytes / (rate - writes);
	play->bytes += bytes * rate / (rate - writes);
	return true;
}

/* Sends LEFT bytes until QEMU looks and finds that the end may have come; returns what is left of
 * them.  *RET_S is the time. */
static double play_pass(struct play *play, double left, double *ret_s)
{
	double rate = play_bandwidth(play),
	       piece = rate * (is_limited(play) ? LIMITED_PIECE_S : PIECE_S);
	/* At first QEMU counts what is zero like all else. */
	double end = play->passes > 1 ? threshold(play) : 0, sent;

	/* The first look at which no more is left than QEMU thinks it can send at once. */
	sent = left > end ? ceil((left - end) / piece) * piece : 0;
	sent = fmin(sent, left);
	*ret_s = sent / rate;
	play->bytes += sent;
	return left - sent;
}

static void note_throttle(const struct play *play, double dirty, double sent, unsigned *times,
			  double *throttle)
{
	if (!play->input->auto_converge || dirty <= THROTTLE_THRESHOLD * sent || ++*times < 2)
		return;
	*times = 0;
	*throttle = *throttle > 0 ? fmin(*throttle + THROTTLE_MORE, THROTTLE_MAX) : THROTTLE_FIRST;
}

/* The first pass goes over all memory, most of which may be zero. */
static double first_pass_extra_s(const struct play *play)
{
	double zero = (double)play->input->memory_bytes - play->nonzero;
	double known = play->input->zero_bytes_per_s;

	return zero > 0 ? zero / (known > 0 ? known : FORECAST_ZERO_BYTES_PER_S) : 0;
}

/* What is left of a pass is of the same set as what was changed meanwhile. */
static double with_dirty(const struct play *play, double left, double dirty)
{
	if (left <= 0 || play->set <= 0)
		return left + dirty;
	return fmax(left, dirty) + fmin(left, dirty) * (1 - fmin(fmax(left, dirty) / play->set, 1));
}

/* The end is decided when a pass has ended, and QEMU, which is told then, has begun the next: it
 * looks again after a piece. */
static void play_raised_limit(struct play *play, double throttle)
{
	double rate = play_bandwidth(play), piece_s = is_limited(play) ? LIMITED_PIECE_S : PIECE_S;
	double more = fmin(play->left - threshold(play), rate * piece_s);

	if (more <= 0)
		return;
	play->left = with_dirty(play, play->left - more, dirty_after(play, more / rate, throttle));
	play->seconds += more / rate;
	play->bytes += more;
}

/* Pre-copy until QEMU ends it; with UNTIL_PASS only so many passes. */
static void play_passes(struct play *play, unsigned until_pass)
{
	double left = play->nonzero, throttle = 0, extra = first_pass_extra_s(play);
	double plain_end_ms = 0;
	unsigned times = 0;

	play->bytes += ((double)play->input->memory_bytes - play->nonzero) * ZERO_PAGE_SHARE;
	for (play->passes = 1; play->passes <= PASSES_MAX; play->passes++) {
		double before = left, seconds, dirty;

		left = play_pass(play, left, &seconds);
		seconds += extra;
		extra = 0;
		play->seconds += seconds;
		dirty = dirty_after(play, seconds, throttle);
		note_throttle(play, dirty, before - left, &times, &throttle);
		left = with_dirty(play, left, dirty);
		play->left = left;
		if (is_stopped(play, &plain_end_ms)) {
			play_raised_limit(play, throttle);
			play->has_ended = true;
			play->passes += LOOKS;
			return;
		}
		if (play->passes == until_pass || play->seconds > TIME_MAX_S)
			return;
	}
}

static void play_postcopy(struct play *play)
{
	bool at_once = play->input->postcopy == FORECAST_POSTCOPY_AT_ONCE;

	if (at_once) {
		play->left = play->nonzero;
		play->seconds += first_pass_extra_s(play);
		play->passes = 1;
	} else {
		play_passes(play, 1);
	}
	play->blackout_s = play->has_ended ? play->left / play->link : 0;
	play->bytes += play->left;
	play->seconds += play->left / (play->has_ended ? play->link : play_bandwidth(play));
	play->has_ended = true;
}

static void play_still(struct play *play)
{
	play_passes(play, 0);
	play->seconds += play->left / play->link;
	play->bytes += play->left;
	play->has_ended = true;
}

static void play_memory(struct play *play)
{
	if (play->input->is_still) {
		play_still(play);
	} else if (play->input->postcopy != FORECAST_POSTCOPY_NONE) {
		play_postcopy(play);
	} else {
		play_passes(play, 0);
		play->blackout_s = play->left / play->link;
		play->bytes += play->left;
		play->seconds += play->blackout_s;
	}
}

void play_all(struct play *play)
{
	const struct forecast_costs *costs = play->costs;

	if (!play_disks(play))
		return;
	play_memory(play);
	if (!play->input->is_still)
		play->blackout_s += costs->handover_ms / 1000;
	play->seconds += (costs->prepare_ms + costs->handover_ms + costs->end_ms) / 1000;
}
