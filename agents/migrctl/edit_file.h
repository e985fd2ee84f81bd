/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/edit_file.h -- a file that a person changes in an editor.
 *
 * It is in $TMPDIR, or /tmp, and nobody else can read it.  Lines of which the first character that
 * is no blank is a '#' are comments: ours are at its beginning, and all are left out of what was
 * typed.
 *
 * Thread: any, one at a time; waits for the editor, as long as the person takes.
 */
#ifndef MIGRD_MIGRCTL_EDIT_FILE_H
#define MIGRD_MIGRCTL_EDIT_FILE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"

struct edit_file {
	char *path; /* NULL: there is none */
};

/* The editor that the environment names (VISUAL, then EDITOR), else vi at a terminal; NULL: there
 * is none.  Borrowed. */
const char *edit_file_editor(void);
/* Makes the file, or writes it anew: COMMENT, each line of which becomes a comment, then TEXT. */
bool edit_file_write(struct edit_file *file, const char *comment, const char *text,
		     struct err *err);
/* Starts EDITOR, a command of sh(1), with the path of the file, and waits for its end; then reads
 * what was typed.  False: it could not be started, or has not ended well. */
bool edit_file_ask(const struct edit_file *file, const char *editor, struct strbuf *ret_text,
		   struct err *err);
void edit_file_remove(struct edit_file *file);
/* Leaves the file where it is, and forgets it. */
void edit_file_keep(struct edit_file *file);

#endif
