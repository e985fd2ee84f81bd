/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_pki.h -- migrctl pki: certificates for hosts and people. */
#ifndef MIGRD_MIGRCTL_CMD_PKI_H
#define MIGRD_MIGRCTL_CMD_PKI_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_pki_init, cmd_pki_host, cmd_pki_user;

#endif
