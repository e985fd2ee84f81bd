/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_fleet.h -- what all hosts have, asked of one of them. */
#ifndef MIGRD_MIGRCTL_CMD_FLEET_H
#define MIGRD_MIGRCTL_CMD_FLEET_H

#include "agents/lib/cli.h"
#include "agents/lib/table.h"

extern const struct cli_command cmd_vm_find;

/* The option of a list that asks all hosts; fills a bool. */
#define OPTION_ALL_HOSTS(values_type, member)                                                \
	{                                                                                    \
		.name = "all-hosts", .letter = 'A', .type = CLI_FLAG,                        \
		.offset = offsetof(values_type, member),                                     \
		.help = "of all hosts, which the daemon asks; who does not answer is named", \
	}

/* GET /v1/fleet/WHAT?QUERY, all pages, and print by FIELDS; hosts that did not answer are named on
 * standard error. */
bool fleet_print(struct cli_call *call, const char *what, const char *query,
		 const struct table_field *fields, const struct table_field *more, struct err *err);

#endif
