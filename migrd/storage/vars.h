/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/vars.h -- the image of a new guest's firmware variables.
 *
 * Thread: a worker; it may wait for storage.
 */
#ifndef MIGRD_STORAGE_VARS_H
#define MIGRD_STORAGE_VARS_H

#include "base/err.h"

/* Makes PATH, a copy of TEMPLATE ("": there is none), unless it is there already.  A crash leaves
 * no half of it at PATH.  NOT_FOUND: it is not there, and there is no template; INVALID: the
 * template is no file, is empty, or is larger than firmware may be; else what the system says. */
bool vars_make_blocking(const char *path, const char *template, struct err *err);

#endif
