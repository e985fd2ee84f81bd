/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/vm_figures.h"

#include <stdio.h>
#include <string.h>

#include "agents/lib/table.h"
#include "base/mem.h"

const char *const vm_figures_sorts[] = { "cpu", "memory", "disk", "net", "name", NULL };

/* ---- sums --------------------------------------------------------------- */

/* The sum of LIST's members KIND.KEY; false: none of them is known. */
static bool sum(struct json_object *list, const char *kind, const char *key, double *ret)
{
	bool is_known = false;

	*ret = 0;
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *part = json_get_obj(json_object_array_get_idx(list, i), kind);
		struct json_object *value = table_member(part, key);

		if (!value)
			continue;
		is_known = true;
		*ret += json_object_get_double(value);
	}
	return is_known;
}

static void add_number(struct json_object *obj, const char *key, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.1f", value);
	json_object_object_add(obj, key, json_object_new_double_s(value, text));
}

static void add_sum(struct json_object *row, struct json_object *list, const char *kind,
		    const char *key)
{
	struct json_object *into = json_get_obj(row, kind);
	double value;

	if (!into) {
		into = json_object_new_object();
		json_object_object_add(row, kind, into);
	}
	if (sum(list, kind, key, &value))
		add_number(into, key, value);
}

/* The mean over all drives, each request counted once. */
static void add_latency(struct json_object *row, struct json_object *disks, const char *kind)
{
	double ops = 0, weighted = 0;
	bool is_known = false;

	for (size_t i = 0; i < json_count(disks); i++) {
		struct json_object *io = json_get_obj(json_object_array_get_idx(disks, i), kind);
		struct json_object *latency = table_member(io, "latency_ms");
		double each = json_object_get_double(table_member(io, "ops_per_s"));

		is_known |= latency != NULL;
		ops += each;
		weighted += each * json_object_get_double(latency);
	}
	if (is_known)
		add_number(json_get_obj(row, kind), "latency_ms", ops > 0 ? weighted / ops : 0);
}

void vm_figures_sum(struct json_object *row)
{
	struct json_object *disks = table_member(row, "disks"), *nics = table_member(row, "nics");
	struct json_object *note = table_member(row, "note");
	static const char *const ways[] = { "read", "write" };

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		add_sum(row, disks, ways[i], "bytes_per_s");
		add_sum(row, disks, ways[i], "ops_per_s");
		add_latency(row, disks, ways[i]);
	}
	add_sum(row, nics, "rx", "bytes_per_s");
	add_sum(row, nics, "tx", "bytes_per_s");
	if (!note)
		note = table_member(row, "disks_note");
	json_object_object_add(row, "shown_note", json_object_get(note));
}

/* ---- the order ------------------------------------------------------- */

static const struct {
	const char *sort, *first, *second; /* members, of which the sum counts */
} keys[] = {
	{ "cpu", "cpu.percent", "" },
	{ "memory", "memory.resident_bytes", "" },
	{ "disk", "read.bytes_per_s", "write.bytes_per_s" },
	{ "net", "rx.bytes_per_s", "tx.bytes_per_s" },
};

static double number(struct json_object *row, const char *path)
{
	return *path ? json_object_get_double(table_member(row, path)) : 0;
}

struct place {
	double weight;
	struct json_object *row; /* borrowed */
	size_t at;               /* in the list, which is in the order of names */
};

static int compare(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->weight < right->weight)
		return 1;
	if (left->weight > right->weight)
		return -1;
	return left->at < right->at ? -1 : 1;
}

static double weight_of(struct json_object *row, const char *sort)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].sort, sort) == 0)
			return number(row, keys[i].first) + number(row, keys[i].second);
	return 0; /* by name */
}

struct json_object *vm_figures_sorted(struct json_object *list, const char *sort)
{
	struct json_object *items = table_member(list, "items"), *ret = json_object_new_object();
	struct json_object *array = json_object_new_array();
	size_t count = json_count(items);
	CLEANUP(free_charp) char *memory = xcalloc(count ? count : 1, sizeof(struct place));
	struct place *places = (struct place *)(void *)memory;

	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_array_get_idx(items, i);

		places[i] = (struct place){ weight_of(row, sort), row, i };
	}
	qsort(places, count, sizeof(*places), compare);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, json_object_get(places[i].row));
	json_object_object_add(ret, "items", array);
	return ret;
}
