/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/schema.h"

#include <string.h>

static struct json_object *find_in(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		const char *found = json_get_str(entry, "name");

		if (found && strcmp(found, name) == 0)
			return entry;
	}
	return NULL;
}

/* {"name": "migrate", "meta-type": "command", "arg-type": "149", ...} */
static struct json_object *find_command(struct json_object *schema, const char *name)
{
	struct json_object *entry = find_in(schema, name);
	const char *type = json_get_str(entry, "meta-type");

	return type && strcmp(type, "command") == 0 ? entry : NULL;
}

/* {"name": "149", "meta-type": "object", "members": [{"name": "uri", ...}, ...]} */
static struct json_object *arguments_of(struct json_object *schema, const char *command)
{
	const char *type = json_get_str(find_command(schema, command), "arg-type");
	struct json_object *members = NULL;

	if (type)
		(void)json_object_object_get_ex(find_in(schema, type), "members", &members);
	return members;
}

static struct json_object *find(struct json_object *schema, const char *command,
				const char *argument)
{
	return argument ? find_in(arguments_of(schema, command), argument)
			: find_command(schema, command);
}

bool qmp_schema_has(struct json_object *schema, const char *command, const char *argument)
{
	return find(schema, command, argument) != NULL;
}

bool qmp_schema_recommends(struct json_object *schema, const char *command, const char *argument)
{
	struct json_object *entry = find(schema, command, argument);
	struct json_object *features = NULL;

	if (entry)
		(void)json_object_object_get_ex(entry, "features", &features);
	for (size_t i = 0; i < json_count(features); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(features, i)),
			   "deprecated") == 0)
			return false;
	}
	return entry != NULL;
}

void qmp_schema_each_argument(struct json_object *schema, const char *command, qmp_schema_fn *fn,
			      void *data)
{
	struct json_object *members = arguments_of(schema, command);

	for (size_t i = 0; i < json_count(members); i++) {
		const char *name = json_get_str(json_object_array_get_idx(members, i), "name");

		if (name)
			fn(data, name);
	}
}

/* {"name": "408", "meta-type": "enum", "values": ["none", "zlib"], ...} */
void qmp_schema_each_value(struct json_object *schema, const char *command, const char *argument,
			   qmp_schema_fn *fn, void *data)
{
	const char *type = json_get_str(find_in(arguments_of(schema, command), argument), "type");
	struct json_object *values = NULL;

	if (type)
		(void)json_object_object_get_ex(find_in(schema, type), "values", &values);
	for (size_t i = 0; i < json_count(values); i++) {
		struct json_object *value = json_object_array_get_idx(values, i);

		if (json_object_is_type(value, json_type_string))
			fn(data, json_object_get_string(value));
	}
}
