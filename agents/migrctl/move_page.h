/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/move_page.h -- the page of one move, for people.  migrctl(1) explains each of its titles
 * (tests/lint/check-terms.sh).
 */
#ifndef MIGRD_MIGRCTL_MOVE_PAGE_H
#define MIGRD_MIGRCTL_MOVE_PAGE_H

#include <stdio.h>

#include "agents/lib/cli.h"
#include "agents/lib/table.h"
#include "base/json.h"

/* Prints MOVE, or its JSON if CALL asks for that: what holds of it now, why it took so long, its
 * disks, NICs and parties.  What means something only until the end, or is nothing, is left out. */
void move_page_show(const struct cli_call *call, struct json_object *move);
/* The page alone. */
void move_page_print(FILE *out, struct json_object *move);
/* Only FIELDS of it, and why it took so long. */
void move_page_print_fields(FILE *out, struct json_object *move, const struct table_field *fields);
/* How long each step of it took. */
void move_page_print_times(FILE *out, struct json_object *move);

#endif
