/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/files.h -- what migrd-hook and the coordinator tell each other by files of a directory.
 *
 * ID.run: the one process that runs the hook; ID.end: that its program has begun, and later how
 * that ended, and the end of what it printed.  Each appears whole, and is on disk then.  Thread:
 * any; local disk.
 */
#ifndef MIGRD_HOOK_FILES_H
#define MIGRD_HOOK_FILES_H

#include "base/id.h"
#include "base/proc.h"

#define HOOK_OUTPUT_MAX 4096 /* the last bytes of what it printed */

#define HOOK_PROCESS_SIZE 40

/* In the environment of its program: its id. */
#define HOOK_ENV_ID "MIGRD_HOOK_ID"

struct hook_runner {
	struct proc_id id; /* of migrd-hook, which leads a session; its program is in that */
	char boot_id[ID_UUID_SIZE];
	char process[HOOK_PROCESS_SIZE]; /* coordinator that has started it: a word */
	bool tells_begin; /* it writes that its program begins; one of an older version does not */
};

/* The runner is the one of this hook from now on: nobody else begins it.  EXISTS: another one is.
 */
bool hook_files_claim(const char *dir, const char *hook_id, const struct hook_runner *runner,
		      struct err *err);
/* NOT_FOUND: nobody has begun it. */
bool hook_files_runner(const char *dir, const char *hook_id, struct hook_runner *ret,
		       struct err *err);

enum hook_how {
	HOOK_HOW_EXITED,      /* number: its status */
	HOOK_HOW_KILLED,      /* number: the signal */
	HOOK_HOW_LATE,        /* ended at the deadline; number: in seconds */
	HOOK_HOW_NOT_STARTED, /* output: why */
	HOOK_HOW_NOT_NEEDED,  /* only_if has ended with 1 */
	HOOK_HOW_UNDECIDED, /* only_if has failed; number: its status, -1: it did not end by one */
	HOOK_HOW_CUT, /* migrd-hook was ended before it; number: processes that are left of it */
	HOOK_HOW_UNANSWERED, /* a url, which may have heard; output: why no answer came */
	HOOK_HOW_BEGUN,      /* no end: its program has begun */
	HOOK_HOW_COUNT
};

struct hook_end {
	enum hook_how how;
	int number;
	char output[HOOK_OUTPUT_MAX + 1]; /* ends with a NUL, and may have others before */
	size_t output_len;
};

bool hook_files_write_end(const char *dir, const char *hook_id, const struct hook_end *end,
			  struct err *err);
/* Its program was begun, and has not ended. */
bool hook_files_is_begun(const char *dir, const char *hook_id);
/* NOT_FOUND: it has not ended. */
bool hook_files_end(const char *dir, const char *hook_id, struct hook_end *ret, struct err *err);

/* Nothing is left of it. */
void hook_files_remove(const char *dir, const char *hook_id);

#endif
