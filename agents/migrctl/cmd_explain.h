/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_explain.h -- what the members of an object of the API mean. */
#ifndef MIGRD_MIGRCTL_CMD_EXPLAIN_H
#define MIGRD_MIGRCTL_CMD_EXPLAIN_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_explain;

#endif
