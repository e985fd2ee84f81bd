/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/units.h -- amounts as people write and read them.  Thread: any. */
#ifndef MIGRD_LIB_UNITS_H
#define MIGRD_LIB_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UNITS_SIZE 32

/* "4096", "64M", "1.5GiB": k, M, G, T alone or with "iB" are powers of 1024,
 * with "B" powers of 1000.  A fraction of a byte is dropped. */
bool units_parse_bytes(const char *text, uint64_t *ret_bytes, struct err *err);
/* A length of time: "3600", "90s", "90m", "2h", "3d". */
bool units_parse_seconds(const char *text, uint64_t *ret_s, struct err *err);
/* Decimal digits and nothing else. */
bool units_parse_count(const char *text, uint64_t *ret_value, struct err *err);

/* "512 B", "1.5 GiB" */
void units_bytes(uint64_t bytes, char ret_text[UNITS_SIZE]);
/* "850 ms", "12.3 s", "3 min 20 s", "2 h 05 min", "3 d 04 h" */
void units_duration(uint64_t ms, char ret_text[UNITS_SIZE]);

#endif
