/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/reply_check.h -- checks that a reply agrees with its table: no other keys, every
 * required key, each value of its type. */
#ifndef MIGRD_TESTS_LIB_REPLY_CHECK_H
#define MIGRD_TESTS_LIB_REPLY_CHECK_H

#include "base/json.h"

/* Fails the test at the first difference, and names the key. */
void reply_check(struct json_object *obj, const struct json_field *fields);

#endif
