/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/intern.h"

#include <string.h>

#include "base/mem.h"
#include "plan/plan.h"

#define FIRST_SLOTS 64

static uint64_t hash_text(uint64_t hash, const char *text)
{
	/* FNV-1a; the end counts too, so that ("ab", "c") is not ("a", "bc"). */
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	while (*text++);
	return hash;
}

static uint32_t slot_of(const struct intern *intern, const char *first, const char *second)
{
	uint64_t hash = hash_text(0xcbf29ce484222325u, first);

	if (second)
		hash = hash_text(hash, second);
	return (uint32_t)(hash ^ hash >> 32) & (intern->slot_count - 1);
}

static int same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The slot that has the name, or the free one where it belongs. */
static uint32_t *look_up(const struct intern *intern, const char *first, const char *second)
{
	uint32_t slot = slot_of(intern, first, second);

	while (intern->slots[slot]) {
		const struct intern_name *name = &intern->names[intern->slots[slot] - 1];

		if (same(name->first, first) && same(name->second, second))
			break;
		slot = (slot + 1) & (intern->slot_count - 1);
	}
	return &intern->slots[slot];
}

static void grow(struct intern *intern)
{
	free(intern->slots);
	intern->slot_count = intern->slot_count ? intern->slot_count * 2 : FIRST_SLOTS;
	intern->slots = xcalloc(intern->slot_count, sizeof(*intern->slots));
	intern->size = intern->slot_count / 2;
	intern->names = xrealloc(intern->names, intern->size * sizeof(*intern->names));
	for (uint32_t i = 0; i < intern->count; i++)
		*look_up(intern, intern->names[i].first, intern->names[i].second) = i + 1;
}

void intern_fini(struct intern *intern)
{
	free(intern->names);
	free(intern->slots);
	memset(intern, 0, sizeof(*intern));
}

uint32_t intern_add(struct intern *intern, const char *first, const char *second)
{
	uint32_t *slot;

	if (intern->count == intern->size)
		grow(intern);
	slot = look_up(intern, first, second);
	if (*slot == 0) {
		intern->names[intern->count] = (struct intern_name){ first, second };
		*slot = ++intern->count;
	}
	return *slot - 1;
}

uint32_t intern_find(const struct intern *intern, const char *first, const char *second)
{
	uint32_t number = intern->count ? *look_up(intern, first, second) : 0;

	return number ? number - 1 : PLAN_NOWHERE;
}
