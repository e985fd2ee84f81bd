/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/when.h -- moments as text: RFC 3339, as "2026-12-01T02:00:00Z" or with an offset.  Thread: any. */
#ifndef MIGRD_BASE_WHEN_H
#define MIGRD_BASE_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#define WHEN_SIZE 40

/* *RET_MS: milliseconds since 1970.  False: TEXT is no such moment, or one before 1970. */
bool when_parse(const char *text, int64_t *ret_ms);
/* MS, milliseconds since 1970, in UTC and whole seconds; "" if that is no year of four digits. */
void when_text(int64_t ms, char ret[WHEN_SIZE]);

#endif
