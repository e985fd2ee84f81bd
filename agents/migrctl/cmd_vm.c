/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_vm.h"

#include "agents/migrctl/cmd_fleet.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const struct table_field list_fields[] = {
	{ "NAME", "name", TABLE_TEXT },           { "STATE", "state", TABLE_TEXT },
	{ "HOST", "host", TABLE_TEXT },           { "MEMORY", "memory_mib", TABLE_MIB },
	{ "VCPUS", "vcpus", TABLE_NUMBER },       { "JOB", "job.kind", TABLE_TEXT },
	{ "JOB STATE", "job.state", TABLE_TEXT }, { NULL, NULL, TABLE_TEXT },
};

static const struct table_field wide_fields[] = {
	{ "UUID", "uuid", TABLE_TEXT },
	{ "QEMU", "qemu_version", TABLE_TEXT },
	{ "PID", "pid", TABLE_NUMBER },
	{ "GENERATION", "generation", TABLE_NUMBER },
	{ "STARTED", "started_at", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field show_fields[] = {
	{ "name", "name", TABLE_TEXT },
	{ "uuid", "uuid", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "saved in", "saved_in", TABLE_TEXT },
	{ "host", "host", TABLE_TEXT },
	{ "it is on host", "elsewhere", TABLE_TEXT },
	{ "generation", "generation", TABLE_NUMBER },
	{ "memory", "memory_mib", TABLE_MIB },
	{ "vcpus", "vcpus", TABLE_NUMBER },
	{ "machine", "definition.machine", TABLE_TEXT },
	{ "accelerator", "definition.accel", TABLE_TEXT },
	{ "cpu model", "definition.cpu_model", TABLE_TEXT },
	{ "disks", "definition.disks", TABLE_COUNT },
	{ "nics", "definition.nics", TABLE_COUNT },
	{ "QEMU", "qemu_version", TABLE_TEXT },
	{ "pid", "pid", TABLE_NUMBER },
	{ "agent connected", "agent.connected", TABLE_TEXT },
	{ "frozen", "agent.frozen", TABLE_TEXT },
	{ "job", "job.kind", TABLE_TEXT },
	{ "job id", "job.id", TABLE_TEXT },
	{ "job state", "job.state", TABLE_TEXT },
	{ "held", "held", TABLE_TEXT },
	{ "autostart", "definition.autostart", TABLE_TEXT },
	{ "autostart waits", "autostart", TABLE_TEXT },
	{ "monitor is with", "monitor.holder.kind", TABLE_TEXT },
	{ "in QEMU's", "monitor.holder.command", TABLE_TEXT },
	{ "for (ms)", "monitor.holder.held_ms", TABLE_NUMBER },
	{ "wait for monitor", "monitor.waiting", TABLE_NUMBER },
	{ "created at", "created_at", TABLE_TEXT },
	{ "started at", "started_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* Prints "NAME: STATE" after every command that changes a VM. */
static void print_vm(const struct cli_call *call, struct json_object *vm)
{
	char name[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];

	if (migrctl_wants_json(call))
		migrctl_print_data(call, vm);
	else
		printf("%s: %s\n", table_text(vm, "name", name), table_text(vm, "state", state));
}

static bool post(struct client *client, const char *path, const struct strbuf *body,
		 struct json_object **ret_vm, struct err *err)
{
	struct client_request request = {
		.method = "POST",
		.path = path,
		.body = body ? body->data : NULL,
		.body_len = body ? body->len : 0,
	};

	return client_call(client, &request, ret_vm, err);
}

static bool act(struct client *client, const char *name, const char *action,
		struct json_object **ret_vm, struct err *err)
{
	CLEANUP(free_charp) char *suffix = xasprintf("/%s", action);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", name, suffix);

	return post(client, path, NULL, ret_vm, err);
}

/* ---- create --------------------------------------------------------------------- */

struct create_values {
	bool start;
};

static bool start_created(struct client *client, struct json_object **vm, struct err *err)
{
	struct json_object *started = NULL;
	const char *name = json_get_str(*vm, "name");

	if (!name)
		return err_set(err, ERR_PROTOCOL, "the answer does not name the VM");
	if (!act(client, name, "start", &started, err))
		return err_wrap(err, "VM '%s' is defined, but did not start", name);
	json_object_put(*vm);
	*vm = started;
	return true;
}

static bool run_create(struct cli_call *call, struct err *err)
{
	const struct create_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	CLEANUP(json_putp) struct json_object *vm = NULL;

	if (!client || !migrctl_read_file(call->words[0], &text, err))
		return false;
	if (!post(client, "/v1/vms", &text, &vm, err) ||
	    (values->start && !start_created(client, &vm, err)))
		return false;
	print_vm(call, vm);
	return true;
}

static const struct cli_option create_options[] = {
	{
		.name = "start",
		.type = CLI_FLAG,
		.offset = offsetof(struct create_values, start),
		.help = "start it at once",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_create = {
	.noun = "vm",
	.verb = "create",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.options = create_options,
	.values_size = sizeof(struct create_values),
	.summary = "define a guest by a JSON file ('-': standard input)",
	.details =
		"The definition is explained in api.md, among the documents of migrd; migrd(8) "
		"prints\n"
		"its JSON schema: `migrd --print-schema vm'.  Everything that is wrong with it is\n"
		"named at once.\n",
	.run = run_create,
};

/* ---- look ------------------------------------------------------------------------ */

struct list_values {
	bool all_hosts;
};

static const struct cli_option list_options[] = {
	OPTION_ALL_HOSTS(struct list_values, all_hosts),
	{ .name = NULL },
};

/* What is told of the VMs of all hosts has other members than GET /v1/vms. */
static const struct table_field all_fields[] = {
	{ "NAME", "name", TABLE_TEXT },           { "STATE", "state", TABLE_TEXT },
	{ "HOST", "host", TABLE_TEXT },           { "MEMORY", "memory_mib", TABLE_MIB },
	{ "VCPUS", "vcpus", TABLE_NUMBER },       { "JOB", "job", TABLE_TEXT },
	{ "ELSEWHERE", "elsewhere", TABLE_TEXT }, { NULL, NULL, TABLE_TEXT },
};

static const struct table_field all_wide_fields[] = {
	{ "UUID", "uuid", TABLE_TEXT },
	{ "QEMU", "qemu_version", TABLE_TEXT },
	{ "GENERATION", "generation", TABLE_NUMBER },
	{ "LABELS", "labels", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_list(struct cli_call *call, struct err *err)
{
	const struct list_values *values = call->values;

	if (values->all_hosts)
		return fleet_print(call, "vms", "", all_fields, all_wide_fields, err);
	return migrctl_list_wide(call, "/v1/vms", "", list_fields, wide_fields, err);
}

static bool run_show(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *vm = NULL;

	if (!client || !client_get(client, path, &vm, err))
		return false;
	migrctl_print_object(call, vm, show_fields);
	return true;
}

const struct cli_command cmd_vm_list = {
	.noun = "vm",
	.verb = "list",
	.options = list_options,
	.values_size = sizeof(struct list_values),
	.summary = "the guests of this host, or of all hosts",
	.run = run_list,
};

const struct cli_command cmd_vm_show = {
	.noun = "vm",
	.verb = "show",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "all about one guest",
	.run = run_show,
};

/* ---- change ---------------------------------------------------------------------- */

static bool run_delete(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct client_request request = { .method = "DELETE", .path = path };

	if (!client || !client_call(client, &request, &reply, err))
		return false;
	if (!migrctl_wants_json(call))
		printf("%s: deleted\n", call->words[0]);
	return true;
}

/* The command's verb is also the name of the action in the API. */
static bool run_action(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *vm = NULL;

	if (!client || !act(client, call->words[0], call->command->verb, &vm, err))
		return false;
	print_vm(call, vm);
	return true;
}

#define ACTION(verb_, summary_, run_)               \
	const struct cli_command cmd_vm_##verb_ = { \
		.noun = "vm",                       \
		.verb = #verb_,                     \
		.args = "VM",                       \
		.min_args = 1,                      \
		.max_args = 1,                      \
		.summary = summary_,                \
		.run = run_,                        \
	}

ACTION(delete, "forget a stopped guest; its disks stay", run_delete);
ACTION(stop, "end a guest at once, as if its power were cut", run_action);
ACTION(shutdown, "ask a guest to shut down", run_action);
ACTION(reset, "reset a guest, as if by its button", run_action);
ACTION(pause, "stop a guest's CPUs", run_action);

/* ---- run -------------------------------------------------------------------------- */

struct run_values {
	const char *assert_dead, *why;
};

static bool run_run(struct cli_call *call, struct err *err)
{
	const struct run_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *suffix = xasprintf("/%s", call->command->verb);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], suffix);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *vm = NULL;
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	if (values->assert_dead)
		json_object_object_add(body, "assert_dead", migrctl_words(values->assert_dead));
	if (values->why)
		json_add_str(body, "why", values->why);
	strbuf_adds(&text, json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN));
	if (!client || !post(client, path, &text, &vm, err))
		return false;
	print_vm(call, vm);
	migrctl_print_warnings(vm);
	return true;
}

static const struct cli_option run_options[] = {
	{ .name = "assert-dead",
	  .type = CLI_TEXT,
	  .offset = offsetof(struct run_values, assert_dead),
	  .arg = "HOST[,HOST...]",
	  .help = "hosts that do not answer: you have made sure that the guest does not run "
		  "there" },
	{ .name = "why",
	  .type = CLI_TEXT,
	  .offset = offsetof(struct run_values, why),
	  .arg = "TEXT",
	  .help = "for the log" },
	{ .name = NULL },
};

#define RUN_DETAILS                                                                             \
	"The peers are asked first whether they have this guest.  If a host that must answer\n" \
	"is silent, the error says which; --assert-dead is for administrators.\n"

const struct cli_command cmd_vm_start = {
	.noun = "vm",
	.verb = "start",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = run_options,
	.values_size = sizeof(struct run_values),
	.summary = "start a guest, if no other host has it",
	.details = RUN_DETAILS,
	.run = run_run,
};

const struct cli_command cmd_vm_resume = {
	.noun = "vm",
	.verb = "resume",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = run_options,
	.values_size = sizeof(struct run_values),
	.summary = "let a paused guest run",
	.details = RUN_DETAILS,
	.run = run_run,
};
