/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/greeting.h -- whether a connection leads to a QMP monitor, and what it
 * offers; or what else it seems to be.  Thread: any (pure). */
#ifndef MIGRD_QMP_GREETING_H
#define MIGRD_QMP_GREETING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "qmp/conn.h"

/* BODY is the greeting's "QMP" member.  Errors: INVALID. */
bool qmp_greeting_decode(struct json_object *body, struct qmp_version *ret_version, bool *ret_oob,
			 struct err *err);
/* True while the first bytes of a connection may still become a greeting. */
bool qmp_greeting_is_possible(const char *bytes, size_t len);
/* Sets an INVALID error such as "this is an HTTP server"; returns false. */
bool qmp_greeting_refuse(const char *bytes, size_t len, struct err *err);

#endif
