/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/summary.h -- how a move has ended. */
#ifndef MIGRD_MIGRCTL_SUMMARY_H
#define MIGRD_MIGRCTL_SUMMARY_H

#include <stdio.h>

#include "agents/lib/table.h"
#include "base/err.h"
#include "base/json.h"

/* Prints state, owner, what it cost its guest, and why it took so long. */
void summary_print(FILE *out, struct json_object *move);
/* True: the move is done, or not over.  False: *err has the move's own error, or the
 * meaning of its state, and the owner of the guest. */
bool summary_result(struct json_object *move, struct err *err);

#endif
