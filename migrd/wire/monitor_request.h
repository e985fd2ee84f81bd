/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/monitor_request.h -- POST /v1/vms/{name}/monitor: one command for a QEMU.
 * Thread: any. */
#ifndef MIGRD_WIRE_MONITOR_REQUEST_H
#define MIGRD_WIRE_MONITOR_REQUEST_H

#include "base/json.h"

#define MONITOR_REQUEST_NAME_SIZE 128
#define MONITOR_REQUEST_ARGS_MAX  65536 /* bytes, as text */
#define MONITOR_REQUEST_LINE_MAX  4096

/* The names are vm_def_monitor_protocol_names. */
enum monitor_protocol { MONITOR_PROTOCOL_QMP, MONITOR_PROTOCOL_HMP };

struct monitor_request {
	int protocol;                         /* enum monitor_protocol */
	struct json_object *command;          /* as it came; private */
	char name[MONITOR_REQUEST_NAME_SIZE]; /* QMP: the command */
	struct json_object *args;             /* QMP: an object, or NULL */
	const char *line;                     /* HMP: borrowed from `command' */
	uint64_t timeout_ms;
};

extern const struct json_field monitor_request_fields[];

/* Sets all of *RET, which needs monitor_request_fini() after failure too. */
bool monitor_request_decode(struct json_object *obj, struct monitor_request *ret,
			    struct faults *faults);
void monitor_request_fini(struct monitor_request *request);

#endif
