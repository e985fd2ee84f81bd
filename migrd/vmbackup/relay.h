/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/relay.h -- carries the bytes between a program and the server that it writes to, and
 * ends the connection when it is stopped, or nothing has come or gone for long.
 *
 * Thread: a worker.
 */
#ifndef MIGRD_VMBACKUP_RELAY_H
#define MIGRD_VMBACKUP_RELAY_H

#include <stdbool.h>

#include "base/err.h"
#include "vmbackup/gauge.h"

#define RELAY_STALLED_MS 30000

struct relay;

/* SERVER, a non-blocking socket, is the relay's then; NAME is what errors call it.  *RET_THEIRS is
 * the program's end, a blocking socket that the relay closes in this process.
 * Name and gauge are borrowed.  NULL: ERR is set, and SERVER closed. */
struct relay *relay_new(int server, const char *name, struct vmbackup_gauge *gauge, int *ret_theirs,
			struct err *err);
void relay_free(struct relay *relay); /* accepts NULL */

/* As `attend' of struct proc_args; DATA is the relay.  CANCELLED, TIMEOUT. */
bool relay_attend(void *data, int pidfd, struct err *err);
/* The program has failed with ERR: it is the server's if that has gone away. */
void relay_explain(const struct relay *relay, struct err *err);

#endif
