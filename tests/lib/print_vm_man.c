/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_vm_man -- prints what migrd-vm(5) says of each member of a definition, from its table. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/vm_def.h"

#define WIDTH 78 /* mandoc complains of lines over 80 */

/* ---- text for mdoc(7) --------------------------------------------------- */

static size_t column;

static void end_line(void)
{
	if (column)
		putchar('\n');
	column = 0;
}

/* What a line of text must not begin with is kept from being a macro. */
static void put_word(const char *word, size_t len)
{
	if (column && column + 1 + len > WIDTH)
		end_line();
	column += (size_t)printf("%s%s", column ? " " : "",
				 !column && (*word == '.' || *word == '\'') ? "\\&" : "");
	for (size_t i = 0; i < len; i++)
		column += (size_t)printf(word[i] == '\\' ? "\\e" : "%c", word[i]);
}

/* Each sentence begins on a line of its own. */
static void put_text(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		bool is_end = len > 1 && text[len - 1] == '.' &&
			      (!text[len] || isupper((unsigned char)text[len + 1]));

		put_word(text, len);
		if (is_end)
			end_line();
		text += len + strspn(text + len, " ");
	}
	end_line();
}

/* ---- members ------------------------------------------------------------ */

static void put_names(const char *const *names)
{
	printf("one of ");
	for (size_t i = 0; names[i]; i++)
		printf("%s%s",
		       i == 0         ? ""
		       : names[i + 1] ? ", "
				      : " and ",
		       *names[i] ? names[i] : "\\(dq\\(dq");
}

static void put_range(const char *what, const struct json_field *field)
{
	printf("%s", what);
	if (field->max > 0)
		printf(" from %" PRId64 " to %" PRId64, field->min, field->max);
}

static void put_type(const struct json_field *field)
{
	switch (field->type) {
	case JSON_STRING:
	case JSON_TEXT:
		printf("text");
		if (field->type == JSON_STRING)
			printf(" of at most %zu bytes", field->size - 1);
		break;
	case JSON_BOOL:
		printf("true or false");
		break;
	case JSON_INT:
	case JSON_UINT:
		put_range("whole number", field);
		break;
	case JSON_NUMBER:
		put_range("number", field);
		break;
	case JSON_ENUM:
		put_names(field->names);
		break;
	case JSON_OBJECT:
		printf("object");
		break;
	case JSON_ARRAY:
		printf("list of at most %" PRId64 " objects", field->max);
		break;
	case JSON_STRINGS:
		printf("list of at most %" PRId64 " texts", field->max);
		break;
	case JSON_SCALARS:
		printf("object of texts, whole numbers, true and false");
		break;
	case JSON_ANY:
	case JSON_PART:
	case JSON_BORROWED:
	case JSON_TIME:
	case JSON_LIST:
		printf("any value");
		break;
	}
}

static void put_list(const struct json_field *fields)
{
	for (const struct json_field *field = fields; field->key; field++) {
		if (field->type == JSON_PART) {
			put_list(field->fields);
			continue;
		}
		printf(".It Ic %s\n.Em ", field->key);
		put_type(field);
		printf("%s .\n", field->required ? " ; must be there" : "");
		if (field->help)
			put_text(field->help);
	}
}

/* PATH: of the object that has these members, "" for the definition itself. */
static void put_members(const char *path, const struct json_field *fields)
{
	char deeper[256];

	printf(".Ss %s%s\n.Bl -tag -width Ds\n", *path ? "Members of " : "Members", path);
	put_list(fields);
	printf(".El\n");
	for (const struct json_field *field = fields; field->key; field++) {
		if (!field->fields || field->type == JSON_PART)
			continue;
		snprintf(deeper, sizeof(deeper), "%s%s%s", path, *path ? "." : "", field->key);
		put_members(deeper, field->fields);
	}
}

int main(void)
{
	put_members("", vm_def_fields);
	return 0;
}
