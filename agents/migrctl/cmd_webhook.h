/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_webhook.h -- migrctl webhook. */
#ifndef MIGRD_MIGRCTL_CMD_WEBHOOK_H
#define MIGRD_MIGRCTL_CMD_WEBHOOK_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_webhook_add, cmd_webhook_list, cmd_webhook_show,
	cmd_webhook_set, cmd_webhook_dead, cmd_webhook_redeliver, cmd_webhook_test,
	cmd_webhook_remove;

#endif
