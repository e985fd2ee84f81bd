/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_edit.h -- migrctl vm edit: changes of a guest itself. */
#ifndef MIGRD_MIGRCTL_CMD_EDIT_H
#define MIGRD_MIGRCTL_CMD_EDIT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_edit;

#endif
