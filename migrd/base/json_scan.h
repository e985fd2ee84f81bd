/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json_scan.h -- is a text strict JSON, before a tree is built from it?
 *
 * RFC 8259 without its freedoms: no duplicate key, no U+0000, no unpaired
 * surrogate, integers in the range of int64 or uint64, other numbers finite in
 * a double.  json-c keeps the last of duplicate keys, clamps integers, and takes
 * NaN and control characters, even when it is strict; here each is a fault
 * with the place it is at.
 *
 * A fault of the grammar ends the scan; the others are collected.  Thread: any.
 */
#ifndef MIGRD_BASE_JSON_SCAN_H
#define MIGRD_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* True when it added no fault.  LIMITS: but for the bytes, of which there are LEN. */
bool json_scan(const char *text, size_t len, const struct json_limits *limits,
	       struct faults *faults);

#endif
