/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/yaml.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define INDENT 2

/* Words that YAML 1.1 or 1.2 reads as null, a truth value or a number. */
static const char *const taken[] = { "null", "true", "false", "yes", "no", "on",
				     "off",  "y",    "n",     "nan", "inf" };

static bool is_plain_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("_-./", c);
}

/* It means itself everywhere: a word that begins with a letter, and no word of YAML's own. */
static bool is_plain(const char *text)
{
	if (!((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z')))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (strcasecmp(text, taken[i]) == 0)
			return false;
	for (; *text; text++)
		if (!is_plain_byte(*text))
			return false;
	return true;
}

/* json-c leaves bytes above 31 as they are; DEL, and C1 in UTF-8, may steer a terminal. */
static void print_quoted(FILE *out, const char *json)
{
	const unsigned char *at = (const unsigned char *)json;

	for (; *at; at++) {
		if (*at == 0x7f)
			fputs("\\u007f", out);
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			fprintf(out, "\\u00%02x", *++at);
		else
			fputc(*at, out);
	}
}

static void print_scalar(FILE *out, struct json_object *value)
{
	const char *text = json_object_get_string(value);

	if (!value)
		fputs("null", out);
	else if (json_object_is_type(value, json_type_string) &&
		 (!is_plain(text) || (size_t)json_object_get_string_len(value) != strlen(text)))
		print_quoted(out, json_object_to_json_string_ext(
					  value,
					  JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		fputs(text, out);
}

static void print_key(FILE *out, const char *key)
{
	struct json_object *text = json_object_new_string(key);

	print_scalar(out, text);
	json_object_put(text);
	fputc(':', out);
}

static void print_value(FILE *out, struct json_object *value, int depth, bool is_first_inline);

static void print_indent(FILE *out, int depth)
{
	fprintf(out, "%*s", depth * INDENT, "");
}

/* What stands behind "key:" or "-": a scalar or an empty collection on the line, else lines of its
 * own. */
static void print_member(FILE *out, struct json_object *value, int depth)
{
	if (json_object_is_type(value, json_type_object) && json_object_object_length(value)) {
		fputc('\n', out);
		print_value(out, value, depth, false);
	} else if (json_object_is_type(value, json_type_array) && json_count(value)) {
		fputc('\n', out);
		print_value(out, value, depth, false);
	} else {
		fputc(' ', out);
		print_value(out, value, depth, true);
	}
}

static void print_object(FILE *out, struct json_object *obj, int depth, bool is_first_inline)
{
	json_object_object_foreach(obj, key, value)
	{
		if (!is_first_inline)
			print_indent(out, depth);
		is_first_inline = false;
		print_key(out, key);
		print_member(out, value, depth + 1);
	}
}

static void print_array(FILE *out, struct json_object *array, int depth, bool is_first_inline)
{
	for (size_t i = 0; i < json_count(array); i++) {
		if (!is_first_inline)
			print_indent(out, depth);
		is_first_inline = false;
		fputs("- ", out);
		print_value(out, json_object_array_get_idx(array, i), depth + 1, true);
	}
}

/* IS_FIRST_INLINE: its first line goes on behind what is printed already. */
static void print_value(FILE *out, struct json_object *value, int depth, bool is_first_inline)
{
	if (json_object_is_type(value, json_type_object) && json_object_object_length(value))
		print_object(out, value, depth, is_first_inline);
	else if (json_object_is_type(value, json_type_array) && json_count(value))
		print_array(out, value, depth, is_first_inline);
	else if (json_object_is_type(value, json_type_object))
		fputs("{}\n", out);
	else if (json_object_is_type(value, json_type_array))
		fputs("[]\n", out);
	else {
		print_scalar(out, value);
		fputc('\n', out);
	}
}

void yaml_print(FILE *out, struct json_object *obj)
{
	fputs("---\n", out);
	print_value(out, obj, 0, false);
}
