/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/clock.h -- the two clocks of the host; no other file asks the kernel for the time.
 *
 * Deadlines and waits use loop_now_ms() instead, whose time a test can set.
 *
 * Thread: any.
 */
#ifndef MIGRD_BASE_CLOCK_H
#define MIGRD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Time since boot, without the time in which the host slept; never goes back
 * (CLOCK_MONOTONIC). */
uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ms(void);
/* The same with the time in which the host slept (CLOCK_BOOTTIME), as starts of processes are told.
 */
uint64_t clock_boot_ms(void);
/* Converts a time of clock_monotonic_ns() for pthread_cond_timedwait() with CLOCK_MONOTONIC. */
struct timespec clock_timespec(uint64_t monotonic_ns);

/* Time since 1970, UTC; an administrator or NTP may set it back or forth (CLOCK_REALTIME). */
int64_t clock_wall_ns(void);
int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_s(void);

#endif
