/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/migrctl.h"

#include <string.h>

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
