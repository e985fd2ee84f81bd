/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/edit_changes.h -- from a definition that a person has changed to the request that makes
 * the changes (PATCH /v1/vms/{name}).  Thread: any (pure). */
#ifndef MIGRD_MIGRCTL_EDIT_CHANGES_H
#define MIGRD_MIGRCTL_EDIT_CHANGES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

/* Adds to BODY what makes AFTER of BEFORE, both definitions; nothing: they are the same but for the
 * order of devices.  INVALID: AFTER has a change that no request makes; it is named. */
bool edit_changes(struct json_object *before, struct json_object *after, struct json_object *body,
		  struct err *err);

#endif
