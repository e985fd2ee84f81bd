/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define WORD_MAX 40 /* longer words are not compared; no key of ours is longer */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits (insert, delete, replace, swap neighbours) from A to B, ignoring case:
 * the optimal string alignment distance, three rows of its matrix. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			bool eq = same(a[i - 1], b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !eq);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *nearest, const char *known)
{
	size_t word_len = strlen(nearest->word), known_len = strlen(known);
	size_t edits, limit = 1 + known_len / 4; /* a quarter wrong is still a typing error */
	size_t apart = word_len > known_len ? word_len - known_len : known_len - word_len;

	/* At least APART letters have to be added or left out. */
	if (word_len == 0 || word_len > WORD_MAX || known_len > WORD_MAX || apart > limit)
		return;
	edits = distance(nearest->word, word_len, known, known_len);
	if (edits > limit || edits >= known_len || (nearest->best && edits >= nearest->distance))
		return;
	nearest->best = known;
	nearest->distance = edits;
}
