/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/monitor.h -- makes a command for QEMU of a line that a user has typed. */
#ifndef MIGRD_MIGRCTL_MONITOR_H
#define MIGRD_MIGRCTL_MONITOR_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

struct monitor {
	const struct cli_call *call; /* says how to print */
	struct client *client;
	const char *vm;
	bool is_qmp;         /* false: human monitor */
	uint64_t timeout_ms; /* 0: the daemon's default */
};

/* The command in TEXT: {"execute":...}, or NAME, or NAME and {its arguments}.  The caller
 * owns it.  Errors: INVALID. */
struct json_object *monitor_parse_qmp(const char *text, struct err *err);
/* Sends TEXT; *ret_reply: {"return":...}, owned by the caller. */
bool monitor_ask(const struct monitor *monitor, const char *text, struct json_object **ret_reply,
		 struct err *err);
/* Prints the reply: with -o json as it is, else only its value, as text or JSON. */
void monitor_print(const struct monitor *monitor, struct json_object *reply);
/* Sends a line and prints the reply, or the error; returns its exit code. */
int monitor_run_line(const struct monitor *monitor, const char *line);

#endif
