/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/play.h"

#include <math.h>

#include "forecast/sending.h"

/* A mirror reads each piece of a disk from a file and writes it to another, with 16 MiB under way
 * at most: what it gets of the link, before copies have shown it. */
#define DISK_SHARE 0.5

static double limited(const struct play *play, double link)
{
	double limit = (double)play->input->limit_bytes_per_s;

	return limit > 0 && limit < link ? limit : link;
}

double play_bandwidth(const struct play *play)
{
	return limited(play, play->link);
}

double play_disk_bandwidth(const struct play *play)
{
	double known = play->input->disk_bytes_per_s;

	return limited(play, known > 0 ? fmin(known, play->link) : play->link * DISK_SHARE);
}

/* Disks go first.  A mirror passes over what the guest has written since until little is left. */
static bool play_disks(struct play *play)
{
	const struct forecast_input *input = play->input;
	double bytes = (double)input->disk_bytes;
	double writes = input->is_still ? 0 : (double)input->disk_write_bytes_per_s;
	double rate = play_disk_bandwidth(play);

	if (bytes <= 0)
		return true;
	if (writes >= rate)
		return false;
	play->seconds += bytes / (rate - writes) + play->costs->disk_ms / 1000;
	play->bytes += bytes * rate / (rate - writes);
	return true;
}

/* Memory, until the guest is stopped; ONE_PASS: or all has been sent once. */
static void play_passes(struct play *play, bool one_pass)
{
	struct sending sending = sending_play(play, one_pass);

	play->has_ended = sending.has_ended;
	play->seconds += sending.now_s;
	play->bytes += sending.sent;
	play->left = sending.last_left;
	play->passes = sending.looks;
}

static void play_postcopy(struct play *play)
{
	if (play->input->postcopy == FORECAST_POSTCOPY_AT_ONCE) {
		play->left = play->nonzero;
		play->passes = 1;
	} else {
		play_passes(play, true);
	}
	play->blackout_s = play->has_ended ? play->left / play->still_link : 0;
	play->bytes += play->left;
	play->seconds += play->left / (play->has_ended ? play->still_link : play_bandwidth(play));
	play->has_ended = true;
}

static void play_memory(struct play *play)
{
	if (!play->input->is_still && play->input->postcopy != FORECAST_POSTCOPY_NONE) {
		play_postcopy(play);
		return;
	}
	play_passes(play, false);
	play->seconds += play->left / play->still_link;
	play->bytes += play->left;
	play->has_ended = play->has_ended || play->input->is_still;
	if (!play->input->is_still)
		play->blackout_s = play->left / play->still_link;
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
