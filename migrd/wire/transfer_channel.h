/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/transfer_channel.h -- one channel of a move: what passes between the two QEMUs on one
 * socket, `NAME.sock' in the move's directory of each host.
 *
 * A channel is a row of the transfer plan's table; migrd-stream(8) is told the row and knows
 * nothing else of it.  Its connections are alike: any of them may carry any connection that
 * QEMU makes on the source.
 *
 * Thread: any.
 */
#ifndef MIGRD_WIRE_TRANSFER_CHANNEL_H
#define MIGRD_WIRE_TRANSFER_CHANNEL_H

#include "base/json.h"

#define TRANSFER_CHANNEL_SIZE   16 /* bytes of a name, NUL included */
#define TRANSFER_CHANNEL_MAX    8  /* channels of a move */
#define TRANSFER_CONNECTION_MAX 64 /* per channel; QEMU: multifd-channels is a uint8 */

#define TRANSFER_CHANNEL_RAM   "ram"   /* what `migrate' sends */
#define TRANSFER_CHANNEL_DISKS "disks" /* local disks, by NBD */

/* `control.sock' in a move's directory is migrd-stream's own (stream/proto.h). */
#define TRANSFER_CHANNEL_RESERVED "control"

enum transfer_side { TRANSFER_SOURCE, TRANSFER_DESTINATION };

struct transfer_channel {
	char name[TRANSFER_CHANNEL_SIZE];
	uint64_t connections; /* how many QEMU makes, 1 or more */
	/* The side whose QEMU sends first on a new connection: an enum transfer_side.  The
	 * destination does if its QEMU is an NBD server, which greets its client. */
	int speaks_first;
	/* The streams connect again when the connection between the hosts is lost, and QEMU notices
	 * nothing but a pause. */
	bool may_reconnect;
	/* Its data goes out whether there is a lease or not (stream/limiter.h). */
	bool without_lease;
};

extern const struct json_field transfer_channel_fields[];

/* A name is a part of a path: 1 to 15 of [a-z0-9-], and not the reserved one. */
bool transfer_channel_name_is_valid(const char *name);

#endif
