/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/migrctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static const struct migrctl_globals *globals_of(const struct cli_call *call)
{
	return call->globals;
}

struct client *migrctl_client(struct cli_call *call, struct err *err)
{
	const struct migrctl_globals *globals = globals_of(call);
	struct client_config config = {
		.socket_path = globals->socket,
		.host = globals->host,
		.host_id = globals->host_id,
		.ca_file = globals->ca,
		.cert_file = globals->cert,
		.key_file = globals->key,
		.faults = call->faults,
	};

	return client_new(&config, err);
}

bool migrctl_wants_json(const struct cli_call *call)
{
	const char *output = globals_of(call)->output;

	return output && strcmp(output, "json") == 0;
}

void migrctl_print_list(const struct cli_call *call, struct json_object *list,
			const struct table_field *fields)
{
	if (migrctl_wants_json(call))
		table_print_json(stdout, list);
	else
		table_print_list(stdout, list, fields);
}

void migrctl_print_object(const struct cli_call *call, struct json_object *obj,
			  const struct table_field *fields)
{
	if (migrctl_wants_json(call))
		table_print_json(stdout, obj);
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

bool migrctl_list(struct cli_call *call, const char *path, const char *query,
		  const struct table_field *fields, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *list = NULL;

	if (!client || !client_list(client, path, query, &list, err))
		return false;
	migrctl_print_list(call, list, fields);
	return true;
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
