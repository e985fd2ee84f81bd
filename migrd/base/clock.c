/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"

#define NS_PER_S  1000000000
#define NS_PER_MS 1000000
#define NS_PER_US 1000

static int64_t now_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return (uint64_t)now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_monotonic_us(void)
{
	return clock_monotonic_ns() / NS_PER_US;
}

uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_ns() / NS_PER_MS;
}

uint64_t clock_boot_ms(void)
{
	return (uint64_t)now_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

struct timespec clock_timespec(uint64_t monotonic_ns)
{
	return (struct timespec){ .tv_sec = (time_t)(monotonic_ns / NS_PER_S),
				  .tv_nsec = (long)(monotonic_ns % NS_PER_S) };
}

int64_t clock_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

int64_t clock_wall_us(void)
{
	return clock_wall_ns() / NS_PER_US;
}

int64_t clock_wall_ms(void)
{
	return clock_wall_ns() / NS_PER_MS;
}

int64_t clock_wall_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}
