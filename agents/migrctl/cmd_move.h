/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_move.h -- migrctl move: guests on their way to another host. */
#ifndef MIGRD_MIGRCTL_CMD_MOVE_H
#define MIGRD_MIGRCTL_CMD_MOVE_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_move_start, cmd_move_list, cmd_move_show, cmd_move_watch,
	cmd_move_cancel, cmd_move_delay, cmd_move_finish, cmd_move_postcopy, cmd_move_release,
	cmd_move_resolve, cmd_move_set;

/* The body of POST /v1/moves that the values of `move start' ask for; without `to' if they have
 * none. The caller owns it. */
struct json_object *move_start_body(const void *start_values, const char *vm);

#endif
