/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/amounts.h -- bytes and times in words, for the sentences about a move.  Thread: any (pure).
 */
#ifndef MIGRD_MOVE_AMOUNTS_H
#define MIGRD_MOVE_AMOUNTS_H

#include <stdint.h>

#define AMOUNT_SIZE 32

/* "12 KiB", "7.5 MiB", "700 MiB", "2.5 GiB".  Returns RET. */
const char *amount_bytes(uint64_t bytes, char ret[AMOUNT_SIZE]);
/* "240 ms", "7.5 s", "2 min 5 s", "1 h 4 min". */
const char *amount_ms(uint64_t ms, char ret[AMOUNT_SIZE]);

#endif
