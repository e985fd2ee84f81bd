/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/refuse.h -- answers a command with a failure, later on the loop: for a failure that is
 * known before the call that asked has returned, or that must outlive the connection. */
#ifndef MIGRD_QMP_REFUSE_H
#define MIGRD_QMP_REFUSE_H

#include "base/loop.h"
#include "qmp/conn.h"

/* Calls FN(DATA, NULL, ERR) on the loop, never from inside; FN may be NULL. */
void qmp_refuse(struct loop *loop, qmp_reply_fn *fn, void *data, const struct err *err);

#endif
