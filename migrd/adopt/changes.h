/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/changes.h -- what commands of QEMU can change of what its command line said, and
 * where adoption reads how it is now.
 *
 * A test compares it with all commands of the QEMUs that are recorded (tests/data/qmp), and
 * doc/api.md has its rows.  Thread: any.
 */
#ifndef MIGRD_ADOPT_CHANGES_H
#define MIGRD_ADOPT_CHANGES_H

#include <stddef.h>

struct adopt_change {
	const char *commands; /* of QMP and of the human monitor, '|' between, '*' at an end */
	const char *what;     /* of a command line; NULL: nothing that adoption takes over */
	const char *now;      /* the question that tells how it is now; NULL: none does */
	const char *why;      /* WHAT or NOW is NULL: what follows from that */
};

extern const struct adopt_change adopt_changes[];
extern const size_t adopt_change_count;

/* The first row of COMMAND; NULL: none. */
const struct adopt_change *adopt_change_find(const char *command);

#endif
