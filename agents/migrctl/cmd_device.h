/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_device.h -- migrctl vm: the devices of a guest. */
#ifndef MIGRD_MIGRCTL_CMD_DEVICE_H
#define MIGRD_MIGRCTL_CMD_DEVICE_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_attach, cmd_vm_detach, cmd_vm_devices, cmd_vm_insert,
	cmd_vm_eject;

#endif
