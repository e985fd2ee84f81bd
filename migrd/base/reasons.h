/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/reasons.h -- all that forbids something, as one error.
 * Thread: any; one owner at a time. */
#ifndef MIGRD_BASE_REASONS_H
#define MIGRD_BASE_REASONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

struct reasons {
	struct strbuf text;
	size_t count;
};

#define REASONS_INIT           \
	{                      \
		STRBUF_INIT, 0 \
	}

void reasons_add(struct reasons *reasons, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Frees the reasons.  True: there was none.  Else CONFLICT: "WHAT: reason; reason". */
bool reasons_none(struct reasons *reasons, const char *what, struct err *err);

#endif
