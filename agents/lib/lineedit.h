/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/lineedit.h -- lines typed at a terminal: editing, history, completion
 * (libedit inside).
 *
 * Only the user may read the history file (mode 0600).  Lines that begin with a blank
 * or mention a password are not kept.  Thread: main only.
 */
#ifndef MIGRD_LIB_LINEEDIT_H
#define MIGRD_LIB_LINEEDIT_H

#include "agents/lib/words.h"
#include "base/err.h"

/* The words that may stand at the end of TEXT (LEN bytes: the line up to the cursor); NULL:
 * none.  *ret_start: where the unfinished word begins in TEXT. */
typedef const struct words *lineedit_words_fn(void *data, const char *text, size_t len,
					      size_t *ret_start);

struct lineedit_config {
	const char *prompt;
	const char *history_path; /* NULL: none is kept */
	lineedit_words_fn *words; /* asked when Tab is pressed; NULL: none */
	void *data;
};

struct lineedit;

/* Standard input and output must be terminals, and the program's handler of SIGINT must
 * call lineedit_interrupt().  Copies the strings of CONFIG. */
struct lineedit *lineedit_new(const struct lineedit_config *config, struct err *err);
/* Writes the history. */
void lineedit_free(struct lineedit *edit);

enum lineedit_result {
	LINEEDIT_LINE,
	LINEEDIT_CANCELLED, /* Ctrl-C: the line is thrown away */
	LINEEDIT_END,       /* Ctrl-D on an empty line, or the terminal is gone */
};
/* *ret_line: set for LINE only, without the end of line; the caller frees it. */
enum lineedit_result lineedit_read(struct lineedit *edit, char **ret_line);

/* For a signal handler: lineedit_read() returns CANCELLED. */
void lineedit_interrupt(void);

/* The usual path of a history: $XDG_STATE_HOME or ~/.local/state, then migrctl/NAME.
 * NULL: there is no home.  The caller frees it. */
char *lineedit_history_path(const char *name);
bool lineedit_is_secret(const char *line);

#endif
