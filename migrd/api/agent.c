/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of guest agents. */
#include "vm/agent.h"

#include "api/api.h"
#include "base/mem.h"
#include "wire/agent_request.h"

/* The request outlives the answer. */
static void on_done(void *data, struct json_object *result, const struct err *err)
{
	struct http_request *req = data;

	if (err)
		http_reply_err(req, err);
	else
		http_reply(req, 200, json_object_get(result));
}

/* VM_AGENT_CALL_COUNT: there is no such call, and the request was answered. */
static enum vm_agent_call call_of(struct http_request *req)
{
	const char *name = http_param(req, "call");
	enum vm_agent_call call = name ? vm_agent_call_from_name(name) : VM_AGENT_FREEZE;
	struct err err;

	if (call != VM_AGENT_CALL_COUNT)
		return call;
	err_set(&err, ERR_NOT_FOUND,
		"a guest agent has no '%.32s': there are ping, info, freeze, thaw, shutdown, "
		"set-time, fs-list, network",
		name);
	http_reply_err(req, &err);
	return VM_AGENT_CALL_COUNT;
}

/* Only the body of a freeze is read.  False: the request was answered. */
static bool decode(struct http_request *req, enum vm_agent_call call,
		   struct agent_freeze_request *ret)
{
	struct faults *faults = faults_new();
	bool ok = call != VM_AGENT_FREEZE || agent_freeze_decode(http_body(req), ret, faults);

	if (!ok)
		http_reply_faults(req, faults);
	faults_free(faults);
	return ok;
}

void api_vm_agent(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct agent_freeze_request freeze = { 0 };
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	enum vm_agent_call call = vm ? call_of(req) : VM_AGENT_CALL_COUNT;

	if (call != VM_AGENT_CALL_COUNT && decode(req, call, &freeze))
		vm_agent_call(vm, call, (uint32_t)freeze.lease_ms, on_done, req);
}
