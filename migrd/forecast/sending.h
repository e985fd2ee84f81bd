/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/sending.h -- how QEMU's migration thread sends the memory of a guest that runs, played
 * through; private to the forecast.
 *
 * The thread (migration_thread() and migration_rate_limit() of migration/migration.c,
 * ram_save_iterate() of migration/ram.c; the same in 7.2, 10.0 and 11.1) goes on in pieces of at
 * most 50 ms (MAX_WAIT), and in windows of 100 ms (BUFFER_DELAY):
 *
 *   - A window with a limit may send a tenth of what the limit allows a second; then the thread
 *     waits until the window is over.  It waits before that, too, since migrd-stream lets no more
 *     go out than the limit, and the buffers before it are small.
 *   - At the end of a window the thread knows what was sent in it, and so how much it could send in
 *     the downtime-limit: the threshold.  There is none before.
 *   - Before each piece it looks whether less is left than the threshold.  If so it looks for
 *     changed memory, and stops the guest if there is still less.  It also stops the guest when
 *     nothing is left and there is no threshold yet: so a small guest goes over in its first
 *     window, and all that it has changed is sent while it stands still.
 *
 * Memory that is zero is looked for in between, and counts as left until then.  Pure.  Thread: any.
 */
#ifndef MIGRD_FORECAST_SENDING_H
#define MIGRD_FORECAST_SENDING_H

#include "forecast/play.h"

struct sending {
	/* the state of the thread; seconds since it began */
	double now_s, window_s, synced_s; /* now; the window began; changed memory was looked for */
	double window_sent;               /* in this window */
	double left, zero;                /* of the pass, in bytes: to be sent, to be passed over */
	bool has_seen;                    /* a window has ended */
	double seen_bytes_per_s;          /* in the last window */
	double limit_ms, told_ms; /* the downtime-limit at its end; what QEMU was told last */
	/* QEMU's throttle */
	double pass_sent, throttle;
	unsigned much;
	/* results */
	bool has_ended;
	double sent;
	double last_left; /* after the last look */
	unsigned looks;   /* for changed memory */
};

/* Sends the memory of PLAY.  It has ended when the guest is stopped; then LEFT is sent while it
 * stands still.  With ONE_PASS it is over, too, when all has been sent once, and LEFT is what was
 * changed meanwhile. */
struct sending sending_play(const struct play *play, bool one_pass);

#endif
