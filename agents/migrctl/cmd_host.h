/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_host.h -- migrctl host: this host and its peers. */
#ifndef MIGRD_MIGRCTL_CMD_HOST_H
#define MIGRD_MIGRCTL_CMD_HOST_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_host_show, cmd_host_check;

#endif
