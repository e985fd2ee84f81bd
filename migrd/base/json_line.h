/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json_line.h -- what the lines of a QMP monitor and of a guest agent have in
 * common: each is a JSON object, from a peer that may say anything.
 * Thread: any. */
#ifndef MIGRD_BASE_JSON_LINE_H
#define MIGRD_BASE_JSON_LINE_H

#include "base/err.h"
#include "base/json.h"

struct json_line_limits {
	unsigned max_depth;
	/* Most '[', '{' and ',' together: without a limit, a megabyte of "[[],[],"
	 * would grow a hundredfold in memory. */
	size_t max_structure;
};

/* True: the line has nothing but blanks. */
bool json_line_is_blank(const char *line, size_t len);
/* Returns a tree that the caller owns; NULL and INVALID: too many values, not JSON
 * as json_parse() takes it, or not an object. */
struct json_object *json_line_parse(const char *line, size_t len,
				    const struct json_line_limits *limits, struct err *err);

#endif
