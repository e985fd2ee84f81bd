/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_edit.h"

#include "agents/migrctl/edit_file.h"
#include "agents/migrctl/edit_session.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include <stdio.h>

#define MIB ((uint64_t)1 << 20)

struct edit_values {
	struct cli_number memory, vcpus;
	const char *cpu_model, *boot_order, *remove, *file, *when;
};

#define VALUE(member) .offset = offsetof(struct edit_values, member)

static const char *const when_choices[] = { "auto", "now", "next-start", NULL };

static const struct cli_option edit_options[] = {
	{ .name = "memory",
	  .type = CLI_BYTES,
	  VALUE(memory),
	  .min = MIB,
	  .max = MIB << 24,
	  .arg = "BYTES",
	  .help = "its main memory, such as 8G; whole MiB" },
	{ .name = "vcpus",
	  .type = CLI_COUNT,
	  VALUE(vcpus),
	  .min = 1,
	  .max = 1024,
	  .arg = "N",
	  .help = "its vCPUs, without those of vCPU devices" },
	{ .name = "cpu-model",
	  .type = CLI_TEXT,
	  VALUE(cpu_model),
	  .arg = "MODEL",
	  .help = "CPU model of QEMU with its features" },
	{ .name = "boot-order",
	  .type = CLI_TEXT,
	  VALUE(boot_order),
	  .arg = "DEVICE[,DEVICE...]",
	  .help = "disks and CD drives in the order in which the firmware tries them; the others "
		  "are not tried" },
	{ .name = "remove",
	  .type = CLI_TEXT,
	  VALUE(remove),
	  .arg = "DEVICE[,DEVICE...]",
	  .help = "disks, network interfaces and CD drives that go; their images stay" },
	{ .name = "file",
	  .type = CLI_TEXT,
	  VALUE(file),
	  .arg = "FILE",
	  .help = "more changes, as JSON ('-': standard input): disks, nics, cdroms, and all "
		  "of the above" },
	{ .name = "when",
	  .type = CLI_CHOICE,
	  VALUE(when),
	  .choices = when_choices,
	  .arg = "auto|now|next-start",
	  .help = "auto (default): now if it is stopped, else when it is started next" },
	{ .name = NULL },
};

/* The object in the file PATH; NULL and ERR: there is none. */
static struct json_object *read_changes(const char *path, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	struct faults *faults = faults_new();
	struct json_object *ret = NULL;

	if (migrctl_read_file(path, &text, err)) {
		ret = json_parse(strbuf_str(&text), text.len, &json_limits_default, faults);
		if (!ret)
			faults_to_err(faults, err);
		else if (!json_object_is_type(ret, json_type_object))
			err_set(err, ERR_INVALID, "file '%s': no JSON object", path);
	}
	faults_free(faults);
	if (json_object_is_type(ret, json_type_object))
		return ret;
	json_object_put(ret);
	return NULL;
}

static bool fill(const struct edit_values *values, struct json_object *body, struct err *err)
{
	if (values->memory.is_set && values->memory.value % MIB)
		return err_set(err, ERR_INVALID, "option --memory: %llu bytes are no whole MiB",
			       (unsigned long long)values->memory.value);
	if (values->memory.is_set)
		json_add_uint(body, "memory_mib", values->memory.value / MIB);
	if (values->vcpus.is_set)
		json_add_uint(body, "vcpus", values->vcpus.value);
	if (values->cpu_model)
		json_add_str(body, "cpu_model", values->cpu_model);
	if (values->boot_order)
		json_object_object_add(body, "boot_order", migrctl_words(values->boot_order));
	if (values->remove)
		json_object_object_add(body, "remove", migrctl_words(values->remove));
	if (!json_object_object_length(body))
		return err_set(err, ERR_INVALID,
			       "nothing to change: give --memory, --vcpus, --cpu-model, "
			       "--boot-order, --remove or --file, or set VISUAL or EDITOR to an "
			       "editor");
	if (values->when)
		json_add_str(body, "when", values->when);
	return true;
}

/* "vm1: memory_mib: now", "vm1: vcpus: next-start: WHY". */
static void print_edits(const char *name, struct json_object *vm)
{
	struct json_object *edits = table_member(vm, "edits");
	char member[TABLE_CELL_SIZE], applied[TABLE_CELL_SIZE], why[TABLE_WORDS_SIZE];

	for (size_t i = 0; i < json_count(edits); i++) {
		struct json_object *edit = json_object_array_get_idx(edits, i);

		table_words(edit, "why", why);
		printf("%s: %s: %s%s%s\n", name, table_text(edit, "member", member),
		       table_text(edit, "applied", applied), why[0] ? ": " : "", why);
	}
}

static void print(const struct cli_call *call, struct json_object *vm)
{
	if (migrctl_wants_json(call))
		migrctl_print_data(call, vm);
	else
		print_edits(call->words[0], vm);
}

static bool run_editor(struct cli_call *call, struct err *err)
{
	const struct edit_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *vm = NULL;

	if (!client || !edit_session_run(client, call->words[0], values->when, &vm, err))
		return false;
	if (vm)
		print(call, vm);
	else
		fprintf(stderr, "VM '%s': nothing was changed\n", call->words[0]);
	return true;
}

static bool has_changes(const struct edit_values *values)
{
	return values->memory.is_set || values->vcpus.is_set || values->cpu_model ||
	       values->boot_order || values->remove || values->file;
}

static bool run_edit(struct cli_call *call, struct err *err)
{
	const struct edit_values *values = call->values;
	bool is_typed = !has_changes(values) && edit_file_editor();
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp)
	struct json_object *body =
		values->file ? read_changes(values->file, err) : json_object_new_object();
	CLEANUP(json_putp) struct json_object *vm = NULL;
	struct client_request request = { .method = "PATCH", .path = path };

	if (is_typed)
		return run_editor(call, err);
	if (!body || !fill(values, body, err))
		return false;
	client = migrctl_client(call, err);
	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &vm, err))
		return false;
	print(call, vm);
	return true;
}

const struct cli_command cmd_vm_edit = {
	.noun = "vm",
	.verb = "edit",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = edit_options,
	.values_size = sizeof(struct edit_values),
	.summary = "change its memory, vCPUs, CPU model, boot order, disks, NICs or CD drives",
	.details =
		"Without options but --when: in the editor of VISUAL or EDITOR, on its "
		"definition.\n"
		"Of a stopped guest now; of one that runs when it is started next, unless\n"
		"--when says another.  What waits is in `next' of its definition, and goes with\n"
		"it when it is moved; the value that it has now takes that back.  A disk, NIC "
		"or\n"
		"CD drive of the file takes the place of the one with its id, or is added.\n"
		"`vm attach' and `vm detach' do that with disks and NICs while the guest runs,\n"
		"`vm insert' and `vm eject' change what is in a drive.\n",
	.run = run_edit,
};
