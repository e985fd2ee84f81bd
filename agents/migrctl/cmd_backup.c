/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_backup.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

/* An absolute path for the daemon.  A relative FILE belongs to this host's working directory,
 * even if the daemon is on another host. */
static char *absolute(const char *file)
{
	CLEANUP(free_charp) char *here = file[0] == '/' ? NULL : getcwd(NULL, 0);

	return here ? xasprintf("%s/%s", here, file) : xstrdup(file);
}

static bool run_backup(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *reply = NULL;
	CLEANUP(free_charp) char *file = call->word_count ? absolute(call->words[0]) : NULL;
	char text[TABLE_WORDS_SIZE];
	struct client_request request = { .method = "POST", .path = "/v1/host/backup" };

	if (file)
		json_add_str(body, "file", file);
	request.body = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	request.body_len = strlen(request.body);
	if (!client || !client_call(client, &request, &reply, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, reply);
	else
		printf("%s\n", table_words(reply, "file", text));
	return true;
}

const struct cli_command cmd_backup = {
	.noun = "backup",
	.args = "[FILE]",
	.max_args = 1,
	.summary = "copy the state database of this host while it is in use",
	.details = "The file is made on the host of the daemon, which names it if FILE is left\n"
		   "out.  `migrd --restore FILE' puts it back, while the daemon is not running.\n",
	.run = run_backup,
};
