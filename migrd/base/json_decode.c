/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_path.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strbuf.h"
#include "base/utf8.h"

struct decoder {
	struct faults *faults;
	enum json_decode_flags flags;
};

/* One value: where it is in the document, what is wanted, and where it is stored. */
struct value {
	const struct decoder *decoder;
	const struct json_path *path;
	const struct json_field *field;
	struct json_object *obj; /* of the right json-c type */
	char *base;              /* the struct that the offsets in `field' are for */
};

static void decode_members(const struct decoder *decoder, const struct json_path *path,
			   struct json_object *obj, const struct json_field *fields, char *out);

static void *value_out(const struct value *value)
{
	return value->base + value->field->offset;
}

#define FAULT(value, ...) json_path_fault((value)->path, (value)->decoder->faults, __VA_ARGS__)

/* ---- scalars ----------------------------------------------------------- */

static bool length_fits(const struct value *value, size_t len)
{
	const struct json_field *field = value->field;
	size_t min = field->min > 0 ? (size_t)field->min : 0;
	size_t max = field->max > 0 ? (size_t)field->max : SIZE_MAX;

	if (field->type == JSON_STRING && max > field->size - 1)
		max = field->size - 1;
	if (len >= min && len <= max)
		return true;
	if (len == 0)
		FAULT(value, "may not be empty");
	else if (max == SIZE_MAX)
		FAULT(value, "%zu bytes are too short: at least %zu", len, min);
	else
		FAULT(value, "%zu bytes: %zu to %zu are allowed", len, min, max);
	return false;
}

static bool passes_check(const struct value *value, const char *text)
{
	const char *why = "not valid";

	if (!value->field->check || value->field->check(text, &why))
		return true;
	FAULT(value, "%s", why);
	return false;
}

static const char *checked_text(const struct value *value)
{
	const char *text = json_object_get_string(value->obj);

	if (!length_fits(value, (size_t)json_object_get_string_len(value->obj)) ||
	    !passes_check(value, text))
		return NULL;
	return text;
}

static void decode_string(const struct value *value)
{
	const char *text = checked_text(value);

	if (text)
		snprintf(value_out(value), value->field->size, "%s", text);
}

static void decode_text(const struct value *value)
{
	const char *text = checked_text(value);
	char **out = value_out(value);

	if (!text)
		return;
	free(*out);
	*out = xstrdup(text);
}

static void decode_bool(const struct value *value)
{
	*(bool *)value_out(value) = json_object_get_boolean(value->obj);
}

/* json-c clamps: a value beyond int64 reads as INT64_MAX, and one below zero
 * as the unsigned 0. */
static void decode_int(const struct value *value)
{
	const struct json_field *field = value->field;
	bool unbounded = field->min == 0 && field->max == 0;
	int64_t min = unbounded ? INT64_MIN : field->min, max = unbounded ? INT64_MAX : field->max;
	int64_t n = json_object_get_int64(value->obj);

	if (json_object_get_uint64(value->obj) > INT64_MAX || n < min || n > max)
		FAULT(value, "%s is out of range: %" PRId64 " to %" PRId64,
		      json_object_get_string(value->obj), min, max);
	else
		*(int64_t *)value_out(value) = n;
}

static void decode_uint(const struct value *value)
{
	const struct json_field *field = value->field;
	bool unbounded = field->min == 0 && field->max == 0;
	uint64_t min = unbounded ? 0 : (uint64_t)field->min;
	uint64_t max = unbounded ? UINT64_MAX : (uint64_t)field->max;
	uint64_t n = json_object_get_uint64(value->obj);

	if (json_object_get_int64(value->obj) < 0 || n < min || n > max)
		FAULT(value, "%s is out of range: %" PRIu64 " to %" PRIu64,
		      json_object_get_string(value->obj), min, max);
	else
		*(uint64_t *)value_out(value) = n;
}

static void decode_number(const struct value *value)
{
	const struct json_field *field = value->field;
	bool unbounded = field->min == 0 && field->max == 0;
	double n = json_object_get_double(value->obj);

	if (!unbounded && !(n >= (double)field->min && n <= (double)field->max))
		FAULT(value, "%s is out of range: %" PRId64 " to %" PRId64,
		      json_object_get_string(value->obj), field->min, field->max);
	else
		*(double *)value_out(value) = n;
}

static void decode_enum(const struct value *value)
{
	const char *text = json_object_get_string(value->obj);
	struct strbuf known = STRBUF_INIT;

	for (int i = 0; value->field->names[i]; i++) {
		if (!strcmp(value->field->names[i], text)) {
			*(int *)value_out(value) = i;
			strbuf_fini(&known);
			return;
		}
		strbuf_addf(&known, "%s'%s'", i ? ", " : "", value->field->names[i]);
	}
	FAULT(value, "'%.40s' is none of %s", text, strbuf_str(&known));
	strbuf_fini(&known);
}

static void decode_any(const struct value *value)
{
	struct json_object **out = value_out(value);

	json_object_put(*out);
	*out = json_object_get(value->obj);
}

/* A table of a reply is not for input. */
static void decode_never(const struct value *value)
{
	(void)value;
	abort();
}

/* ---- containers ---------------------------------------------------------- */

static bool count_fits(const struct value *value, size_t count)
{
	size_t min = value->field->min > 0 ? (size_t)value->field->min : 0;
	size_t max = (size_t)value->field->max;

	if (count >= min && count <= max)
		return true;
	FAULT(value, "%zu elements: %zu to %zu are allowed", count, min, max);
	return false;
}

static bool is_type(const struct value *value, json_type type, const char *wanted);

static void decode_object(const struct value *value)
{
	decode_members(value->decoder, value->path, value->obj, value->field->fields,
		       value_out(value));
}

/* Keeps the order of the members, so that encoding them again gives the same text. */
static void decode_scalars(const struct value *value)
{
	const char *text = json_text(value->obj, NULL);
	size_t before = value->decoder->faults->count;

	json_object_object_foreach(value->obj, key, member)
	{
		struct json_path path = { .up = value->path, .key = key };
		struct value scalar = *value;
		json_type type = json_object_get_type(member);

		scalar.path = &path;
		if (type != json_type_string && type != json_type_int && type != json_type_boolean)
			FAULT(&scalar, "a string, an integer, true or false is wanted");
	}
	if (strlen(text) >= value->field->size)
		FAULT(value, "%zu bytes: at most %zu are allowed", strlen(text),
		      value->field->size - 1);
	else if (value->decoder->faults->count == before &&
		 json_object_object_length(value->obj) > 0)
		snprintf(value_out(value), value->field->size, "%s", text);
}

static void decode_array(const struct value *value)
{
	const struct json_field *field = value->field;
	size_t count = json_object_array_length(value->obj);
	char *out = value_out(value);

	if (!count_fits(value, count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_path path = { .up = value->path, .index = i };
		struct value element = *value;

		element.path = &path;
		element.obj = json_object_array_get_idx(value->obj, i);
		if (is_type(&element, json_type_object, "an object"))
			decode_members(value->decoder, &path, element.obj, field->fields,
				       out + i * field->size);
	}
	*(size_t *)(void *)(value->base + field->count_offset) = count;
}

static void decode_strings_element(const struct value *value, char *out)
{
	size_t len = (size_t)json_object_get_string_len(value->obj);
	const char *text = json_object_get_string(value->obj);

	if (len >= value->field->size)
		FAULT(value, "%zu bytes: at most %zu are allowed", len, value->field->size - 1);
	else if (passes_check(value, text))
		snprintf(out, value->field->size, "%s", text);
}

static void decode_strings(const struct value *value)
{
	const struct json_field *field = value->field;
	size_t count = json_object_array_length(value->obj);
	char *out = value_out(value);

	if (!count_fits(value, count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_path path = { .up = value->path, .index = i };
		struct value element = *value;

		element.path = &path;
		element.obj = json_object_array_get_idx(value->obj, i);
		if (is_type(&element, json_type_string, "a string"))
			decode_strings_element(&element, out + i * field->size);
	}
	*(size_t *)(void *)(value->base + field->count_offset) = count;
}

/* ---- any value ----------------------------------------------------------- */

static const struct {
	json_type type;
	const char *wanted;
	void (*decode)(const struct value *value);
} decoders[] = {
	[JSON_STRING] = { json_type_string, "a string", decode_string },
	[JSON_TEXT] = { json_type_string, "a string", decode_text },
	[JSON_BOOL] = { json_type_boolean, "true or false", decode_bool },
	[JSON_INT] = { json_type_int, "an integer", decode_int },
	[JSON_UINT] = { json_type_int, "an integer", decode_uint },
	[JSON_NUMBER] = { json_type_double, "a number", decode_number },
	[JSON_ENUM] = { json_type_string, "a string", decode_enum },
	[JSON_OBJECT] = { json_type_object, "an object", decode_object },
	[JSON_ARRAY] = { json_type_array, "an array", decode_array },
	[JSON_STRINGS] = { json_type_array, "an array", decode_strings },
	[JSON_ANY] = { json_type_null, "a value", decode_any },
	[JSON_SCALARS] = { json_type_object, "an object", decode_scalars },
	[JSON_BORROWED] = { json_type_null, "nothing", decode_never },
	[JSON_TIME] = { json_type_null, "nothing", decode_never },
	[JSON_LIST] = { json_type_null, "nothing", decode_never },
	[JSON_PART] = { json_type_null, "nothing", decode_never },
};

static const char *const found_names[] = {
	[json_type_null] = "null",
	[json_type_boolean] = "a boolean",
	[json_type_double] = "a number that is not written as an integer",
	[json_type_int] = "an integer",
	[json_type_object] = "an object",
	[json_type_array] = "an array",
	[json_type_string] = "a string",
};

static bool is_type(const struct value *value, json_type type, const char *wanted)
{
	json_type found = json_object_get_type(value->obj);

	if (found == type || (found == json_type_int && type == json_type_double))
		return true;
	FAULT(value, "found %s where %s is wanted", found_names[found], wanted);
	return false;
}

/* UP is the path of the object around the member. */
static void decode_member(const struct decoder *decoder, const struct json_path *up,
			  const struct json_field *field, struct json_object *obj, char *out)
{
	struct json_path path = { .up = up, .key = field->key };
	struct value value = { decoder, &path, field, obj, out };

	if (!obj && field->nullable)
		return;
	if (field->type != JSON_ANY &&
	    !is_type(&value, decoders[field->type].type, decoders[field->type].wanted))
		return;
	decoders[field->type].decode(&value);
	if (field->present_offset)
		*(bool *)(out + field->present_offset) = true;
}

/* ---- objects ------------------------------------------------------------- */

/* The members of a part stand beside those of its owner. */
static const struct json_field *find_field(const struct json_field *fields, const char *key)
{
	const struct json_field *found = NULL;

	for (; fields->key && !found; fields++)
		found = fields->type == JSON_PART       ? find_field(fields->fields, key)
			: strcmp(fields->key, key) == 0 ? fields
							: NULL;
	return found;
}

/* After this many faults, an unknown key gets no explanation: finding a similar key compares
 * all known ones, and the first few explanations are enough. */
#define EXPLAINED_MAX 16

static void offer_keys(const struct json_field *fields, struct nearest *nearest,
		       struct strbuf *known)
{
	for (; fields->key; fields++) {
		if (fields->type == JSON_PART) {
			offer_keys(fields->fields, nearest, known);
			continue;
		}
		nearest_offer(nearest, fields->key);
		strbuf_addf(known, "%s%s", known->len ? ", " : "", fields->key);
	}
}

static void fault_unknown(const struct decoder *decoder, const struct json_path *up,
			  const struct json_field *fields, const char *key)
{
	struct json_path path = { .up = up, .key = key };
	struct nearest nearest = { .word = key };
	struct strbuf known = STRBUF_INIT;

	if (decoder->faults->count >= EXPLAINED_MAX) {
		json_path_fault(&path, decoder->faults, "unknown key");
		return;
	}
	offer_keys(fields, &nearest, &known);
	if (nearest.best)
		json_path_fault(&path, decoder->faults, "unknown key: is '%s' meant?",
				nearest.best);
	else
		json_path_fault(&path, decoder->faults, "unknown key: %s%s",
				known.len ? "the known ones are " : "none is taken here",
				strbuf_str(&known));
	strbuf_fini(&known);
}

static void decode_known(const struct decoder *decoder, const struct json_path *path,
			 struct json_object *obj, const struct json_field *fields, char *out)
{
	struct json_object *member;

	for (const struct json_field *field = fields; field->key; field++) {
		bool found = json_object_object_get_ex(obj, field->key, &member);

		if (field->type == JSON_PART) {
			decode_known(decoder, path, obj, field->fields, out + field->offset);
			continue;
		}
		if (found)
			decode_member(decoder, path, field, member, out);
		if (field->required && (!found || (!member && field->nullable))) {
			struct json_path missing = { .up = path, .key = field->key };

			json_path_fault(&missing, decoder->faults, "required, but missing");
		}
	}
}

static void decode_members(const struct decoder *decoder, const struct json_path *path,
			   struct json_object *obj, const struct json_field *fields, char *out)
{
	if (!(decoder->flags & JSON_IGNORE_UNKNOWN)) {
		json_object_object_foreach(obj, key, ignored)
		{
			(void)ignored;
			if (!find_field(fields, key))
				fault_unknown(decoder, path, fields, key);
		}
	}
	decode_known(decoder, path, obj, fields, out);
}

static bool decode_root(const struct decoder *decoder, struct json_object *obj,
			const struct json_field *fields, void *out, const char *pointer)
{
	const struct json_path root = { .key = pointer };
	const struct value value = { decoder, &root, NULL, obj, out };
	size_t before = decoder->faults->count;

	if (is_type(&value, json_type_object, "an object"))
		decode_members(decoder, &root, obj, fields, out);
	return decoder->faults->count == before;
}

bool json_decode(struct json_object *obj, const struct json_field *fields, void *out,
		 const char *pointer, struct faults *faults)
{
	const struct decoder decoder = { faults, JSON_STRICT };

	return decode_root(&decoder, obj, fields, out, pointer);
}

static void faults_freep(struct faults **faults)
{
	faults_free(*faults);
}

bool json_decode_object(struct json_object *obj, const struct json_field *fields, void *out,
			enum json_decode_flags flags, struct err *err)
{
	CLEANUP(faults_freep) struct faults *faults = faults_new();
	const struct decoder decoder = { faults, flags };

	if (decode_root(&decoder, obj, fields, out, ""))
		return true;
	json_release(fields, out);
	return faults_to_err(faults, err);
}

/* ---- release ------------------------------------------------------------- */

static void release_elements(const struct json_field *field, char *out)
{
	size_t count = *(size_t *)(void *)(out + field->count_offset);

	for (size_t i = 0; i < count; i++)
		json_release(field->fields, out + field->offset + i * field->size);
}

static void release_field(const struct json_field *field, char *out)
{
	switch (field->type) {
	case JSON_TEXT:
		free(*(char **)(void *)(out + field->offset));
		*(char **)(void *)(out + field->offset) = NULL;
		break;
	case JSON_ANY:
		json_object_put(*(struct json_object **)(void *)(out + field->offset));
		*(struct json_object **)(void *)(out + field->offset) = NULL;
		break;
	case JSON_OBJECT:
	case JSON_PART:
		json_release(field->fields, out + field->offset);
		break;
	case JSON_ARRAY:
		release_elements(field, out);
		break;
	case JSON_STRING:
	case JSON_BOOL:
	case JSON_INT:
	case JSON_UINT:
	case JSON_ENUM:
	case JSON_STRINGS:
	case JSON_SCALARS:
	case JSON_BORROWED:
	case JSON_TIME:
	case JSON_NUMBER:
	case JSON_LIST:
		break;
	}
}

void json_release(const struct json_field *fields, void *out)
{
	for (; fields->key; fields++)
		release_field(fields, out);
}
