/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/monitor_words.h -- the commands that a QEMU has, for completion. */
#ifndef MIGRD_MIGRCTL_MONITOR_WORDS_H
#define MIGRD_MIGRCTL_MONITOR_WORDS_H

#include "agents/lib/words.h"
#include "base/json.h"

/* The names in what QEMU's `help' (PREFIX "") or `help info' (PREFIX "info ") says;
 * of "cont|c" the first: c needs no completion. */
void monitor_words_add_help(struct words *words, const char *text, const char *prefix);
/* The names in the reply of query-commands. */
void monitor_words_add_commands(struct words *words, struct json_object *list);

/* What is known of one monitor. */
struct monitor_words {
	struct words commands;
	struct words info; /* HMP: what may follow "info" */
};

/* lineedit_words_fn without its first argument: which list, and where the word begins. */
const struct words *monitor_words_at_hmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start);
/* Also inside of {"execute":"... */
const struct words *monitor_words_at_qmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start);

#endif
