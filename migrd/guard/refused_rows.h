/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard/refused_rows.h -- the tables behind guard/refused.h; for refused*.c only. */
#ifndef MIGRD_GUARD_REFUSED_ROWS_H
#define MIGRD_GUARD_REFUSED_ROWS_H

#include <stddef.h>

#include "guard/refused.h"

#define REFUSED_HMP_BY_QMP "human-monitor-command"

struct refused_reason {
	const char *why;
	const char *verb, *rest; /* the migrctl command to use instead: VERB VM REST; NULL: none */
};

/* The row with the longest fit counts; a name that ends in '*' fits every command with
 * that prefix. */
struct refused_row {
	const char *names; /* with '|' between aliases */
	enum refused_class class;
	const struct refused_reason *reason;
};

extern const struct refused_row refused_qmp_rows[], refused_hmp_rows[];
extern const size_t refused_qmp_row_count, refused_hmp_row_count;

#endif
