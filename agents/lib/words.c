/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void words_add(struct words *words, const char *text, size_t len)
{
	if (words->count < WORDS_MAX && len > 0)
		words->list[words->count++] = xstrndup(text, len);
}

void words_clear(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	words->count = 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void words_sort(struct words *words)
{
	size_t kept = 0;

	qsort(words->list, words->count, sizeof(words->list[0]), compare);
	for (size_t i = 0; i < words->count; i++) {
		if (kept > 0 && strcmp(words->list[kept - 1], words->list[i]) == 0)
			free(words->list[i]);
		else
			words->list[kept++] = words->list[i];
	}
	words->count = kept;
}

static size_t common_length(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

size_t words_match(const struct words *words, const char *prefix, size_t len, size_t *ret_first,
		   size_t *ret_common)
{
	size_t count = 0;

	*ret_first = *ret_common = 0;
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->list[i];
		size_t common;

		if (strncmp(word, prefix, len) != 0)
			continue;
		if (count++ == 0) {
			*ret_first = i;
			*ret_common = strlen(word);
			continue;
		}
		common = common_length(words->list[*ret_first], word);
		*ret_common = common < *ret_common ? common : *ret_common;
	}
	return count;
}
