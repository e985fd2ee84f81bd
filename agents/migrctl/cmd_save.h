/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_SAVE_H
#define MIGRD_MIGRCTL_CMD_SAVE_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_save, cmd_vm_restore, cmd_save_list, cmd_save_show,
	cmd_save_cancel;

#endif
