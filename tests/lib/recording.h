/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/recording.h -- conversations recorded with a real QEMU (tests/data/qmp).
 *
 * A line of the file is "> " and a command, or "< " and what QEMU said.
 * Thread: any.  It asserts.
 */
#ifndef MIGRD_TESTS_RECORDING_H
#define MIGRD_TESTS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

struct recording {
	size_t count;
	struct {
		bool is_command;
		char *text; /* without its line end */
	} lines[256];
};

/* All recordings, ended by NULL: "7.2/basics.txt" and so on. */
extern const char *const recording_names[];

void recording_load(struct recording *rec, const char *name);
void recording_fini(struct recording *rec);
/* All that QEMU said in the recording, with line ends; the caller frees it. */
char *recording_said(const struct recording *rec);

#endif
