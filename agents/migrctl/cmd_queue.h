/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_queue.h -- migrctl queue: moves that wait for their turn. */
#ifndef MIGRD_MIGRCTL_CMD_QUEUE_H
#define MIGRD_MIGRCTL_CMD_QUEUE_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_queue_add, cmd_queue_list, cmd_queue_show, cmd_queue_cancel,
	cmd_queue_set;

/* `queue add' takes the options of `move start' too; to be called before the command line is
 * parsed. */
void cmd_queue_set_up(void);

#endif
