/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast/sending.h"

#include <math.h>

#include "converge/converge.h"
#include "forecast/learn.h"

/* The thread looks at the clock after each 64 pages, and goes on for 50 ms and less than one more.
 */
#define PIECE_S  0.051
#define WINDOW_S 0.1
/* What is in the buffers of sockets between QEMU and the link, beside what has gone out. */
#define BUFFERED_BYTES 1e6
/* Of memory that is zero QEMU sends a few bytes a page. */
#define ZERO_PAGE_SHARE (9.0 / 4096)
/* A transfer that has not come to its end after so many looks, or so long, is taken not to. */
#define LOOKS_MAX  200
#define TIME_MAX_S (24 * 3600.0)
/* QEMU's throttle: begins with 20 %, and adds 10 up to 99 (qapi/migration.json,
 * throttle-trigger-threshold, cpu-throttle-*). */
#define THROTTLE_FIRST     0.20
#define THROTTLE_MORE      0.10
#define THROTTLE_MAX       0.99
#define THROTTLE_THRESHOLD 0.5

static double zero_bytes_per_s(const struct play *play)
{
	double known = play->input->zero_bytes_per_s;

	return known > 0 ? known : FORECAST_ZERO_BYTES_PER_S;
}

static double rest(const struct sending *at)
{
	return at->left + at->zero;
}

/* How long a byte takes, with the memory that is zero beside it. */
static double byte_s(const struct play *play, const struct sending *at)
{
	return 1 / play->link + at->zero / at->left / zero_bytes_per_s(play);
}

/* What a window may send. */
static double window_bytes(const struct play *play)
{
	double rate = play_bandwidth(play);

	return rate < play->link ? rate * WINDOW_S : INFINITY;
}

/* 0: QEMU takes what it has sent. */
static double switchover_bytes_per_s(const struct play *play)
{
	return (double)play->input->switchover_bytes_per_s;
}

static double threshold(const struct play *play, const struct sending *at)
{
	double known = switchover_bytes_per_s(play);
	double rate = known > 0 ? known : at->seen_bytes_per_s;

	return at->has_seen ? rate * at->limit_ms / 1000 : 0;
}

/* ---- it sends -------------------------------------------------------------------------- */

/* BYTES of what is to be sent, and as large a part of what is zero. */
static void send_bytes(const struct play *play, struct sending *at, double bytes)
{
	double zero = at->zero * bytes / at->left;
	double wire = bytes + zero * ZERO_PAGE_SHARE;

	at->now_s += bytes * byte_s(play, at);
	at->left -= bytes;
	at->zero -= zero;
	at->sent += wire;
	at->window_sent += wire;
	at->pass_sent += wire;
	if (play_bandwidth(play) < play->link)
		at->now_s = fmax(at->now_s, (at->sent - BUFFERED_BYTES) / play_bandwidth(play));
	if (at->left < 1) /* not a whole byte */
		at->left = at->zero = 0;
}

static void pass_over(const struct play *play, struct sending *at, double zero)
{
	at->now_s += zero / zero_bytes_per_s(play);
	at->zero -= zero;
	at->sent += zero * ZERO_PAGE_SHARE;
	at->window_sent += zero * ZERO_PAGE_SHARE;
	if (at->zero < 1)
		at->zero = 0;
}

static void end_window(struct sending *at)
{
	at->now_s = fmax(at->now_s, at->window_s + WINDOW_S);
	at->seen_bytes_per_s = at->window_sent / (at->now_s - at->window_s);
	at->has_seen = true;
	at->limit_ms = at->told_ms;
	at->window_s = at->now_s;
	at->window_sent = 0;
}

/* Windows that are all alike, since much more is left than any threshold. */
static void skip_windows(const struct play *play, struct sending *at)
{
	double each, count, enough, before = at->now_s;

	if (at->left <= 0 || at->window_sent > 0)
		return;
	each = fmin(window_bytes(play), WINDOW_S / byte_s(play, at));
	enough = fmax(switchover_bytes_per_s(play), play_bandwidth(play)) * at->told_ms / 1000;
	count = floor((at->left - enough) / each) - 2;
	count = fmin(count, TIME_MAX_S / WINDOW_S);
	if (count < 1)
		return;
	send_bytes(play, at, count * each);
	at->now_s = before + count * WINDOW_S;
	at->window_s = at->now_s - WINDOW_S;
	at->window_sent /= count;
	end_window(at);
}

/* Up to where the thread looks again. */
static void send_piece(const struct play *play, struct sending *at)
{
	double room = window_bytes(play) - at->window_sent;

	skip_windows(play, at);
	if (at->left > 0)
		send_bytes(play, at,
			   fmin(at->left, fmin(fmax(room, 1), PIECE_S / byte_s(play, at))));
	else if (at->zero > 0)
		pass_over(play, at, fmin(at->zero, PIECE_S * zero_bytes_per_s(play)));
	if (at->now_s - at->window_s >= WINDOW_S || at->window_sent >= window_bytes(play))
		end_window(at);
}

/* ---- it looks ---------------------------------------------------------------------------- */

static void note_throttle(const struct play *play, struct sending *at, double dirty)
{
	if (!play->input->auto_converge || dirty <= THROTTLE_THRESHOLD * at->pass_sent ||
	    ++at->much < 2)
		return;
	at->much = 0;
	at->throttle = at->throttle > 0 ? fmin(at->throttle + THROTTLE_MORE, THROTTLE_MAX)
					: THROTTLE_FIRST;
}

/* What is left of a pass is of the same set as what was changed meanwhile. */
static double with_dirty(double left, double dirty, double set)
{
	if (left <= 0 || set <= 0)
		return left + dirty;
	return fmax(left, dirty) + fmin(left, dirty) * (1 - fmin(fmax(left, dirty) / set, 1));
}

static void look_for_changed(const struct play *play, struct sending *at)
{
	double seconds = (at->now_s - at->synced_s) * play->pace * (1 - at->throttle);
	double dirty = forecast_dirty_after(&play->dirty, seconds, play->at_random);

	note_throttle(play, at, dirty);
	at->left = with_dirty(at->left, dirty, play->dirty.set_bytes);
	at->synced_s = at->now_s;
	at->last_left = rest(at);
	at->pass_sent = 0;
	at->looks++;
}

/* The policy looks when QEMU has looked, and raises the limit when it is time to end, or when the
 * first pass has ended and bandwidth holds the transfer: QEMU takes that at the end of its window. */
static void decide(const struct play *play, struct sending *at, double *plain_end_ms)
{
	const struct forecast_input *input = play->input;
	double rate = input->switchover_bytes_per_s ? (double)input->switchover_bytes_per_s
						    : play_bandwidth(play);
	const struct converge_stop stop = { .limit_ms = input->downtime_limit_ms,
					    .left_ms = rest(at) * 1000 / rate,
					    .elapsed_ms = at->now_s * 1000,
					    .is_held = play_bandwidth(play) < play->link };

	if (stop.is_held || converge_would_stop(&stop, plain_end_ms))
		at->told_ms = (double)input->downtime_limit_ms;
}

/* True: the guest is stopped, or nothing is left to be sent. */
static bool look(const struct play *play, struct sending *at, double *plain_end_ms)
{
	double enough = threshold(play, at);

	if (rest(at) > 0 && rest(at) >= enough)
		return false;
	if (enough > 0)
		look_for_changed(play, at);
	if (rest(at) <= 0 || rest(at) < enough)
		return true;
	decide(play, at, plain_end_ms);
	return false;
}

struct sending sending_play(const struct play *play, bool one_pass)
{
	const double first_ms = (double)converge_first_limit_ms(play->input->downtime_limit_ms);
	double plain_end_ms = 0;
	struct sending at = {
		.left = play->nonzero,
		.zero = fmax((double)play->input->memory_bytes - play->nonzero, 0),
		.limit_ms = first_ms,
		.told_ms = first_ms,
		.looks = 1, /* as it begins */
	};

	while (at.looks < LOOKS_MAX && at.now_s <= TIME_MAX_S) {
		if (look(play, &at, &plain_end_ms)) {
			look_for_changed(play, &at); /* the guest stands still */
			at.has_ended = true;
			break;
		}
		if (one_pass && at.looks > 1)
			break;
		send_piece(play, &at);
	}
	return at;
}
