/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_WEB_H
#define MIGRD_MIGRCTL_CMD_WEB_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_web;

#endif
