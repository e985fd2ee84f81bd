/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl explain: asks no daemon, since the tables of the API's objects are in the program. */
#include "agents/migrctl/cmd_explain.h"

#include <stdio.h>
#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "wire/schema.h"

#define LINE_WIDTH 96

/* ---- all objects -------------------------------------------------------------------- */

static const struct table_field object_fields[] = {
	{ "OBJECT", "name", TABLE_TEXT },
	{ "WHAT IT IS", "title", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void list_objects(const struct cli_call *call)
{
	CLEANUP(json_putp) struct json_object *list = json_object_new_object();
	struct json_object *items = json_object_new_array();

	json_object_object_add(list, "items", items);
	for (size_t i = 0; wire_schema_name(i); i++) {
		CLEANUP(json_putp) struct json_object *schema = wire_schema(wire_schema_name(i));
		struct json_object *item = json_object_new_object();

		json_add_str(item, "name", wire_schema_name(i));
		json_add_str(item, "title", json_get_str(schema, "title"));
		json_object_array_add(items, item);
	}
	migrctl_print_list(call, list, object_fields);
}

/* ---- one object ---------------------------------------------------------------------- */

/* What holds the members of SCHEMA: it itself, or of a list its elements. */
static struct json_object *element_of(struct json_object *schema)
{
	struct json_object *items = json_get_obj(schema, "items");

	return items ? items : schema;
}

static void print_wrapped(const char *text, int indent)
{
	int column = indent;

	printf("%*s", indent, "");
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column + len > LINE_WIDTH && column > indent) {
			printf("\n%*s", indent, "");
			column = indent;
		}
		printf("%s%.*s", column > indent ? " " : "", len, text);
		column += len + (column > indent);
		text += len + (int)strspn(text + len, " ");
	}
	printf("\n");
}

static bool is_required(struct json_object *schema, const char *member)
{
	struct json_object *required = table_member(schema, "required");

	for (size_t i = 0; i < json_count(required); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(required, i)),
			   member) == 0)
			return true;
	return false;
}

/* "string", "string or null", "list of objects". */
static void add_type(struct json_object *schema, struct strbuf *text)
{
	struct json_object *type = table_member(schema, "type");
	struct json_object *items = json_get_obj(schema, "items");

	if (json_object_is_type(type, json_type_array)) {
		for (size_t i = 0; i < json_count(type); i++)
			strbuf_addf(text, "%s%s", i ? " or " : "",
				    json_object_get_string(json_object_array_get_idx(type, i)));
	} else {
		strbuf_adds(text, type ? json_object_get_string(type) : "anything");
	}
	if (items && json_get_str(items, "type"))
		strbuf_addf(text, " of %ss", json_get_str(items, "type"));
}

static void add_bound(struct json_object *schema, const char *key, const char *words,
		      struct strbuf *text)
{
	struct json_object *value = table_member(schema, key);

	if (value)
		strbuf_addf(text, ", %s %s", words, json_object_get_string(value));
}

static void add_choices(struct json_object *schema, struct strbuf *text)
{
	struct json_object *values = table_member(schema, "enum");

	for (size_t i = 0; i < json_count(values); i++) {
		const char *value = json_object_get_string(json_object_array_get_idx(values, i));

		strbuf_addf(text, "%s%s", i ? " | " : ": ", value ? value : "null");
	}
}

static void print_member(struct json_object *schema, const char *name, struct json_object *member)
{
	CLEANUP(strbuf_fini) struct strbuf type = STRBUF_INIT;
	const char *description = json_get_str(member, "description");

	add_type(member, &type);
	add_bound(member, "minimum", "at least", &type);
	add_bound(member, "maximum", "at most", &type);
	add_bound(member, "maxLength", "length at most", &type);
	add_bound(member, "maxItems", "items at most", &type);
	add_choices(member, &type);
	printf("\n  %s  (%s)%s\n", name, strbuf_str(&type),
	       is_required(schema, name) ? "  always there, or needed" : "");
	if (description)
		print_wrapped(description, 6);
	if (json_get_obj(element_of(member), "properties"))
		printf("      It has members of its own: add '.%s'.\n", name);
}

/* Names of other objects that begin with NAME and '-'. */
static void print_related(const char *name)
{
	CLEANUP(strbuf_fini) struct strbuf all = STRBUF_INIT;
	size_t len = strlen(name);

	for (size_t i = 0; wire_schema_name(i); i++) {
		const char *other = wire_schema_name(i);

		if (strncmp(other, name, len) == 0 && other[len] == '-')
			strbuf_addf(&all, "%s%s", all.len ? ", " : "", other);
	}
	if (all.len) {
		printf("\nsee also:\n");
		print_wrapped(strbuf_str(&all), 2);
	}
}

static void print_schema(struct json_object *schema, const char *path)
{
	struct json_object *properties = json_get_obj(element_of(schema), "properties");
	const char *title = json_get_str(schema, "title");
	const char *description = json_get_str(schema, "description");

	printf("%s%s%s\n", path, title ? ": " : "", title ? title : "");
	if (description)
		print_wrapped(description, 2);
	if (!properties) {
		print_member(schema, path, schema);
		return;
	}
	json_object_object_foreach(properties, name, member)
	{
		print_member(element_of(schema), name, member);
	}
	if (!strchr(path, '.'))
		print_related(path);
}

/* ---- the object that is meant ---------------------------------------------------------- */

static bool no_object(const char *name, struct err *err)
{
	struct nearest nearest = { .word = name };

	for (size_t i = 0; wire_schema_name(i); i++)
		nearest_offer(&nearest, wire_schema_name(i));
	return err_set(err, ERR_NOT_FOUND,
		       "there is no object '%.64s'%s%s%s: `migrctl explain' lists them", name,
		       nearest.best ? " (did you mean '" : "", nearest.best ? nearest.best : "",
		       nearest.best ? "'?)" : "");
}

static bool no_member(struct json_object *properties, const char *path, const char *member,
		      struct err *err)
{
	struct nearest nearest = { .word = member };

	if (properties) {
		json_object_object_foreach(properties, name, ignored)
		{
			(void)ignored;
			nearest_offer(&nearest, name);
		}
	}
	return err_set(err, ERR_NOT_FOUND,
		       "'%.200s' has no member '%.64s'%s%s%s: `migrctl explain %.200s' lists them",
		       path, member, nearest.best ? " (did you mean '" : "",
		       nearest.best ? nearest.best : "", nearest.best ? "'?)" : "", path);
}

/* Follows "a.b" from SCHEMA; borrowed. */
static struct json_object *follow(struct json_object *schema, const char *object,
				  const char *members, struct err *err)
{
	CLEANUP(free_charp) char *copy = xstrdup(members);
	char *rest = copy, *member;

	while (schema && (member = strsep(&rest, ".")) != NULL) {
		struct json_object *properties = json_get_obj(element_of(schema), "properties");
		struct json_object *next = NULL;

		if (!properties || !json_object_object_get_ex(properties, member, &next))
			no_member(properties, object, member, err);
		schema = next;
	}
	return schema;
}

static bool run_explain(struct cli_call *call, struct err *err)
{
	const char *path = call->word_count ? call->words[0] : "";
	CLEANUP(free_charp) char *object = xstrndup(path, strcspn(path, "."));
	const char *members = path + strlen(object);
	CLEANUP(json_putp) struct json_object *schema = wire_schema(object);
	struct json_object *at = schema;

	if (!call->word_count) {
		list_objects(call);
		return true;
	}
	if (!schema)
		return no_object(object, err);
	if (*members)
		at = follow(schema, object, members + 1, err);
	if (!at)
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, at);
	else
		print_schema(at, path);
	return true;
}

const struct cli_command cmd_explain = {
	.noun = "explain",
	.args = "[OBJECT[.MEMBER...]]",
	.max_args = 1,
	.summary = "what the members of an object of the API mean; without OBJECT all objects",
	.details =
		"Of this version of migrctl; no daemon is asked.  With -o json the JSON Schema.\n",
	.run = run_explain,
};
