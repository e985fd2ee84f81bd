/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_policy.h"

#include <stdlib.h>
#include <string.h>

#include "agents/lib/units.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

static const struct table_field list_fields[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "BUILT IN", "built_in", TABLE_TEXT },
	{ "POST-COPY", "postcopy", TABLE_TEXT },
	{ "TIMEOUT", "timeout", TABLE_TEXT },
	{ "DESCRIPTION", "description", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "name", "name", TABLE_TEXT },
	{ "built in", "built_in", TABLE_TEXT },
	{ "description", "description", TABLE_TEXT },
	{ "bandwidth limit", "bandwidth_bytes_per_s", TABLE_RATE },
	{ "downtime limit", "downtime_limit_ms", TABLE_MS },
	{ "downtime ceiling", "downtime_ceiling_ms", TABLE_MS },
	{ "channels", "channels", TABLE_NUMBER },
	{ "compression", "compression", TABLE_TEXT },
	{ "CPU throttle up to", "throttle_max_percent", TABLE_PERCENT },
	{ "post-copy", "postcopy", TABLE_TEXT },
	{ "deadline", "deadline_s", TABLE_SECONDS },
	{ "more for each GiB", "deadline_s_per_gib", TABLE_SECONDS },
	{ "timeout", "timeout", TABLE_TEXT },
	{ "outage ping", "outage_ping_ms", TABLE_MS },
	{ "only observes", "observe", TABLE_TEXT },
	{ "selector", "selector", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool send(struct client *client, const char *method, const char *path,
		 struct json_object *body, struct json_object **ret, struct err *err)
{
	const char *text =
		body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL;
	const struct client_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = text ? strlen(text) : 0,
	};

	return client_call(client, &request, ret, err);
}

/* ---- look ---------------------------------------------------------------------- */

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/policies", "", list_fields, err);
}

static bool run_show(struct cli_call *call, struct err *err)
{
	return migrctl_show(call, "/v1/policies/", show_fields, err);
}

/* ---- set ----------------------------------------------------------------------- */

/* What only a reply has. */
static const char *const shown_only[] = { "built_in", "created_at", "updated_at" };

/* An integer, true or false, else a text: the daemon says if it should be another. */
static struct json_object *value_of(const char *key, const char *text)
{
	uint64_t number;
	struct err ignored;
	char *end;

	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_object_new_boolean(text[0] == 't');
	if (strcmp(key, "bandwidth_bytes_per_s") == 0 && units_parse_bytes(text, &number, &ignored))
		return json_object_new_uint64(number);
	if (strcmp(key, "description") != 0 && text[0] >= '0' && text[0] <= '9') {
		number = strtoull(text, &end, 10);
		if (!*end)
			return json_object_new_uint64(number);
	}
	return json_object_new_string(text);
}

/* WORD: key=value; "key=" leaves the key out; "selector.LABEL=value" is a label of the selector. */
static bool set_one(struct json_object *policy, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');
	CLEANUP(free_charp) char *key = equals ? xstrndup(word, (size_t)(equals - word)) : NULL;
	struct json_object *object = policy;
	const char *member = key;

	if (!key || !*key)
		return err_set(err, ERR_INVALID,
			       "'%s': a setting is KEY=VALUE, such as "
			       "deadline_s=60",
			       word);
	if (strncmp(key, "selector.", strlen("selector.")) == 0) {
		member = key + strlen("selector.");
		object = json_get_obj(policy, "selector");
		if (!object) {
			object = json_object_new_object();
			json_object_object_add(policy, "selector", object);
		}
	}
	if (equals[1] || object != policy)
		json_object_object_add(object, member,
				       object == policy ? value_of(member, equals + 1)
							: json_object_new_string(equals + 1));
	else
		json_object_object_del(object, member);
	return true;
}

/* The policy of this name as it is, to be changed; a new one if there is none. */
static bool get_or_make(struct client *client, const char *path, struct json_object **ret,
			struct err *err)
{
	struct err missing = { 0 };

	if (client_get(client, path, ret, &missing)) {
		for (size_t i = 0; i < ARRAY_LEN(shown_only); i++)
			json_object_object_del(*ret, shown_only[i]);
		return true;
	}
	if (missing.code != ERR_NOT_FOUND) {
		*err = missing;
		return false;
	}
	*ret = json_object_new_object();
	return true;
}

static bool read_policy(const char *file, struct json_object **ret, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	struct faults *faults = faults_new();

	if (!migrctl_read_file(file, &text, err)) {
		faults_free(faults);
		return false;
	}
	*ret = json_parse(text.data, text.len, &json_limits_default, faults);
	if (!*ret)
		faults_to_err(faults, err);
	faults_free(faults);
	if (*ret && !json_get_str(*ret, "name"))
		return err_set(err, ERR_INVALID, "'%s' does not name the policy: add \"name\"",
			       file);
	return *ret || err_wrap(err, "'%s'", file);
}

static bool run_set(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = NULL;
	CLEANUP(json_putp) struct json_object *policy = NULL;
	CLEANUP(free_charp) char *path = NULL;

	if (!client)
		return false;
	if (call->word_count == 1) {
		if (!read_policy(call->words[0], &body, err))
			return false;
		path = client_path("/v1/policies/", json_get_str(body, "name"), "");
	} else {
		path = client_path("/v1/policies/", call->words[0], "");
		if (!get_or_make(client, path, &body, err))
			return false;
		for (int i = 1; i < call->word_count; i++)
			if (!set_one(body, call->words[i], err))
				return false;
	}
	if (!send(client, "PUT", path, body, &policy, err))
		return false;
	migrctl_print_object(call, policy, show_fields);
	return true;
}

static bool run_delete(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/policies/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *reply = NULL;

	return client && send(client, "DELETE", path, NULL, &reply, err);
}

const struct cli_command cmd_policy_list = {
	.noun = "policy",
	.verb = "list",
	.summary = "how moves may treat their guests: the policies of this host",
	.run = run_list,
};

const struct cli_command cmd_policy_show = {
	.noun = "policy",
	.verb = "show",
	.args = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "all about one policy",
	.run = run_show,
};

const struct cli_command cmd_policy_set = {
	.noun = "policy",
	.verb = "set",
	.args = "FILE|NAME KEY=VALUE...",
	.min_args = 1,
	.max_args = -1,
	.summary =
		"make a policy or change it, by a JSON file ('-': standard input) or by settings",
	.details =
		"With settings, those that are not given stay as they are; KEY= leaves one out.\n"
		"selector.LABEL=VALUE adds a label of the guests whose moves have this policy.\n"
		"Moves that are under way keep their own copy: `move set --policy' changes it.\n",
	.run = run_set,
};

const struct cli_command cmd_policy_delete = {
	.noun = "policy",
	.verb = "delete",
	.args = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "remove a policy that no guest names",
	.run = run_delete,
};

/* ---- of a guest ------------------------------------------------------------------ */

static bool patch_vm(struct cli_call *call, struct json_object *body, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *vm = NULL;
	static const struct table_field fields[] = {
		{ "name", "name", TABLE_TEXT },
		{ "labels", "definition.labels", TABLE_TEXT },
		{ "policy", "definition.policy", TABLE_TEXT },
		{ NULL, NULL, TABLE_TEXT },
	};

	if (!client || !send(client, "PATCH", path, body, &vm, err))
		return false;
	migrctl_print_object(call, vm, fields);
	return true;
}

static bool run_label(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	struct json_object *labels = json_object_new_object();

	json_object_object_add(body, "labels", labels);
	for (int i = 1; i < call->word_count; i++) {
		const char *word = call->words[i], *equals = strchr(word, '=');
		size_t len = equals ? (size_t)(equals - word) : strlen(word);
		CLEANUP(free_charp) char *key = NULL;

		if (!equals && (!len || word[len - 1] != '-'))
			return err_set(err, ERR_INVALID,
				       "'%s': a label is KEY=VALUE, and KEY- removes one", word);
		key = xstrndup(word, equals ? len : len - 1);
		json_add_str(labels, key, equals ? equals + 1 : NULL);
	}
	return patch_vm(call, body, err);
}

static bool run_set_policy(struct cli_call *call, struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	json_add_str(body, "policy", call->word_count > 1 ? call->words[1] : "");
	return patch_vm(call, body, err);
}

const struct cli_command cmd_vm_label = {
	.noun = "vm",
	.verb = "label",
	.args = "VM KEY=VALUE|KEY-...",
	.min_args = 2,
	.max_args = -1,
	.summary = "add, change and remove (KEY-) labels of a guest, also while it runs",
	.details = "Policies are chosen by labels; see `policy set'.\n",
	.run = run_label,
};

const struct cli_command cmd_vm_set_policy = {
	.noun = "vm",
	.verb = "set-policy",
	.args = "VM [NAME]",
	.min_args = 1,
	.max_args = 2,
	.summary = "name the policy of a guest's moves; without NAME: none, so that its labels say",
	.run = run_set_policy,
};
