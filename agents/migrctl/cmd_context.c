/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/migrctl/contexts.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/reach.h"
#include "base/mem.h"

static const struct table_field list_fields[] = {
	{ "CURRENT", "current", TABLE_TEXT }, { "NAME", "name", TABLE_TEXT },
	{ "HOST", "host", TABLE_TEXT },       { "HOST ID", "host_id", TABLE_TEXT },
	{ "SOCKET", "socket", TABLE_TEXT },   { NULL, NULL, TABLE_TEXT },
};

static const struct table_field wide_fields[] = {
	{ "CERTIFICATE", "cert", TABLE_TEXT },
	{ "KEY", "key", TABLE_TEXT },
	{ "CA", "ca", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "context", "name", TABLE_TEXT },  { "said by", "from", TABLE_TEXT },
	{ "host", "host", TABLE_TEXT },     { "host id", "host_id", TABLE_TEXT },
	{ "socket", "socket", TABLE_TEXT }, { "certificate", "cert", TABLE_TEXT },
	{ "key", "key", TABLE_TEXT },       { "CA", "ca", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct migrctl_globals *globals_of(const struct cli_call *call)
{
	return call->globals;
}

static void contexts_freep(struct contexts **contexts)
{
	contexts_free(*contexts);
}

/* ---- add ------------------------------------------------------------------------- */

struct add_values {
	bool use, replace;
};

struct add {
	struct context context;
	const struct add_values *values;
};

/* The file is found from any directory; the caller frees it. */
static bool absolute(const char *path, char **ret_path, struct err *err)
{
	CLEANUP(free_charp) char *here = NULL;

	if (!path || path[0] == '/') {
		*ret_path = path ? xstrdup(path) : NULL;
		return true;
	}
	here = getcwd(NULL, 0);
	if (!here)
		return err_errno(err, "cannot find the present directory");
	*ret_path = xasprintf("%s/%s", here, path);
	return true;
}

static bool take_options(const struct migrctl_globals *globals, const char *name,
			 struct context *context, struct err *err)
{
	if (!id_name_is_valid(name) || strcmp(name, CONTEXTS_LOCAL) == 0)
		return err_set(err, ERR_INVALID,
			       "'%.64s' is no name for a context: 1 to 63 of letters, digits, '.', "
			       "'_' and '-', a letter or digit first, and not '" CONTEXTS_LOCAL "'",
			       name);
	if (!globals->host == !globals->socket)
		return err_set(err, ERR_INVALID,
			       "say where the daemon is: --host, with --cert, --key and --ca, or "
			       "--socket");
	snprintf(context->name, sizeof(context->name), "%s", name);
	context->host = globals->host ? xstrdup(globals->host) : NULL;
	context->host_id = globals->host_id ? xstrdup(globals->host_id) : NULL;
	return absolute(globals->socket, &context->socket, err) &&
	       absolute(globals->cert, &context->cert, err) &&
	       absolute(globals->key, &context->key, err) &&
	       absolute(globals->ca, &context->ca, err);
}

/* As each command will: reads the files, asks nobody. */
static bool try_it(const struct context *context, struct err *err)
{
	const struct client_config config = {
		.socket_path = context->socket,
		.host = context->host,
		.host_id = context->host_id,
		.ca_file = context->ca,
		.cert_file = context->cert,
		.key_file = context->key,
	};
	CLEANUP(migrctl_client_freep) struct client *client = client_new(&config, err);

	return client != NULL;
}

static bool add_to(struct contexts *contexts, void *data, struct err *err)
{
	const struct add *add = data;

	if (!contexts_add(contexts, &add->context, add->values->replace, err))
		return false;
	if (add->values->use)
		snprintf(contexts->current, sizeof(contexts->current), "%s", add->context.name);
	return true;
}

static bool run_add(struct cli_call *call, struct err *err)
{
	struct add add = { .values = call->values };
	bool ok = take_options(globals_of(call), call->words[0], &add.context, err) &&
		  try_it(&add.context, err) && contexts_change(add_to, &add, err);

	json_release(context_fields, &add.context);
	if (ok && !migrctl_wants_json(call))
		printf("%s: added%s\n", call->words[0], add.values->use ? ", and in use" : "");
	return ok;
}

static const struct cli_option add_options[] = {
	{ .name = "use",
	  .type = CLI_FLAG,
	  .offset = offsetof(struct add_values, use),
	  .help = "and use it from now on" },
	{ .name = "replace",
	  .type = CLI_FLAG,
	  .offset = offsetof(struct add_values, replace),
	  .help = "in place of one of this name" },
	{ .name = NULL },
};

const struct cli_command cmd_context_add = {
	.noun = "context",
	.verb = "add",
	.args = "NAME",
	.min_args = 1,
	.max_args = 1,
	.options = add_options,
	.values_size = sizeof(struct add_values),
	.summary = "give a daemon elsewhere a name: what --host, --cert, --key, --ca and --host-id "
		   "say",
	.details =
		"The files are looked at, and nobody is asked.  What is kept is where they are,\n"
		"not what is in them.\n",
	.run = run_add,
};

/* ---- look ------------------------------------------------------------------------ */

static struct json_object *shown(const struct context *context)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "name", context->name);
	json_add_str(obj, "host", context->host);
	json_add_str(obj, "host_id", context->host_id);
	json_add_str(obj, "socket", context->socket);
	json_add_str(obj, "cert", context->cert);
	json_add_str(obj, "key", context->key);
	json_add_str(obj, "ca", context->ca);
	return obj;
}

static bool run_list(struct cli_call *call, struct err *err)
{
	CLEANUP(contexts_freep) struct contexts *contexts = contexts_read(err);
	CLEANUP(json_putp) struct json_object *list = json_object_new_object();
	struct json_object *items = json_object_new_array();

	json_object_object_add(list, "items", items);
	if (!contexts)
		return false;
	for (size_t i = 0; i < contexts->count; i++) {
		struct json_object *item = shown(&contexts->list[i]);

		json_add_bool(item, "current",
			      strcmp(contexts->current, contexts->list[i].name) == 0);
		json_object_array_add(items, item);
	}
	migrctl_print_wide(call, list, list_fields, wide_fields);
	return true;
}

static bool show_named(struct cli_call *call, struct err *err)
{
	CLEANUP(contexts_freep) struct contexts *contexts = contexts_read(err);
	const struct context *context =
		contexts ? contexts_find(contexts, call->words[0], err) : NULL;
	CLEANUP(json_putp) struct json_object *obj = context ? shown(context) : NULL;

	if (obj)
		migrctl_print_object(call, obj, show_fields);
	return obj != NULL;
}

/* Where a command with these options goes now. */
static bool show_used(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	struct reach reach;
	const char *socket;

	if (!reach_find(globals_of(call), &reach, err)) {
		reach_fini(&reach);
		return false;
	}
	socket = reach.config.socket_path;
	if (!socket && !reach.config.host)
		socket = getenv(CLIENT_SOCKET_VARIABLE);
	json_add_str(obj, "name", reach.context);
	json_add_str(obj, "from", reach.from);
	json_add_str(obj, "host", reach.config.host);
	json_add_str(obj, "host_id", reach.peer ? reach.peer : reach.config.host_id);
	json_add_str(obj, "socket",
		     reach.config.host   ? NULL
		     : socket && *socket ? socket
					 : CLIENT_SOCKET);
	json_add_str(obj, "cert", reach.config.cert_file);
	json_add_str(obj, "key", reach.config.key_file);
	json_add_str(obj, "ca", reach.config.ca_file);
	migrctl_print_object(call, obj, show_fields);
	reach_fini(&reach);
	return true;
}

static bool run_show(struct cli_call *call, struct err *err)
{
	return call->word_count ? show_named(call, err) : show_used(call, err);
}

const struct cli_command cmd_context_list = {
	.noun = "context",
	.verb = "list",
	.summary = "the daemons that have a name",
	.run = run_list,
};

const struct cli_command cmd_context_show = {
	.noun = "context",
	.verb = "show",
	.args = "[NAME]",
	.max_args = 1,
	.summary = "one of them; without NAME where a command goes now, and what says so",
	.run = run_show,
};

/* ---- use, remove ------------------------------------------------------------------- */

static bool use_in(struct contexts *contexts, void *data, struct err *err)
{
	const char *name = data;
	bool is_local = strcmp(name, CONTEXTS_LOCAL) == 0;

	if (!is_local && !contexts_find(contexts, name, err))
		return false;
	snprintf(contexts->current, sizeof(contexts->current), "%s", is_local ? "" : name);
	return true;
}

static bool run_use(struct cli_call *call, struct err *err)
{
	if (!contexts_change(use_in, call->words[0], err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: in use\n", call->words[0]);
	return true;
}

static bool remove_from(struct contexts *contexts, void *data, struct err *err)
{
	struct context *context = contexts_find(contexts, data, err);

	if (context)
		contexts_remove(contexts, context);
	return context != NULL;
}

static bool run_remove(struct cli_call *call, struct err *err)
{
	if (!contexts_change(remove_from, call->words[0], err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: removed\n", call->words[0]);
	return true;
}

const struct cli_command cmd_context_use = {
	.noun = "context",
	.verb = "use",
	.args = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "let commands go to it from now on; '" CONTEXTS_LOCAL "': to this host again",
	.run = run_use,
};

const struct cli_command cmd_context_remove = {
	.noun = "context",
	.verb = "remove",
	.args = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "forget a name; its files stay",
	.run = run_remove,
};
