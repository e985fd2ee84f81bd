/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/monitor_request.h"

#include <string.h>

#include "wire/vm_def.h"

#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAX_MS     60000

const struct json_field monitor_request_fields[] = {
	{ .key = "protocol",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct monitor_request, protocol),
	  .names = vm_def_monitor_protocol_names,
	  .help = "qmp: QEMU's machine protocol; hmp: a line as for its human monitor." },
	{ .key = "command",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct monitor_request, command),
	  .help = "qmp: an object with execute and, if wanted, arguments; hmp: a string." },
	{ .key = "timeout_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct monitor_request, timeout_ms),
	  .min = 1,
	  .max = TIMEOUT_MAX_MS,
	  .help = "How long to wait for the monitor and its answer together, in milliseconds; "
		  "default: 10000." },
	{ 0 },
};

static const struct json_field qmp_fields[] = {
	{ .key = "execute",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct monitor_request, name),
	  .min = 1,
	  .help = "The name of the command." },
	{ .key = "arguments",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct monitor_request, args),
	  .help = "Arguments of the command." },
	{ 0 },
};

static void decode_qmp(struct monitor_request *request, struct faults *faults)
{
	if (!json_decode(request->command, qmp_fields, request, "/command", faults))
		return;
	if (request->args && !json_object_is_type(request->args, json_type_object))
		faults_add(faults, "/command/arguments", "must be an object");
	else if (request->args &&
		 strlen(json_object_to_json_string_ext(request->args, JSON_C_TO_STRING_PLAIN)) >
			 MONITOR_REQUEST_ARGS_MAX)
		faults_add(faults, "/command/arguments", "more than %d bytes",
			   MONITOR_REQUEST_ARGS_MAX);
}

static void decode_hmp(struct monitor_request *request, struct faults *faults)
{
	if (!json_object_is_type(request->command, json_type_string)) {
		faults_add(faults, "/command", "must be a string for protocol hmp");
		return;
	}
	request->line = json_object_get_string(request->command);
	if (request->line[strspn(request->line, " \t")] == '\0')
		faults_add(faults, "/command", "is empty");
	else if (strlen(request->line) > MONITOR_REQUEST_LINE_MAX)
		faults_add(faults, "/command", "more than %d bytes", MONITOR_REQUEST_LINE_MAX);
	else if (strpbrk(request->line, "\r\n"))
		faults_add(faults, "/command", "one line, one command");
}

bool monitor_request_decode(struct json_object *obj, struct monitor_request *ret,
			    struct faults *faults)
{
	size_t first = faults->count;

	*ret = (struct monitor_request){ .timeout_ms = TIMEOUT_DEFAULT_MS };
	if (!json_decode(obj, monitor_request_fields, ret, "", faults))
		return false;
	switch ((enum monitor_protocol)ret->protocol) {
	case MONITOR_PROTOCOL_QMP:
		decode_qmp(ret, faults);
		break;
	case MONITOR_PROTOCOL_HMP:
		decode_hmp(ret, faults);
		break;
	}
	return faults->count == first;
}

void monitor_request_fini(struct monitor_request *request)
{
	json_release(monitor_request_fields, request);
	json_release(qmp_fields, request);
}
