/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/program.h -- which file a QEMU runs, and what QEMUs of that file have told of their
 * commands.
 *
 * All QEMUs of one program file take the same commands.  Their answer to query-qmp-schema has 240
 * KiB in QEMU 11.1, and takes some 15 ms to read; so it is asked of one of them only, also after a
 * restart of the coordinator that finds many.  The file may be the loader of shared libraries, or
 * an interpreter, that runs any program: so the QEMU's version counts too.
 *
 * Thread: loop.
 */
#ifndef MIGRD_QEMU_PROGRAM_H
#define MIGRD_QEMU_PROGRAM_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "qmp/conn.h"
#include "wire/transfer_plan.h"

/* A program file, which is another one after an upgrade. */
struct program {
	dev_t dev;
	ino_t ino; /* 0: not known */
	off_t size;
	struct timespec changed;
};

struct program program_at(const char *path);
/* What the process PID runs, also if its file was removed since. */
struct program program_of(pid_t pid);
/* False for those that are not known. */
bool program_is_same(const struct program *a, const struct program *b);

/* What the QEMUs of a program take, of the last few programs. */
#define PROGRAMS_MAX 4

struct programs {
	struct programs_row {
		struct program program;
		struct qmp_version version;
		struct transfer_features features;
	} rows[PROGRAMS_MAX];
	size_t next;
};

/* Keeps the parameters and the form of FEATURES, which has them.  VERSION: as the QEMU says. */
void programs_note(struct programs *programs, const struct program *program,
		   const struct qmp_version *version, const struct transfer_features *features);
/* Sets the parameters and the form of RET as they were noted; false: they were not. */
bool programs_recall(const struct programs *programs, const struct program *program,
		     const struct qmp_version *version, struct transfer_features *ret);

#endif
