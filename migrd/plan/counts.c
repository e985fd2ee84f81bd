/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/counts.h"

#include <assert.h>

#include "base/mem.h"

void counts_init(struct counts *counts, uint32_t max)
{
	uint32_t size = 16;

	while (size / 2 < max)
		size *= 2;
	counts->slots = xcalloc(size, sizeof(*counts->slots));
	counts->mask = size - 1;
}

void counts_fini(struct counts *counts)
{
	free(counts->slots);
}

static uint64_t key_of(uint32_t set, uint32_t place)
{
	return (uint64_t)set << 32 | place;
}

static uint32_t home_of(const struct counts *counts, uint64_t key)
{
	/* Fibonacci hashing: the golden ratio of 2^64. */
	return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 32) & counts->mask;
}

static uint32_t look_up(const struct counts *counts, uint64_t key)
{
	uint32_t slot = home_of(counts, key);

	while (counts->slots[slot].count && counts->slots[slot].key != key)
		slot = (slot + 1) & counts->mask;
	return slot;
}

uint32_t counts_get(const struct counts *counts, uint32_t set, uint32_t place)
{
	return counts->slots[look_up(counts, key_of(set, place))].count;
}

void counts_add(struct counts *counts, uint32_t set, uint32_t place)
{
	struct counts_slot *slot = &counts->slots[look_up(counts, key_of(set, place))];

	slot->key = key_of(set, place);
	slot->count++;
}

/* Moves back what stands behind a slot that was freed, so that look_up() still finds it. */
static void close_gap(struct counts *counts, uint32_t gap)
{
	for (uint32_t slot = (gap + 1) & counts->mask; counts->slots[slot].count;
	     slot = (slot + 1) & counts->mask) {
		uint32_t home = home_of(counts, counts->slots[slot].key);

		if (((slot - home) & counts->mask) < ((slot - gap) & counts->mask))
			continue; /* its home lies behind the gap */
		counts->slots[gap] = counts->slots[slot];
		counts->slots[slot].count = 0;
		gap = slot;
	}
}

void counts_sub(struct counts *counts, uint32_t set, uint32_t place)
{
	uint32_t slot = look_up(counts, key_of(set, place));

	assert(counts->slots[slot].count > 0);
	if (--counts->slots[slot].count == 0)
		close_gap(counts, slot);
}
