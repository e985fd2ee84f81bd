/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/selfcheck.h -- what this host needs to run and move guests, as a table: the
 * programs, the directories and the libraries (its certificate: tls/live.h).  --check-config prints
 * what is wrong, GET /readyz answers with it.  Thread: any; it looks at local disks only. */
#ifndef MIGRD_API_SELFCHECK_H
#define MIGRD_API_SELFCHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* As in migrd.conf(5). */
struct selfcheck_env {
	const char *state_dir, *run_dir, *log_dir;
	const char *qemu_binary, *output_program, *stream_program;
	const char *hook_program; /* NULL: it has no hooks */
	const char *shutdown;
	bool has_logind; /* migrd was built with libsystemd */
};

/* Calls FN for each check that fails, in the order of the table.  Returns how many. */
typedef void selfcheck_fn(void *data, const char *check, const struct err *err);
size_t selfcheck_run(const struct selfcheck_env *env, selfcheck_fn *fn, void *data);

#endif
