/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json_path.h -- a place in a document: a chain of frames on the stack, which
 * becomes a JSON pointer (RFC 6901) only when there is a fault to report.  For
 * base/json_*.c only.  Thread: any. */
#ifndef MIGRD_BASE_JSON_PATH_H
#define MIGRD_BASE_JSON_PATH_H

#include <stddef.h>

#include "base/json.h"

struct json_path {
	const struct json_path *up; /* NULL: the root, whose key is taken as it is */
	const char *key;            /* NULL: an element of an array */
	size_t index;
};

void json_path_fault(const struct json_path *path, struct faults *faults, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
