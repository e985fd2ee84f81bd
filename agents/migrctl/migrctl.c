/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/migrctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agents/lib/yaml.h"
#include "agents/migrctl/reach.h"
#include "base/file.h"
#include "base/mem.h"

#define FIELDS_MAX 32 /* of a table, with its end */

static const struct migrctl_globals *globals_of(const struct cli_call *call)
{
	return call->globals;
}

struct client *migrctl_client(struct cli_call *call, struct err *err)
{
	struct client *client = NULL;
	struct reach reach;

	if (reach_find(globals_of(call), &reach, err))
		client = reach_client(&reach, globals_of(call), call->faults, 0, err);
	reach_fini(&reach);
	return client;
}

/* ---- answers -------------------------------------------------------------------- */

static bool wants(const struct cli_call *call, const char *form)
{
	const char *output = globals_of(call)->output;

	return output && strcmp(output, form) == 0;
}

bool migrctl_wants_json(const struct cli_call *call)
{
	return wants(call, "json") || wants(call, "yaml") || wants(call, "name");
}

static void print_name(struct json_object *obj)
{
	char text[TABLE_CELL_SIZE];

	if (table_text(obj, "name", text)[0] || table_text(obj, "id", text)[0])
		printf("%s\n", text);
}

static void print_names(struct json_object *obj)
{
	struct json_object *items = table_member(obj, "items");

	if (!json_object_is_type(items, json_type_array))
		print_name(obj);
	for (size_t i = 0; i < json_count(items); i++)
		print_name(json_object_array_get_idx(items, i));
}

void migrctl_print_data(const struct cli_call *call, struct json_object *obj)
{
	if (wants(call, "yaml"))
		yaml_print(stdout, obj);
	else if (wants(call, "name"))
		print_names(obj);
	else
		table_print_json(stdout, obj);
}

/* One table of both, which ends with that of MORE. */
static void print_both(struct json_object *list, const struct table_field *fields,
		       const struct table_field *more)
{
	struct table_field both[FIELDS_MAX] = { { NULL, NULL, TABLE_TEXT } };
	size_t count = 0;

	for (; fields->title && count < FIELDS_MAX - 1; fields++)
		both[count++] = *fields;
	for (; more->title && count < FIELDS_MAX - 1; more++)
		both[count++] = *more;
	table_print_list(stdout, list, both);
}

void migrctl_print_wide(const struct cli_call *call, struct json_object *list,
			const struct table_field *fields, const struct table_field *more)
{
	if (migrctl_wants_json(call))
		migrctl_print_data(call, list);
	else if (more && wants(call, "wide"))
		print_both(list, fields, more);
	else
		table_print_list(stdout, list, fields);
}

void migrctl_print_list(const struct cli_call *call, struct json_object *list,
			const struct table_field *fields)
{
	migrctl_print_wide(call, list, fields, NULL);
}

void migrctl_print_object(const struct cli_call *call, struct json_object *obj,
			  const struct table_field *fields)
{
	if (migrctl_wants_json(call))
		migrctl_print_data(call, obj);
	else
		table_print_object(stdout, obj, fields);
}

void migrctl_print_warnings(struct json_object *obj)
{
	struct json_object *warnings = table_member(obj, "warnings");
	size_t count = json_count(warnings);

	for (size_t i = 0; i < count; i++) {
		CLEANUP(free_charp)
		char *text =
			xstrdup(json_object_get_string(json_object_array_get_idx(warnings, i)));

		cli_clean(text);
		fprintf(stderr, "migrctl: warning: %s\n", text);
	}
}

bool migrctl_list_wide(struct cli_call *call, const char *path, const char *query,
		       const struct table_field *fields, const struct table_field *more,
		       struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *list = NULL;

	if (!client || !client_list(client, path, query, &list, err))
		return false;
	migrctl_print_wide(call, list, fields, more);
	return true;
}

bool migrctl_list(struct cli_call *call, const char *path, const char *query,
		  const struct table_field *fields, struct err *err)
{
	return migrctl_list_wide(call, path, query, fields, NULL, err);
}

bool migrctl_show(struct cli_call *call, const char *path, const struct table_field *fields,
		  struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *whole = client_path(path, call->words[0], "");
	CLEANUP(json_putp) struct json_object *obj = NULL;

	if (!client || !client_get(client, whole, &obj, err))
		return false;
	migrctl_print_object(call, obj, fields);
	return true;
}

/* ---- files ---------------------------------------------------------------------- */

/* More than the server takes (1 MiB, http/http.h), so that the server reports the limit. */
#define FILE_MAX_BYTES (2u << 20)

static bool read_stdin(struct strbuf *text, struct err *err)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "standard input");
		if ((size_t)n > FILE_MAX_BYTES - text->len)
			return err_set(err, ERR_TOO_LARGE, "standard input has over %u bytes",
				       FILE_MAX_BYTES);
		strbuf_add(text, buf, (size_t)n);
	}
	return true;
}

struct json_object *migrctl_words(const char *text)
{
	struct json_object *list = json_object_new_array();

	while (true) {
		size_t len = strcspn(text, ",");

		json_object_array_add(list, json_object_new_string_len(text, (int)len));
		if (!text[len])
			return list;
		text += len + 1;
	}
}

bool migrctl_read_file(const char *path, struct strbuf *text, struct err *err)
{
	CLEANUP(free_charp) char *data = NULL;
	size_t len;

	if (strcmp(path, "-") == 0) {
		if (!read_stdin(text, err))
			return false;
	} else {
		if (!file_read(path, FILE_MAX_BYTES, &data, &len, err))
			return false;
		strbuf_add(text, data, len);
	}
	return text->len > 0 || err_set(err, ERR_INVALID, "'%s' is empty", path);
}
