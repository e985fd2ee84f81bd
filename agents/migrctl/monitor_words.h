/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/monitor_words.h -- the commands that a QEMU has, for completion. */
#ifndef MIGRD_MIGRCTL_MONITOR_WORDS_H
#define MIGRD_MIGRCTL_MONITOR_WORDS_H

#include "agents/lib/words.h"
#include "base/json.h"

/* Adds the names in the text of QEMU's `help' (PREFIX "") or `help info' (PREFIX "info ").
 * Of "cont|c" only the first: c needs no completion. */
void monitor_words_add_help(struct words *words, const char *text, const char *prefix);
/* Adds the names in the reply of query-commands. */
void monitor_words_add_commands(struct words *words, struct json_object *list);

/* The known words of one monitor. */
struct monitor_words {
	struct words commands;
	struct words info; /* HMP: what may follow "info" */
};

/* Like lineedit_words_fn, without its first argument: the list, and where the word begins. */
const struct words *monitor_words_at_hmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start);
/* Also knows the place inside of {"execute":"... */
const struct words *monitor_words_at_qmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start);

#endif
