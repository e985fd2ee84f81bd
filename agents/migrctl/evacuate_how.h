/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/evacuate_how.h -- the options that say how a host is emptied of its guests; of more than
 * one command. */
#ifndef MIGRD_MIGRCTL_EVACUATE_HOW_H
#define MIGRD_MIGRCTL_EVACUATE_HOW_H

#include "agents/migrctl/cmd_move.h"

struct evacuate_how {
	const char *save_dir, *stopped;
	struct cli_number powerdown;
	bool may_leave, may_stop;
	union move_start_space start; /* of each move */
};

/* Puts the options behind the COUNT ones of OPTIONS, which has room for MAX, and ends the table; a
 * struct evacuate_how is at OFFSET of the command's values. */
void evacuate_how_add_options(struct cli_option *options, size_t count, size_t max, size_t offset);
/* Adds to BODY what was asked for. */
void evacuate_how_add(const struct evacuate_how *how, struct json_object *body);

#endif
