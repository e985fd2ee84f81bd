/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/stdout.h -- makes sure that what a program has printed was written. */
#ifndef MIGRD_BASE_STDOUT_H
#define MIGRD_BASE_STDOUT_H

#include "base/err.h"

/* Writes out what stdout still holds.  False and ERR when any of it was not written, so
 * that a full disk does not look like success.  A pipe whose reader has gone is no error:
 * the reader has seen enough; the caller ignores SIGPIPE. */
bool stdout_end(struct err *err);

#endif
