/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/words.h -- what a program has printed, as it may be shown.  Thread: any. */
#ifndef MIGRD_HOOK_WORDS_H
#define MIGRD_HOOK_WORDS_H

#include <stddef.h>

#include "wire/hook.h"

/* LEN bytes of DATA, HOOK_WORDS_SIZE - 1 at most, without control characters but for the ends of
 * lines and tabs, and without blanks at the end; '?' for what is no UTF-8. */
void hook_words(const char *data, size_t len, char ret[HOOK_WORDS_SIZE]);

#endif
