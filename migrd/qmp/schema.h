/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/schema.h -- what a QEMU's commands take, by its answer to query-qmp-schema.
 *
 * A version number does not tell: distributions backport commands and arguments.  The
 * answer (0.2 MiB, 700 entries in QEMU 11.1) is read once and only what was looked for
 * is kept.  SCHEMA is that answer, borrowed; anything else has no commands.
 *
 * Thread: any.  Source: QEMU qapi/introspect.json.
 */
#ifndef MIGRD_QMP_SCHEMA_H
#define MIGRD_QMP_SCHEMA_H

#include "base/json.h"

/* COMMAND, or its argument ARGUMENT unless that is NULL, is there... */
bool qmp_schema_has(struct json_object *schema, const char *command, const char *argument);
/* ...and is not deprecated. */
bool qmp_schema_recommends(struct json_object *schema, const char *command, const char *argument);
/* Calls FN for each argument of COMMAND; NAME is borrowed. */
typedef void qmp_schema_fn(void *data, const char *name);
void qmp_schema_each_argument(struct json_object *schema, const char *command, qmp_schema_fn *fn,
			      void *data);
/* The same for each value that an argument can have which is one of an enumeration; of another kind
 * it has none.  `values' of SchemaInfoEnum. */
void qmp_schema_each_value(struct json_object *schema, const char *command, const char *argument,
			   qmp_schema_fn *fn, void *data);

#endif
