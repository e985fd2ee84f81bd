/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/pump.h -- copies a channel's bytes, both ways, until both ended.
 *
 * End of file from QEMU becomes close_notify and the other way round, each
 * direction by itself.  Anything else that ends one direction breaks both:
 * QEMU, and the QEMU of the other host, see a lost connection.
 */
#ifndef MIGRD_STREAM_PUMP_H
#define MIGRD_STREAM_PUMP_H

#include <stddef.h>

#include "stream/channel.h"
#include "stream/link.h"

/* One record's payload: RFC 8446, 5.1. */
#define PUMP_RECORD_BYTES 16384

/* Blocks.  FIRST was received already. */
void pump_run(struct channel *channel, struct link *link, int qemu_fd, const void *first,
	      size_t first_len);

#endif
