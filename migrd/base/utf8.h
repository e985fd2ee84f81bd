/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/utf8.h -- checks for UTF-8 (RFC 3629), and cuts text without breaking a
 * character.  Thread: any. */
#ifndef MIGRD_BASE_UTF8_H
#define MIGRD_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the sequence that begins at P, at most LEFT bytes; 0: it is no
 * valid one: overlong, a surrogate, over U+10FFFF, or cut short. */
size_t utf8_sequence(const char *p, size_t left);
/* The offset of the first byte that is not UTF-8; LEN if all is well. */
size_t utf8_valid_prefix(const char *s, size_t len);
/* Takes an unfinished sequence off the end of a text that was cut by size. */
void utf8_trim(char *s);
/* A copy with U+FFFD for every byte that is not UTF-8; the caller owns it. */
char *utf8_repair(const char *s);

#endif
