/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_move.h -- migrctl move: guests on their way to another host. */
#ifndef MIGRD_MIGRCTL_CMD_MOVE_H
#define MIGRD_MIGRCTL_CMD_MOVE_H

#include <stddef.h>

#include "agents/lib/cli.h"

extern const struct cli_command cmd_move_start, cmd_move_list, cmd_move_show, cmd_move_watch,
	cmd_move_cancel, cmd_move_delay, cmd_move_finish, cmd_move_postcopy, cmd_move_release,
	cmd_move_resolve, cmd_move_set;

/* The body of POST /v1/moves that the values of `move start' ask for; without `to' if they have
 * none. The caller owns it. */
struct json_object *move_start_body(const void *start_values, const char *vm);

/* Room for the values of `move start' in those of a command that takes its options too. */
union move_start_space {
	max_align_t align;
	char bytes[512];
};
/* Puts the options of `move start' that a single move alone does not have, and that are not in
 * WITHOUT (names, ended by NULL), behind the COUNT ones of OPTIONS, which has room for MAX; their
 * values are at OFFSET. The last one ends the table. */
void move_start_add_options(struct cli_option *options, size_t count, size_t max, size_t offset,
			    const char *const *without);

#endif
