/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/yaml.h -- prints a tree of JSON as YAML 1.2: a document that begins with "---", so that
 * several may follow each other.  Texts that a reader could take for anything else are quoted as
 * in JSON, which YAML 1.2 contains (https://yaml.org/spec/1.2.2/, 7.3.1 and 10.3.2); so no text can
 * steer a terminal.  Thread: any. */
#ifndef MIGRD_LIB_YAML_H
#define MIGRD_LIB_YAML_H

#include <stdio.h>

#include "base/json.h"

/* OBJ NULL is null. */
void yaml_print(FILE *out, struct json_object *obj);

#endif
