/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/gauge.h -- from the arrivals of a short transfer to the rate of the link.
 *
 * A connection begins slowly, and what waits in a queue on the way comes at once in the beginning;
 * so only the second half of the time counts.  If the last quarter is much faster than the one
 * before, TCP has not come up to speed (a long way): then the link gives that much at least.
 *
 * Pure.  Thread: any.
 */
#ifndef MIGRD_STREAM_GAUGE_H
#define MIGRD_STREAM_GAUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GAUGE_ARRIVALS_MAX 8192 /* records of TLS, of 16 KiB at most */

struct gauge {
	size_t count;
	uint64_t bytes; /* read */
	struct gauge_arrival {
		uint64_t at_us;
		uint64_t received; /* all that had come by then, read or not */
	} arrivals[GAUGE_ARRIVALS_MAX];
};

/* What the receiver of a probe says of it. */
struct gauge_report {
	uint64_t bytes, us;   /* that have come, in so long since the first of them */
	uint64_t bytes_per_s; /* 0: too little has come to tell */
	bool is_growing;      /* that much at least */
};

/* BYTES were read just now.  RECEIVED: by the kernel in all, so that a reader that is late on a
 * busy host does not count as a burst.  False: there is no room for more. */
bool gauge_note(struct gauge *gauge, uint64_t now_us, size_t bytes, uint64_t received);
void gauge_judge(const struct gauge *gauge, struct gauge_report *ret);

/* As it is sent: a line of this size, filled up with blanks; see stream/proto.h. */
#define GAUGE_LINE_SIZE 96
void gauge_report_print(const struct gauge_report *report, char ret_line[GAUGE_LINE_SIZE]);
/* LINE has GAUGE_LINE_SIZE bytes.  Words that a newer host may add are skipped. */
bool gauge_report_parse(const char *line, struct gauge_report *ret);

#endif
