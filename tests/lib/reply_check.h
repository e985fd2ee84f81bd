/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/reply_check.h -- what is sent is what its table says: no more keys, all that
 * are always there, each value of its type. */
#ifndef MIGRD_TESTS_LIB_REPLY_CHECK_H
#define MIGRD_TESTS_LIB_REPLY_CHECK_H

#include "base/json.h"

/* Fails the test and names the place. */
void reply_check(struct json_object *obj, const struct json_field *fields);

#endif
