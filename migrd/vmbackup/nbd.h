/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/nbd.h -- what an NBD server says of an export (doc/proto.md of NBD).
 *
 * Thread: a worker; each function waits for the server until its deadline.
 */
#ifndef MIGRD_VMBACKUP_NBD_H
#define MIGRD_VMBACKUP_NBD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define NBD_ANSWER_MS 10000

/* Connects to the socket of URI, whose directory must be below one of DIRS (of struct
 * vmbackups_env), also behind symbolic links.  The descriptor is non-blocking.  CONFLICT: it is
 * no socket, or elsewhere; UNAVAILABLE: nobody listens. */
bool nbd_connect(const char *dirs, const char *uri, int *ret_fd, struct err *err);

/* Asks for the size of the export; the server must let it be written to.  END_MS is of the
 * monotonic clock.  CONFLICT: there is no such export, or it is read-only, or that is no NBD
 * server; TIMEOUT; UNAVAILABLE. */
bool nbd_size_blocking(const char *dirs, const char *uri, uint64_t end_ms, uint64_t *ret_bytes,
		       struct err *err);

#endif
