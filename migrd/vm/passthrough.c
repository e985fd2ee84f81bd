/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/passthrough.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "vm/entry.h"
#include "vm/vm_priv.h"

#define HMP_BY_QMP "human-monitor-command"

struct passthrough {
	struct loop *loop;
	char name[MONITOR_REQUEST_NAME_SIZE];
	struct json_object *args;
	uint64_t until_ms;
	struct vm_entry *entry;
	qmp_reply_fn *done;
	void *data;
};

void passthrough_judge(const struct monitor_request *request, struct refused_verdict *ret)
{
	if (request->protocol == MONITOR_PROTOCOL_HMP)
		refused_judge_hmp(request->line, ret);
	else
		refused_judge_qmp(request->name, request->args, ret);
}

static void finish(struct passthrough *pass, struct json_object *result, const struct err *err)
{
	pass->done(pass->data, result, err);
	json_object_put(pass->args);
	free(pass);
}

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	struct passthrough *pass = data;

	vm_leave(pass->entry);
	finish(pass, result, err);
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct passthrough *pass = data;
	uint64_t now_ms = loop_now_ms(pass->loop);

	if (!entry) {
		finish(pass, NULL, err);
		return;
	}
	pass->entry = entry;
	vm_entry_command(entry, pass->name, TAKE_PTR(pass->args),
			 now_ms < pass->until_ms ? (uint32_t)(pass->until_ms - now_ms) : 1,
			 on_reply, pass);
}

static void set_command(struct passthrough *pass, const struct monitor_request *request)
{
	switch ((enum monitor_protocol)request->protocol) {
	case MONITOR_PROTOCOL_QMP:
		snprintf(pass->name, sizeof(pass->name), "%s", request->name);
		pass->args = json_object_get(request->args);
		break;
	case MONITOR_PROTOCOL_HMP:
		snprintf(pass->name, sizeof(pass->name), HMP_BY_QMP);
		pass->args = json_object_new_object();
		json_add_str(pass->args, "command-line", request->line);
		break;
	}
}

void passthrough_send(struct vm *vm, const struct monitor_request *request,
		      const struct refused_verdict *verdict, qmp_reply_fn *done, void *data)
{
	struct passthrough *pass = xnew(struct passthrough);
	bool is_query = verdict->class == REFUSED_CLASS_QUERY;
	uint32_t timeout_ms = (uint32_t)request->timeout_ms;

	assert(verdict->class != REFUSED_CLASS_REFUSED);
	pass->loop = vm->vms->env.qemu.loop;
	pass->until_ms = loop_now_ms(pass->loop) + timeout_ms;
	pass->done = done;
	pass->data = data;
	set_command(pass, request);
	vm_enter(vm, is_query ? VM_SYNC_QUERY : VM_SYNC_MODIFY, timeout_ms, on_entered, pass);
}
