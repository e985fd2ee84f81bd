/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/lineedit.h -- lines typed at a terminal: editing, history, completion
 * (libedit inside).
 *
 * The history file is the user's alone (mode 0600).  Lines that begin with a blank
 * or speak of a password are not kept.  Thread: main only.
 */
#ifndef MIGRD_LIB_LINEEDIT_H
#define MIGRD_LIB_LINEEDIT_H

#include "agents/lib/words.h"
#include "base/err.h"

/* The words that may stand where TEXT (LEN bytes: the line up to the cursor) ends,
 * NULL for none; *ret_start: where the one under way begins in it. */
typedef const struct words *lineedit_words_fn(void *data, const char *text, size_t len,
					      size_t *ret_start);

struct lineedit_config {
	const char *prompt;
	const char *history_path; /* NULL: none is kept */
	lineedit_words_fn *words; /* asked when Tab is pressed; NULL: none */
	void *data;
};

struct lineedit;

/* Standard input and output are terminals; the program's handler of SIGINT calls
 * lineedit_interrupt().  The strings of CONFIG are copied. */
struct lineedit *lineedit_new(const struct lineedit_config *config, struct err *err);
/* Writes the history. */
void lineedit_free(struct lineedit *edit);

enum lineedit_result {
	LINEEDIT_LINE,
	LINEEDIT_CANCELLED, /* Ctrl-C: the line is thrown away */
	LINEEDIT_END,       /* Ctrl-D on an empty line, or the terminal is gone */
};
/* *ret_line: without its end, the caller's; of LINE only. */
enum lineedit_result lineedit_read(struct lineedit *edit, char **ret_line);

/* From a signal handler: lineedit_read() returns CANCELLED. */
void lineedit_interrupt(void);

/* Where a history is kept by custom: $XDG_STATE_HOME or ~/.local/state, then
 * migrctl/NAME.  NULL if there is no home; the caller's. */
char *lineedit_history_path(const char *name);
bool lineedit_is_secret(const char *line);

#endif
