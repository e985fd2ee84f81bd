/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_VNC_H
#define MIGRD_MIGRCTL_CMD_VNC_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_vnc;

#endif
