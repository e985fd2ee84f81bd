/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_WAIT_H
#define MIGRD_MIGRCTL_CMD_WAIT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_wait;
/* Words for completion: a kind of what can be waited for; NULL: there are no more. */
const char *cmd_wait_kind(size_t i);
/* The path of the list of KIND; NULL: there is none. */
const char *cmd_wait_path(const char *kind);

#endif
