/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
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

	return json_new_str(text || field->nullable ? text : "");
}

/* json-c's own text of a double has as many digits as are needed to read the same again. */
static struct json_object *encode_number(const struct json_field *field, const char *in)
{
	double value = *(const double *)field_in(field, in);
	char text[32];

	if (!field->digits)
		return json_object_new_double(value);
	snprintf(text, sizeof(text), "%.*f", (int)field->digits, value);
	return json_object_new_double_s(value, text);
}

static struct json_object *encode_element(const struct json_field *field, const char *element)
{
	if (field->fields)
		return json_encode(field->fields, element);
	if (field->type == JSON_LIST)
		element = *(const char *const *)(const void *)element;
	return json_new_str(element);
}

static struct json_object *encode_elements(const struct json_field *field, const char *in)
{
	size_t count = element_count(field, in);
	struct json_object *array = json_object_new_array_ext((int)count);
	const char *element = field_in(field, in);

	if (field->type == JSON_LIST)
		element = *(const char *const *)(const void *)element;
	for (size_t i = 0; i < count; i++, element += field->size)
		json_object_array_add(array, encode_element(field, element));
	return array;
}

static struct json_object *encode_field(const struct json_field *field, const char *in)
{
	const void *value = field_in(field, in);

	switch (field->type) {
	case JSON_STRING:
		return json_new_str(value);
	case JSON_TEXT:
	case JSON_BORROWED:
		return encode_text(field, in);
	case JSON_BOOL:
		return json_object_new_boolean(*(const bool *)value);
	case JSON_INT:
		return json_object_new_int64(*(const int64_t *)value);
	case JSON_UINT:
		return json_object_new_uint64(*(const uint64_t *)value);
	case JSON_TIME:
		return json_new_time(*(const int64_t *)value);
	case JSON_NUMBER:
		return encode_number(field, in);
	case JSON_ENUM:
		return json_object_new_string(field->names[*(const int *)value]);
	case JSON_OBJECT:
		return json_encode(field->fields, value);
	case JSON_ARRAY:
	case JSON_STRINGS:
	case JSON_LIST:
		return encode_elements(field, in);
	case JSON_SCALARS:
		return json_read_back(value);
	case JSON_ANY:
		return json_object_get(*(struct json_object *const *)value);
	case JSON_PART:
		break; /* add_members() adds its members to the object itself */
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
	case JSON_BORROWED:
		return !*(const char *const *)value || **(const char *const *)value == '\0';
	case JSON_BOOL:
		return !*(const bool *)value;
	case JSON_INT:
	case JSON_UINT:
	case JSON_TIME:
		return *(const uint64_t *)value == 0;
	case JSON_NUMBER:
		return !(*(const double *)value < 0 || *(const double *)value > 0);
	case JSON_ENUM:
		return *(const int *)value == 0;
	case JSON_ARRAY:
	case JSON_STRINGS:
	case JSON_LIST:
		return element_count(field, in) == 0;
	case JSON_ANY:
		return !*(struct json_object *const *)value;
	case JSON_OBJECT:
	case JSON_PART:
		return false; /* its members decide */
	}
	return false;
}

/* There is no value to show: then the member is left out, or null. */
static bool is_empty(const struct json_field *field, const char *in)
{
	if (field->present_offset)
		return !*(const bool *)(in + field->present_offset);
	return is_zero(field, in);
}

static void add_member(struct json_object *obj, const struct json_field *field, const char *in)
{
	bool empty = is_empty(field, in);
	struct json_object *value;

	if (empty && !field->required)
		return;
	value = empty && field->nullable ? NULL : encode_field(field, in);
	if (field->type == JSON_OBJECT && !field->required && !field->present_offset &&
	    json_object_object_length(value) == 0)
		json_object_put(value);
	else
		json_object_object_add(obj, field->key, value);
}

static void add_members(struct json_object *obj, const struct json_field *fields, const char *in)
{
	for (; fields->key; fields++) {
		if (fields->type == JSON_PART)
			add_members(obj, fields->fields, field_in(fields, in));
		else
			add_member(obj, fields, in);
	}
}

struct json_object *json_encode(const struct json_field *fields, const void *in)
{
	struct json_object *obj = json_object_new_object();

	add_members(obj, fields, in);
	return obj;
}
