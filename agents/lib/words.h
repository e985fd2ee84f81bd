/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/words.h -- a list of words, and which of them begin with a prefix.
 * Thread: any; one owner at a time. */
#ifndef MIGRD_LIB_WORDS_H
#define MIGRD_LIB_WORDS_H

#include <stddef.h>

#define WORDS_MAX 4096

struct words {
	char *list[WORDS_MAX];
	size_t count;
};

/* Words beyond WORDS_MAX are left out. */
void words_add(struct words *words, const char *text, size_t len);
void words_clear(struct words *words);
/* Sorts the list, and keeps each word once. */
void words_sort(struct words *words);
/* How many words begin with PREFIX; *ret_first: the index of the first (the list must be
 * sorted); *ret_common: how many bytes all of them have in common. */
size_t words_match(const struct words *words, const char *prefix, size_t len, size_t *ret_first,
		   size_t *ret_common);

#endif
