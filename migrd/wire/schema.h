/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/schema.h -- the published JSON Schemas, by name; schema/api/NAME.json is
 * what they print.  Thread: any. */
#ifndef MIGRD_WIRE_SCHEMA_H
#define MIGRD_WIRE_SCHEMA_H

#include <stdio.h>

#include "base/json.h"

/* The name of the I-th schema; NULL: there are no more. */
const char *wire_schema_name(size_t i);
/* The name of the schema of a table; NULL: it has none. */
const char *wire_schema_of(const struct json_field *fields, enum json_schema_use use);
/* A new object, or NULL for an unknown name. */
struct json_object *wire_schema(const char *name);
/* Prints a schema as its file has it; false for an unknown name. */
bool wire_schema_print(FILE *out, const char *name);

#endif
