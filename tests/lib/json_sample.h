/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/json_sample.h -- a table with one field of each type. */
#ifndef MIGRD_TESTS_LIB_JSON_SAMPLE_H
#define MIGRD_TESTS_LIB_JSON_SAMPLE_H

#include <string.h>

#include "base/json.h"

enum sample_colour { SAMPLE_RED, SAMPLE_BLUE };
static const char *const sample_colours[] = { "red", "blue", NULL };

struct sample {
	char name[8];
	char *text;
	bool yes;
	int64_t i;
	uint64_t u;
	bool has_u;
	int colour;
	struct {
		int64_t x;
	} point;
	struct sample_part {
		char id[8];
		char *note;
	} parts[3];
	size_t part_count;
	char words[2][8];
	size_t word_count;
	char maybe[8];
	struct json_object *any;
};

static inline bool sample_check_id(const char *value, const char **ret_why)
{
	*ret_why = "lower case only";
	return value[strspn(value, "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

static const struct json_field sample_part_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct sample_part, id),
	  .min = 1,
	  .check = sample_check_id,
	  .pattern = "^[a-z]*$",
	  .help = "Id." },
	{ .key = "note", .type = JSON_TEXT, JSON_MEMBER(struct sample_part, note), .max = 100 },
	{ 0 },
};

static const struct json_field sample_point_fields[] = {
	{ .key = "x", .type = JSON_INT },
	{ 0 },
};

static const struct json_field sample_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct sample, name),
	  .min = 1,
	  .help = "Its name." },
	{ .key = "text", .type = JSON_TEXT, JSON_MEMBER(struct sample, text) },
	{ .key = "yes", .type = JSON_BOOL, JSON_MEMBER(struct sample, yes) },
	{ .key = "i", .type = JSON_INT, JSON_MEMBER(struct sample, i), .min = -10, .max = 10 },
	{ .key = "u",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct sample, u),
	  .present_offset = offsetof(struct sample, has_u) },
	{ .key = "colour",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct sample, colour),
	  .names = sample_colours },
	{ .key = "point",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct sample, point),
	  .fields = sample_point_fields },
	{ .key = "parts",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct sample, parts, part_count),
	  .fields = sample_part_fields },
	{ .key = "words", .type = JSON_STRINGS, JSON_MEMBERS(struct sample, words, word_count) },
	{ .key = "maybe",
	  .type = JSON_STRING,
	  .nullable = true,
	  JSON_MEMBER(struct sample, maybe) },
	{ .key = "any", .type = JSON_ANY, JSON_MEMBER(struct sample, any) },
	{ 0 },
};

#endif
