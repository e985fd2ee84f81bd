/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/json_shown.h -- a table of a reply, with one row of each kind. */
#ifndef MIGRD_TESTS_LIB_JSON_SHOWN_H
#define MIGRD_TESTS_LIB_JSON_SHOWN_H

#include "base/json.h"

struct shown_head {
	const char *name;
	bool yes;
};

struct shown_point {
	int64_t x;
};

struct shown {
	struct shown_head head;
	const char *owner;
	char word[8];
	uint64_t pid;
	double exact, rounded;
	bool has_rounded;
	int64_t at;
	bool has_point, has_other;
	struct shown_point point, other;
	const struct shown_point *points;
	size_t point_count;
	const char *const *words;
	size_t word_count;
	struct json_object *any;
	uint64_t count;
	const char *last;
	bool has_last;
};

static const struct json_field shown_head_fields[] = {
	JSON_SHOWN(struct shown_head, name, "Its name."),
	JSON_SHOWN(struct shown_head, yes, "Or no."),
	{ 0 },
};

static const struct json_field shown_point_fields[] = {
	JSON_SHOWN(struct shown_point, x, "In mm."),
	{ 0 },
};

static const struct json_field shown_fields[] = {
	JSON_PART_OF(struct shown, head, shown_head_fields),
	JSON_SHOWN(struct shown, owner, "Or null.", .nullable = true),
	JSON_SHOWN(struct shown, word, "Or null.", .nullable = true),
	JSON_SHOWN(struct shown, pid, "Or null.", .nullable = true),
	JSON_SHOWN(struct shown, exact, "As it is."),
	JSON_SHOWN_IF(struct shown, rounded, "In ms.", .digits = 3,
		      .present_offset = offsetof(struct shown, has_rounded)),
	JSON_SHOWN_TIME(struct shown, at, "Or null.", .nullable = true),
	JSON_SHOWN_OBJECT(struct shown, point, shown_point_fields, "Or null.", .nullable = true,
			  .present_offset = offsetof(struct shown, has_point)),
	JSON_SHOWN_OBJECT_IF(struct shown, other, shown_point_fields, "If there is one.",
			     .present_offset = offsetof(struct shown, has_other)),
	JSON_SHOWN_LIST(struct shown, points, point_count, shown_point_fields, "Some.",
			.required = true),
	JSON_SHOWN_LIST(struct shown, words, word_count, NULL, "If there are any."),
	JSON_SHOWN(struct shown, any, "A point.", .fields = shown_point_fields),
	JSON_SHOWN_IF(struct shown, count, "Unless 0."),
	JSON_SHOWN_IF(struct shown, last, "Or null, or not there.", .nullable = true,
		      .present_offset = offsetof(struct shown, has_last)),
	{ 0 },
};

#endif
