/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_webhook.h"

#include <string.h>

#include "agents/lib/units.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

#define PATH "/v1/webhooks/"

struct webhook_values {
	struct cli_texts types;
	const char *url, *vm, *move, *about_host, *secret_file, *description;
	const char *timeout, *retry_min, *retry_max, *expire;
	bool enable, disable, remove;
};
#define VALUE(field) .offset = offsetof(struct webhook_values, field)

static const struct table_field list_fields[] = {
	{ "ID", "id", TABLE_TEXT },           { "URL", "url", TABLE_TEXT },
	{ "ENABLED", "enabled", TABLE_TEXT }, { "PENDING", "pending", TABLE_NUMBER },
	{ "DEAD", "dead", TABLE_NUMBER },     { "LAST ERROR", "error", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "url", "url", TABLE_TEXT },
	{ "description", "description", TABLE_TEXT },
	{ "host", "host_id", TABLE_TEXT },
	{ "types", "types", TABLE_TEXT },
	{ "about VM", "vm", TABLE_TEXT },
	{ "about move", "move", TABLE_TEXT },
	{ "about host", "host", TABLE_TEXT },
	{ "enabled", "enabled", TABLE_TEXT },
	{ "why disabled", "disabled_reason", TABLE_TEXT },
	{ "secrets", "secrets", TABLE_TEXT },
	{ "answers within", "timeout_s", TABLE_SECONDS },
	{ "first pause", "retry_min_s", TABLE_SECONDS },
	{ "longest pause", "retry_max_s", TABLE_SECONDS },
	{ "expires after", "expire_s", TABLE_SECONDS },
	{ "number of the newest", "number", TABLE_NUMBER },
	{ "pending", "pending", TABLE_NUMBER },
	{ "pending bytes", "pending_bytes", TABLE_BYTES },
	{ "dead", "dead", TABLE_NUMBER },
	{ "delivered", "delivered", TABLE_NUMBER },
	{ "failed tries", "failed", TABLE_NUMBER },
	{ "lost events", "lost", TABLE_NUMBER },
	{ "oldest pending", "oldest_pending_at", TABLE_TEXT },
	{ "next try", "next_try_at", TABLE_TEXT },
	{ "delivered last", "delivered_at", TABLE_TEXT },
	{ "last error", "error", TABLE_TEXT },
	{ "created by", "created_by", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field dead_fields[] = {
	{ "NUMBER", "number", TABLE_NUMBER },
	{ "TYPE", "type", TABLE_TEXT },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "TRIES", "tries", TABLE_NUMBER },
	{ "STATUS", "status", TABLE_NUMBER },
	{ "ERROR", "error", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field test_fields[] = {
	{ "delivered", "delivered", TABLE_TEXT },
	{ "HTTP status", "status", TABLE_NUMBER },
	{ "took", "took_ms", TABLE_MS },
	{ "error", "error", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool send(struct cli_call *call, const char *method, const char *path,
		 struct json_object *body, struct json_object **ret, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	const char *text = body ? json_text(body, NULL) : NULL;
	const struct client_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = text ? strlen(text) : 0,
	};

	return client && client_call(client, &request, ret, err);
}

/* ---- add, set ---------------------------------------------------------------------- */

static void add_text(struct json_object *body, const char *key, const char *value)
{
	if (value)
		json_add_str(body, key, value);
}

static bool add_seconds(struct json_object *body, const char *key, const char *option,
			const char *value, struct err *err)
{
	uint64_t seconds;

	if (!value)
		return true;
	if (!units_parse_seconds(value, &seconds, err))
		return err_wrap(err, "%s", option);
	json_add_uint(body, key, seconds);
	return true;
}

/* One secret a line. */
static bool add_secrets(struct json_object *body, const char *path, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	CLEANUP(free_charp) char *lines = NULL;
	struct json_object *list;
	char *rest;
	const char *line;

	if (!path)
		return true;
	if (!migrctl_read_file(path, &text, err))
		return false;
	list = json_object_new_array();
	lines = strbuf_take(&text);
	rest = lines;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			json_object_array_add(list, json_new_str(line));
	json_object_object_add(body, "secrets", list);
	return true;
}

static bool fill(struct json_object *body, const struct webhook_values *values, struct err *err)
{
	if (values->types.count) {
		struct json_object *list = json_object_new_array();

		for (size_t i = 0; i < values->types.count; i++)
			json_object_array_add(list, json_new_str(values->types.list[i]));
		json_object_object_add(body, "types", list);
	}
	add_text(body, "vm", values->vm);
	add_text(body, "move", values->move);
	add_text(body, "host", values->about_host);
	add_text(body, "description", values->description);
	return add_seconds(body, "timeout_s", "--timeout", values->timeout, err) &&
	       add_seconds(body, "retry_min_s", "--retry-min", values->retry_min, err) &&
	       add_seconds(body, "retry_max_s", "--retry-max", values->retry_max, err) &&
	       add_seconds(body, "expire_s", "--expire", values->expire, err) &&
	       add_secrets(body, values->secret_file, err);
}

static bool run_add(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *webhook = NULL;

	json_add_str(body, "url", call->words[0]);
	if (!fill(body, call->values, err) ||
	    !send(call, "POST", "/v1/webhooks", body, &webhook, err))
		return false;
	migrctl_print_object(call, webhook, show_fields);
	return true;
}

static bool run_set(struct cli_call *call, struct err *err)
{
	const struct webhook_values *values = call->values;
	CLEANUP(free_charp) char *path = client_path(PATH, call->words[0], "");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *webhook = NULL;

	add_text(body, "url", values->url);
	if (values->enable && values->disable)
		return err_set(err, ERR_INVALID, "--enable and --disable: one of the two");
	if (values->enable || values->disable)
		json_add_bool(body, "enabled", values->enable);
	if (!fill(body, values, err) || !send(call, "PATCH", path, body, &webhook, err))
		return false;
	migrctl_print_object(call, webhook, show_fields);
	return true;
}

#define OPTION(name_, field, arg_, help_)                                                  \
	{                                                                                  \
		.name = name_, .type = CLI_TEXT, VALUE(field), .arg = arg_, .help = help_, \
	}

#define OPTIONS                                                                                \
	{                                                                                      \
		.name = "type",                                                                \
		.type = CLI_TEXTS,                                                             \
		VALUE(types),                                                                  \
		.arg = "TYPE",                                                                 \
		.help = "only events of this type; may be given more than once",               \
	},                                                                                     \
		OPTION("vm", vm, "VM", "only what is about this guest"),                       \
		OPTION("move", move, "ID", "only what is about this move"),                    \
		OPTION("about-host", about_host, "HOST", "only what is about this host"),      \
		OPTION("description", description, "TEXT", "what it is for, for people"),      \
		OPTION("secret-file", secret_file, "FILE",                                     \
		       "keys that sign, one a line, as `whsec_...'; two while one is "         \
		       "replaced; - is standard input"),                                       \
		OPTION("timeout", timeout, "TIME", "how long an answer may take (10 s)"),      \
		OPTION("retry-min", retry_min, "TIME", "the first pause between tries (5 s)"), \
		OPTION("retry-max", retry_max, "TIME", "the longest one (30m)"),               \
		OPTION("expire", expire, "TIME", "how long each event is tried (1d)")

static const struct cli_option add_options[] = { OPTIONS, { .name = NULL } };

const struct cli_command cmd_webhook_add = {
	.noun = "webhook",
	.verb = "add",
	.args = "URL",
	.min_args = 1,
	.max_args = 1,
	.options = add_options,
	.values_size = sizeof(struct webhook_values),
	.summary = "have events of this host sent to a url, signed",
	.details =
		"Without --secret-file a key is made; it is shown now, and never again.  Events\n"
		"are kept, over restarts too, until they are heard or expire.\n",
	.run = run_add,
};

static const struct cli_option set_options[] = {
	OPTION("url", url, "URL", "another url"),
	OPTIONS,
	{
		.name = "enable",
		.type = CLI_FLAG,
		VALUE(enable),
		.help = "tell it of events again",
	},
	{
		.name = "disable",
		.type = CLI_FLAG,
		VALUE(disable),
		.help = "tell it nothing until it is enabled again",
	},
	{ .name = NULL },
};

const struct cli_command cmd_webhook_set = {
	.noun = "webhook",
	.verb = "set",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = set_options,
	.values_size = sizeof(struct webhook_values),
	.summary = "change a webhook, disable it or enable it again",
	.run = run_set,
};

/* ---- look ---------------------------------------------------------------------------- */

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/webhooks", "", list_fields, err);
}

const struct cli_command cmd_webhook_list = {
	.noun = "webhook",
	.verb = "list",
	.summary = "the webhooks of this host, and what each has not heard yet",
	.run = run_list,
};

static bool run_show(struct cli_call *call, struct err *err)
{
	return migrctl_show(call, PATH, show_fields, err);
}

const struct cli_command cmd_webhook_show = {
	.noun = "webhook",
	.verb = "show",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "all about one webhook but its keys",
	.run = run_show,
};

static bool run_dead(struct cli_call *call, struct err *err)
{
	const struct webhook_values *values = call->values;
	CLEANUP(free_charp) char *path = client_path(PATH, call->words[0], "/dead");
	CLEANUP(json_putp) struct json_object *ignored = NULL;

	if (values->remove)
		return send(call, "DELETE", path, NULL, &ignored, err);
	return migrctl_list(call, path, "", dead_fields, err);
}

static const struct cli_option dead_options[] = {
	{
		.name = "remove",
		.type = CLI_FLAG,
		VALUE(remove),
		.help = "remove all of them",
	},
	{ .name = NULL },
};

const struct cli_command cmd_webhook_dead = {
	.noun = "webhook",
	.verb = "dead",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = dead_options,
	.values_size = sizeof(struct webhook_values),
	.summary = "events that it was not told before they expired, and why",
	.run = run_dead,
};

/* ---- act ------------------------------------------------------------------------------- */

static bool run_redeliver(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *of_one = client_path(PATH, call->words[0], "/dead/");
	CLEANUP(free_charp)
	char *path = call->word_count > 1 ? client_path(of_one, call->words[1], "/redeliver")
					  : client_path(PATH, call->words[0], "/redeliver");
	CLEANUP(json_putp) struct json_object *webhook = NULL;

	if (!send(call, "POST", path, NULL, &webhook, err))
		return false;
	migrctl_print_object(call, webhook, show_fields);
	return true;
}

const struct cli_command cmd_webhook_redeliver = {
	.noun = "webhook",
	.verb = "redeliver",
	.args = "ID [NUMBER]",
	.min_args = 1,
	.max_args = 2,
	.summary = "try dead events again: all, or one",
	.run = run_redeliver,
};

static bool run_test(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path(PATH, call->words[0], "/test");
	CLEANUP(json_putp) struct json_object *result = NULL;
	const char *error;

	if (!send(call, "POST", path, NULL, &result, err))
		return false;
	migrctl_print_object(call, result, test_fields);
	error = json_get_str(result, "error");
	return !error || err_set(err, ERR_UNAVAILABLE, "the test was not delivered: %s", error);
}

const struct cli_command cmd_webhook_test = {
	.noun = "webhook",
	.verb = "test",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "send it a test now, and see what it answers",
	.run = run_test,
};

static bool run_remove(struct cli_call *call, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path(PATH, call->words[0], "");
	CLEANUP(json_putp) struct json_object *ignored = NULL;

	return send(call, "DELETE", path, NULL, &ignored, err);
}

const struct cli_command cmd_webhook_remove = {
	.noun = "webhook",
	.verb = "remove",
	.args = "ID",
	.min_args = 1,
	.max_args = 1,
	.summary = "remove a webhook, with what it was not told yet",
	.run = run_remove,
};
