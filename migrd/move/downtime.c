/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/downtime.h"

#include "base/mem.h"

/* A guest whose memory converges well needs three passes. */
static const uint64_t divisors[] = { 8, 8, 8, 4, 2 };

uint64_t downtime_for_pass(uint64_t limit_ms, uint64_t pass)
{
	uint64_t index = pass ? pass - 1 : 0;
	uint64_t ms = index < ARRAY_LEN(divisors) ? limit_ms / divisors[index] : limit_ms;

	return ms ? ms : 1;
}
