/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* POST /v1/vms/{name}/monitor: a command of an administrator for a QEMU.
 *
 * The log names the caller, the VM, the command and the result; never the arguments,
 * which may be secrets.  A command that may have changed something, or was refused, is
 * an event too; a query is not. */
#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/passthrough.h"
#include "wire/event.h"

/* A command until its answer. */
struct asked {
	struct http_request *req;
	struct api *api;
	char vm[ID_NAME_SIZE];
	const char *protocol;
	struct refused_verdict verdict;
	uint64_t since_ms;
};

/* ---- the record ----------------------------------------------------------- */

static void write_log(const struct asked *asked, const char *result)
{
	const struct http_request *req = asked->req;

	log_info("monitor", "command",
		 "vm=%s caller=%s uid=%lld role=%s protocol=%s command=%s class=%s result=%s "
		 "ms=%llu",
		 asked->vm, http_caller_name(req), (long long)http_caller_uid(req),
		 http_role_name(http_caller_role(req)), asked->protocol, asked->verdict.word,
		 refused_class_name(asked->verdict.class), result,
		 (unsigned long long)(loop_now_ms(asked->api->loop) - asked->since_ms));
}

static void publish(const struct asked *asked, const char *result)
{
	const struct event_monitor event = {
		.vm = asked->vm,
		.host = asked->api->host_id,
		.caller = http_caller_name(asked->req),
		.role = http_role_name(http_caller_role(asked->req)),
		.protocol = asked->protocol,
		.command = asked->verdict.word,
		.class = refused_class_name(asked->verdict.class),
		.result = result,
		.at = clock_wall_ms(),
	};

	bus_publish(asked->api->bus, "monitor", json_encode(event_monitor_fields, &event));
}

static void record(const struct asked *asked, const struct err *err)
{
	const char *result = err ? err_name(err->code) : "done";

	write_log(asked, result);
	if (asked->verdict.class != REFUSED_CLASS_QUERY)
		publish(asked, result);
}

/* ---- the answer ------------------------------------------------------------ */

/* Adds QEMU's own words, which the text of ERR may have cut short. */
static void reply_refusal(struct http_request *req, struct json_object *qemu, const struct err *err)
{
	const struct problem_of_qemu reply = {
		.problem = http_problem(err),
		.qemu = err->code == ERR_QEMU ? qemu : NULL,
	};

	http_reply_as(req, (int)reply.problem.status, problem_of_qemu_fields, &reply);
}

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	const struct vm_monitor_reply reply = { .result = result };
	struct asked *asked = data;

	record(asked, err);
	if (err)
		reply_refusal(asked->req, result, err);
	else
		http_reply_as(asked->req, 200, vm_monitor_fields, &reply);
	free(asked);
}

static void pass_on(struct http_request *req, struct api *api, struct vm *vm,
		    const struct monitor_request *request)
{
	struct asked *asked = xnew(struct asked);
	struct err err;

	asked->req = req;
	asked->api = api;
	asked->protocol = vm_def_monitor_protocol_names[request->protocol];
	asked->since_ms = loop_now_ms(api->loop);
	snprintf(asked->vm, sizeof(asked->vm), "%s", vm_name(vm));
	passthrough_judge(request, &asked->verdict);
	if (refused_allows(&asked->verdict, asked->vm, &err))
		passthrough_send(vm, request, &asked->verdict, on_answer, asked);
	else
		on_answer(asked, NULL, &err);
}

void api_vm_monitor(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct faults *faults;
	struct monitor_request request;

	if (!vm)
		return;
	faults = faults_new();
	if (monitor_request_decode(http_body(req), &request, faults))
		pass_on(req, api, vm, &request);
	else
		http_reply_faults(req, faults);
	monitor_request_fini(&request);
	faults_free(faults);
}
