/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The route of guests' consoles. */
#include <string.h>

#include "api/api.h"

void api_vm_console(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *take = http_query(req, "take");
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct err err;

	if (!vm)
		return;
	if (!http_header(req, "Upgrade"))
		http_reply_as(req, 200, vm_console_fields,
			      &(struct vm_console_reply){ console_user(api->consoles, vm) });
	else if (!console_open(api->consoles, vm, req, take && strcmp(take, "true") == 0, &err))
		http_reply_err(req, &err);
}
