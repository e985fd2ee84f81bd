/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/monitor.h -- one line of a person becomes a command for a QEMU. */
#ifndef MIGRD_MIGRCTL_MONITOR_H
#define MIGRD_MIGRCTL_MONITOR_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

struct monitor {
	const struct cli_call *call; /* says how to print */
	struct client *client;
	const char *vm;
	bool is_qmp;         /* else: human */
	uint64_t timeout_ms; /* 0: the daemon's own */
};

/* {"execute":...} as it is written, or NAME, or NAME and {its arguments}. INVALID.
 * The caller's. */
struct json_object *monitor_parse_qmp(const char *text, struct err *err);
/* Sends TEXT; *ret_reply is {"return":...}, the caller's. */
bool monitor_ask(const struct monitor *monitor, const char *text, struct json_object **ret_reply,
		 struct err *err);
/* The reply as JSON of the API; or what is in it, as JSON or as text. */
void monitor_print(const struct monitor *monitor, struct json_object *reply);
/* Sends a line and prints the reply, or the error; returns its exit code. */
int monitor_run_line(const struct monitor *monitor, const char *line);

#endif
