/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Foreign text (QEMU's stderr, a file name) may not be UTF-8, but JSON must be. */
struct json_object *json_new_str(const char *value)
{
	CLEANUP(free_charp) char *repaired = NULL;

	if (value && utf8_valid_prefix(value, strlen(value)) < strlen(value)) {
		repaired = utf8_repair(value);
		value = repaired;
	}
	return value ? json_object_new_string(value) : NULL;
}

struct json_object *json_new_time(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char date[40], text[64];
	struct tm tm;

	if (wall_ms <= 0 || !gmtime_r(&seconds, &tm) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return NULL;
	snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(wall_ms % 1000));
	return json_object_new_string(text);
}

void json_add_str(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_new_str(value));
}

void json_add_int(struct json_object *obj, const char *key, int64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

void json_add_uint(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void json_add_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

static struct json_object *get_typed(struct json_object *obj, const char *key, json_type type)
{
	struct json_object *member = NULL;

	if (json_object_is_type(obj, json_type_object))
		json_object_object_get_ex(obj, key, &member);
	return json_object_is_type(member, type) ? member : NULL;
}

const char *json_get_str(struct json_object *obj, const char *key)
{
	struct json_object *member = get_typed(obj, key, json_type_string);

	return member ? json_object_get_string(member) : NULL;
}

int64_t json_get_int(struct json_object *obj, const char *key, int64_t fallback)
{
	struct json_object *member = get_typed(obj, key, json_type_int);

	return member ? json_object_get_int64(member) : fallback;
}

bool json_get_bool(struct json_object *obj, const char *key, bool fallback)
{
	struct json_object *member = get_typed(obj, key, json_type_boolean);

	return member ? json_object_get_boolean(member) : fallback;
}

struct json_object *json_get_obj(struct json_object *obj, const char *key)
{
	return get_typed(obj, key, json_type_object);
}

size_t json_count(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

const char *json_text(struct json_object *obj, size_t *ret_len)
{
	size_t len;

	return json_object_to_json_string_length(obj,
						 JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE,
						 ret_len ? ret_len : &len);
}
