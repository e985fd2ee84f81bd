/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/changes.h -- which commands change what QEMU's command line said, and which question
 * tells adoption the present value.
 *
 * A test compares the table with all commands of the recorded QEMUs (tests/data/qmp), and
 * doc/api.md has its rows.  Thread: any.
 */
#ifndef MIGRD_ADOPT_CHANGES_H
#define MIGRD_ADOPT_CHANGES_H

#include <stddef.h>

struct adopt_change {
	const char *commands; /* QMP and human monitor, '|' between; "x*": all that begin with x */
	const char *what;     /* part of the command line; NULL: nothing that adoption takes over */
	const char *now;      /* the question that tells the present value; NULL: none does */
	const char *why;      /* if WHAT or NOW is NULL: why that is right, or what follows */
};

extern const struct adopt_change adopt_changes[];
extern const size_t adopt_change_count;

/* The first row that matches COMMAND; NULL: none. */
const struct adopt_change *adopt_change_find(const char *command);

#endif
