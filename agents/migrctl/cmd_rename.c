/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_rename.h"

#include <stdio.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

static bool run_rename(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/rename");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *vm = NULL;
	struct client_request request = { .method = "POST", .path = path };
	char name[TABLE_CELL_SIZE];

	json_add_str(body, "name", call->words[1]);
	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &vm, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, vm);
	else
		printf("%s: was %s\n", table_text(vm, "name", name), call->words[0]);
	return true;
}

const struct cli_command cmd_vm_rename = {
	.noun = "vm",
	.verb = "rename",
	.args = "VM NEW-NAME",
	.min_args = 2,
	.max_args = 2,
	.summary = "give a guest another name",
	.details =
		"Its uuid stays, by which hosts, moves and holds know it; records of moves that\n"
		"were keep the name of then.  The QEMU of one that runs is shown by ps(1) with\n"
		"the name that it was started with until it is started next, or has moved.\n",
	.run = run_rename,
};
