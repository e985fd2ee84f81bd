/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/monotonic.h -- time for the threads of migrd-stream, which has no
 * loop.  Thread: any. */
#ifndef MIGRD_STREAM_MONOTONIC_H
#define MIGRD_STREAM_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000u;
}

#endif
