/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_monitor.h -- vm qmp, vm hmp, vm monitor. */
#ifndef MIGRD_MIGRCTL_CMD_MONITOR_H
#define MIGRD_MIGRCTL_CMD_MONITOR_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_qmp, cmd_vm_hmp, cmd_vm_monitor;

#endif
