/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/address.h -- connecting to a monitor's address without waiting.  Thread: any. */
#ifndef MIGRD_QMP_ADDRESS_H
#define MIGRD_QMP_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"

/* "unix:PATH", "tcp:HOST:PORT", "tcp:[HOST]:PORT"; HOST is numeric, so that
 * nothing waits for a name server.  The descriptor is close-on-exec and
 * non-blocking; *ret_pending: it is connected once it can be written to.
 * Errors: INVALID (the address), UNAVAILABLE (nobody listens). */
bool qmp_address_connect(const char *address, int *ret_fd, bool *ret_pending, struct err *err);
/* The outcome of a pending connect. */
bool qmp_address_connected(int fd, struct err *err);

#endif
