/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/table.h"

#include <libsmartcols.h>
#include <math.h>
#include <string.h>

#include "agents/lib/cli.h"
#include "agents/lib/units.h"

#define BYTES_OF_MBIT 125000.0
/* QEMU's target page on x86, in which it counts what a guest has changed. */
#define PAGE_BYTES 4096.0

/* ---- one value --------------------------------------------------------------- */

struct json_object *table_member(struct json_object *obj, const char *path)
{
	while (obj && *path) {
		size_t len = strcspn(path, ".");
		char key[64];
		struct json_object *next = NULL;

		if (len >= sizeof(key) || !json_object_is_type(obj, json_type_object))
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		json_object_object_get_ex(obj, key, &next);
		obj = next;
		path += len + (path[len] == '.');
	}
	return obj;
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
	       json_object_is_type(value, json_type_double);
}

/* A value that the daemon cannot mean, such as NaN or a negative size, becomes 0. */
static double to_double(struct json_object *value)
{
	double number = json_object_get_double(value);

	if (!(number > 0))
		return 0;
	return number < 0x1p62 ? number : 0x1p62;
}

static uint64_t to_uint(struct json_object *value)
{
	return (uint64_t)to_double(value);
}

/* "a, b"; what does not fit is left out. */
static void format_array(struct json_object *array, char *text)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(array) && len < TABLE_CELL_SIZE - 1; i++) {
		const char *item = json_object_get_string(json_object_array_get_idx(array, i));

		snprintf(text + len, TABLE_CELL_SIZE - len, "%s%s", i ? ", " : "",
			 item ? item : "");
		len += strlen(text + len);
	}
}

/* The text of a string; JSON of an object. */
static void format_text(struct json_object *value, char *text)
{
	if (json_object_is_type(value, json_type_boolean))
		snprintf(text, TABLE_CELL_SIZE, "%s",
			 json_object_get_boolean(value) ? "yes" : "no");
	else if (json_object_is_type(value, json_type_array))
		format_array(value, text);
	else
		snprintf(text, TABLE_CELL_SIZE, "%s", json_object_get_string(value));
	cli_clean(text);
}

static void format_with(void (*format)(uint64_t, char *), uint64_t value, const char *suffix,
			char *text)
{
	char amount[UNITS_SIZE];

	format(value, amount);
	snprintf(text, TABLE_CELL_SIZE, "%s%s", amount, suffix);
}

static void format_rate(uint64_t bytes_per_s, char *text)
{
	if (bytes_per_s == 0)
		snprintf(text, TABLE_CELL_SIZE, "no limit");
	else
		format_with(units_bytes, bytes_per_s, "/s", text);
}

static void format_per_s(double bytes_per_s, char *text)
{
	format_with(units_bytes,
		    bytes_per_s > 0 && bytes_per_s < 0x1p63 ? (uint64_t)bytes_per_s : 0, "/s",
		    text);
}

static void format_number(struct json_object *value, enum table_kind kind, char *text)
{
	switch (kind) {
	case TABLE_TEXT:
	case TABLE_NUMBER:
	case TABLE_COUNT:
		format_text(value, text);
		break;
	case TABLE_BYTES:
		format_with(units_bytes, to_uint(value), "", text);
		break;
	case TABLE_RATE:
		format_rate(to_uint(value), text);
		break;
	case TABLE_MIB:
		format_with(units_bytes, to_uint(value) << 20, "", text);
		break;
	case TABLE_MS:
	case TABLE_MS_ERROR:
		format_with(units_duration, (uint64_t)(to_double(value) + 0.5), "", text);
		break;
	case TABLE_SECONDS:
		format_with(units_duration, to_uint(value) * 1000, "", text);
		break;
	case TABLE_MBIT:
		format_per_s(json_object_get_double(value) * BYTES_OF_MBIT, text);
		break;
	case TABLE_PAGES_RATE:
		format_per_s(json_object_get_double(value) * PAGE_BYTES, text);
		break;
	case TABLE_PERCENT:
		snprintf(text, TABLE_CELL_SIZE, "%.0f %%", json_object_get_double(value));
		break;
	}
}

/* "71 ms" becomes "71 ms +/- 1.3 ms". */
static void add_error(struct json_object *obj, const char *path, char *text)
{
	size_t len = strlen(path), used = strlen(text);
	struct json_object *error;
	char other[64];

	if (len < 3 || len + strlen("_error") >= sizeof(other))
		return;
	snprintf(other, sizeof(other), "%.*s_error_ms", (int)(len - 3), path);
	error = table_member(obj, other);
	if (is_number(error))
		snprintf(text + used, TABLE_CELL_SIZE - used, " +/- %.1f ms",
			 json_object_get_double(error));
}

/* As it is shown; false and "-" when it is not there. */
static bool show_cell(struct json_object *obj, const struct table_field *field,
		      char ret_text[TABLE_CELL_SIZE])
{
	struct json_object *value = table_member(obj, field->path);

	if (!value) {
		snprintf(ret_text, TABLE_CELL_SIZE, "-");
		return false;
	}
	if (json_object_is_type(value, json_type_array) && field->kind == TABLE_COUNT)
		snprintf(ret_text, TABLE_CELL_SIZE, "%zu", json_object_array_length(value));
	else if (is_number(value))
		format_number(value, field->kind, ret_text);
	else
		format_text(value, ret_text);
	if (field->kind == TABLE_MS_ERROR)
		add_error(obj, field->path, ret_text);
	return true;
}

const char *table_cell(struct json_object *obj, const struct table_field *field,
		       char ret_text[TABLE_CELL_SIZE])
{
	show_cell(obj, field, ret_text);
	return ret_text;
}

const char *table_text(struct json_object *obj, const char *path, char ret_text[TABLE_CELL_SIZE])
{
	struct table_field field = { "", path, TABLE_TEXT };

	if (!show_cell(obj, &field, ret_text))
		ret_text[0] = '\0';
	return ret_text;
}

const char *table_words(struct json_object *obj, const char *path, char ret_text[TABLE_WORDS_SIZE])
{
	const char *text = json_object_get_string(table_member(obj, path));

	snprintf(ret_text, TABLE_WORDS_SIZE, "%s", text ? text : "");
	cli_clean(ret_text);
	return ret_text;
}

/* ---- tables ------------------------------------------------------------------- */

static struct libscols_table *new_table(FILE *out)
{
	struct libscols_table *table;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		abort();
	scols_table_set_stream(table, out);
	scols_table_set_column_separator(table, "  ");
	return table;
}

static void add_column(struct libscols_table *table, const char *title, bool is_right)
{
	if (!scols_table_new_column(table, title, 0, is_right ? SCOLS_FL_RIGHT : 0))
		abort();
}

static struct libscols_line *add_line(struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		abort();
	return line;
}

static void set_cell(struct libscols_line *line, size_t column, const char *text)
{
	if (scols_line_set_data(line, column, text) != 0)
		abort();
}

static void add_item(struct libscols_table *table, struct json_object *item,
		     const struct table_field *fields)
{
	struct libscols_line *line = add_line(table);
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; fields[i].title; i++) {
		show_cell(item, &fields[i], text);
		set_cell(line, i, text);
	}
}

void table_print_list(FILE *out, struct json_object *list, const struct table_field *fields)
{
	struct libscols_table *table = new_table(out);
	struct json_object *items = table_member(list, "items");
	size_t count =
		json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;

	for (size_t i = 0; fields[i].title; i++)
		add_column(table, fields[i].title, fields[i].kind != TABLE_TEXT);
	for (size_t i = 0; i < count; i++)
		add_item(table, json_object_array_get_idx(items, i), fields);
	scols_print_table(table);
	scols_unref_table(table);
}

void table_print_rows(FILE *out, struct json_object *obj, const char *path,
		      const struct table_field *fields)
{
	struct json_object *rows = table_member(obj, path), *list;

	if (!json_count(rows))
		return;
	list = json_object_new_object();
	json_object_object_add(list, "items", json_object_get(rows));
	fputc('\n', out);
	table_print_list(out, list, fields);
	json_object_put(list);
}

void table_print_object(FILE *out, struct json_object *obj, const struct table_field *fields)
{
	struct libscols_table *table = new_table(out);
	char text[TABLE_CELL_SIZE];

	scols_table_enable_noheadings(table, 1);
	add_column(table, "name", false);
	add_column(table, "value", false);
	for (; fields->title; fields++) {
		if (show_cell(obj, fields, text) && text[0]) {
			struct libscols_line *line = add_line(table);

			set_cell(line, 0, fields->title);
			set_cell(line, 1, text);
		}
	}
	scols_print_table(table);
	scols_unref_table(table);
}

void table_print_json(FILE *out, struct json_object *obj)
{
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}
