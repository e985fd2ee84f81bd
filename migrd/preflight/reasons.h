/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/reasons.h -- what speaks against a guest, and what is only told of it, all at once.
 *
 * So many are told, one by one, those that block before warnings; if there are more, a last row
 * for each kind, the check `more', says how many.  Pure.  Thread: any.
 */
#ifndef MIGRD_PREFLIGHT_REASONS_H
#define MIGRD_PREFLIGHT_REASONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PREFLIGHT_REASONS_MAX 32
#define PREFLIGHT_ROWS_MAX    (PREFLIGHT_REASONS_MAX + 2)

struct preflight_reason {
	bool is_warning; /* the move is not refused for it */
	char check[16];  /* the name of the row */
	char text[ERR_MSG_SIZE];
};

struct preflight_reasons {
	size_t count; /* of LIST */
	struct preflight_reason list[PREFLIGHT_ROWS_MAX];
	size_t left_out[2]; /* that are not in LIST: those that block, warnings */
};

void preflight_add(struct preflight_reasons *reasons, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what does not keep the guest from coming. */
void preflight_warn(struct preflight_reasons *reasons, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The move would be refused. */
bool preflight_blocks(const struct preflight_reasons *reasons);
/* Makes one text of all reasons that block: CONFLICT.  Returns false. */
bool preflight_to_err(const struct preflight_reasons *reasons, struct err *err);

#endif
