/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const void *field_in(const struct json_field *field, const char *in)
{
	return in + field->offset;
}

static size_t element_count(const struct json_field *field, const char *in)
{
	return *(const size_t *)(const void *)(in + field->count_offset);
}

static struct json_object *encode_text(const struct json_field *field, const char *in)
{
	const char *text = *(const char *const *)field_in(field, in);

	if (!text)
		return field->nullable ? NULL : json_object_new_string("");
	return json_object_new_string(text);
}

static struct json_object *encode_array(const struct json_field *field, const char *in)
{
	size_t count = element_count(field, in);
	struct json_object *array = json_object_new_array_ext((int)count);
	const char *element = field_in(field, in);

	for (size_t i = 0; i < count; i++, element += field->size)
		json_object_array_add(array, json_encode(field->fields, element));
	return array;
}

static struct json_object *encode_strings(const struct json_field *field, const char *in)
{
	size_t count = element_count(field, in);
	struct json_object *array = json_object_new_array_ext((int)count);
	const char *element = field_in(field, in);

	for (size_t i = 0; i < count; i++, element += field->size)
		json_object_array_add(array, json_object_new_string(element));
	return array;
}

static struct json_object *encode_field(const struct json_field *field, const char *in)
{
	const void *value = field_in(field, in);

	switch (field->type) {
	case JSON_STRING:
		return json_object_new_string(value);
	case JSON_TEXT:
		return encode_text(field, in);
	case JSON_BOOL:
		return json_object_new_boolean(*(const bool *)value);
	case JSON_INT:
		return json_object_new_int64(*(const int64_t *)value);
	case JSON_UINT:
		return json_object_new_uint64(*(const uint64_t *)value);
	case JSON_ENUM:
		return json_object_new_string(field->names[*(const int *)value]);
	case JSON_OBJECT:
		return json_encode(field->fields, value);
	case JSON_ARRAY:
		return encode_array(field, in);
	case JSON_STRINGS:
		return encode_strings(field, in);
	case JSON_SCALARS:
		return json_read_back(value);
	case JSON_ANY:
		return json_object_get(*(struct json_object *const *)value);
	}
	return NULL;
}

static bool is_zero(const struct json_field *field, const char *in)
{
	const void *value = field_in(field, in);

	switch (field->type) {
	case JSON_STRING:
	case JSON_SCALARS:
		return *(const char *)value == '\0';
	case JSON_TEXT:
		return !*(const char *const *)value || **(const char *const *)value == '\0';
	case JSON_BOOL:
		return !*(const bool *)value;
	case JSON_INT:
	case JSON_UINT:
		return *(const uint64_t *)value == 0;
	case JSON_ENUM:
		return *(const int *)value == 0;
	case JSON_ARRAY:
	case JSON_STRINGS:
		return element_count(field, in) == 0;
	case JSON_ANY:
		return !*(struct json_object *const *)value;
	case JSON_OBJECT:
		return false; /* seen by its members */
	}
	return false;
}

static bool is_absent(const struct json_field *field, const char *in)
{
	if (field->required)
		return false;
	if (field->present_offset)
		return !*(const bool *)(in + field->present_offset);
	return is_zero(field, in);
}

struct json_object *json_encode(const struct json_field *fields, const void *in)
{
	struct json_object *obj = json_object_new_object();

	for (; fields->key; fields++) {
		struct json_object *value;

		if (is_absent(fields, in))
			continue;
		value = encode_field(fields, in);
		if (fields->type == JSON_OBJECT && !fields->required && !fields->present_offset &&
		    json_object_object_length(value) == 0)
			json_object_put(value);
		else
			json_object_object_add(obj, fields->key, value);
	}
	return obj;
}
