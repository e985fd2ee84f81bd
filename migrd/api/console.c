/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of guests' consoles and displays. */
#include <string.h>

#include "api/api.h"

/* NULL: REQ was answered, or it was opened, or refused; else it is still to be told who has it. */
static struct vm *open_or_tell(struct http_request *req, const struct api *api,
			       enum console_kind kind)
{
	const char *take = http_query(req, "take");
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct err err;

	if (!vm)
		return NULL;
	if (!http_header(req, "Upgrade")) {
		if (console_is_there(kind, vm, &err))
			return vm;
		http_reply_err(req, &err);
	} else if (!console_open(api->consoles, kind, vm, req, take && strcmp(take, "true") == 0,
				 &err)) {
		http_reply_err(req, &err);
	}
	return NULL;
}

void api_vm_console(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct vm *vm = open_or_tell(req, api, CONSOLE_SERIAL);
	const char *users[CONSOLE_VNC_USERS_MAX] = { NULL };

	if (!vm)
		return;
	console_users(api->consoles, CONSOLE_SERIAL, vm, users);
	http_reply_as(req, 200, vm_console_fields, &(struct vm_console_reply){ users[0] });
}

void api_vm_vnc(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct vm *vm = open_or_tell(req, api, CONSOLE_VNC);
	const char *users[CONSOLE_VNC_USERS_MAX];
	struct vm_vnc_reply reply = { .users = users };

	if (!vm)
		return;
	reply.user_count = console_users(api->consoles, CONSOLE_VNC, vm, users);
	http_reply_as(req, 200, vm_vnc_fields, &reply);
}
