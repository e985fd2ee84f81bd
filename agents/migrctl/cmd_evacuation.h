/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_evacuation.h -- migrctl evacuation: hosts that are emptied of their guests. */
#ifndef MIGRD_MIGRCTL_CMD_EVACUATION_H
#define MIGRD_MIGRCTL_CMD_EVACUATION_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_host_evacuate, cmd_evacuation_list, cmd_evacuation_show,
	cmd_evacuation_watch, cmd_evacuation_approve, cmd_evacuation_pause, cmd_evacuation_resume,
	cmd_evacuation_abort, cmd_evacuation_return, cmd_evacuation_withdraw;

/* `host evacuate' takes options of `move start' too; to be called before the command line is
 * parsed. */
void cmd_evacuate_set_up(void);

#endif
