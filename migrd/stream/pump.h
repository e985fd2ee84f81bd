/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/pump.h -- copies a connection's bytes in both directions, until both have
 * ended.
 *
 * End of file from QEMU becomes close_notify and the other way round, for each
 * direction by itself.  If one direction ends in any other way, both break: QEMU, and
 * the QEMU of the other host, see a lost connection; but on a channel with several
 * connections a QEMU that closes one of them has ended there in order.
 */
#ifndef MIGRD_STREAM_PUMP_H
#define MIGRD_STREAM_PUMP_H

#include <stddef.h>

#include "stream/channel.h"
#include "stream/link.h"

/* Most payload of one TLS record: RFC 8446, 5.1. */
#define PUMP_RECORD_BYTES 16384

/* Blocks.  FIRST, which was received already, goes to QEMU first. */
void pump_run(struct channel *channel, struct link *link, int qemu_fd, const void *first,
	      size_t first_len);

#endif
