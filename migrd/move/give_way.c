/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/give_way.h"

static uint64_t less(uint64_t from, uint64_t by)
{
	return from > by ? from - by : 0;
}

/* Time in which they give way is used up, and time in which they do not gives it back. */
static void look(struct give_way *way, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - way->looked_ms;
	uint64_t left_ms = way->is_on ? GIVE_WAY_MAX_MS - way->used_ms : 0;

	way->looked_ms = now_ms;
	if (passed_ms < left_ms) {
		way->used_ms += passed_ms;
		return;
	}
	/* They have gone on by themselves since all was used up. */
	way->used_ms = less(way->used_ms + left_ms, passed_ms - left_ms);
	way->is_on = false;
}

uint64_t give_way_step(struct give_way *way, size_t standing, uint64_t now_ms)
{
	uint64_t left_ms, least_ms;

	look(way, now_ms);
	left_ms = GIVE_WAY_MAX_MS - way->used_ms;
	least_ms = way->is_on ? 1 : GIVE_WAY_MIN_MS;
	way->is_on = standing && left_ms >= least_ms;
	return way->is_on ? left_ms : 0;
}
