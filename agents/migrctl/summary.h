/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/summary.h -- how a move has ended. */
#ifndef MIGRD_MIGRCTL_SUMMARY_H
#define MIGRD_MIGRCTL_SUMMARY_H

#include <stdio.h>

#include "agents/lib/table.h"
#include "base/err.h"
#include "base/json.h"

/* State, owner, and what took how long. */
void summary_print(FILE *out, struct json_object *move);
/* FIELDS, then what took how long. */
void summary_print_fields(FILE *out, struct json_object *move, const struct table_field *fields);
/* True for a move that is done, or not over; else *err has the move's own error,
 * or what its state means, and who owns the guest. */
bool summary_result(struct json_object *move, struct err *err);

#endif
