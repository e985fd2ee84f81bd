/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/carry.h -- carries the bytes of one connection of QEMU over one link after another.
 *
 * For a channel that may reconnect: when a link is lost, QEMU notices nothing but a pause.
 * What was sent is kept until the other host has passed it on to its QEMU and said so; over
 * the next link both say how far they have come, and what is missing is sent again.
 *
 * One TLS record is one message:
 *
 *   'H' number offset   first on each link, the source before the destination: which of QEMU's
 *                       connections this is, in the order in which QEMU made them; so much has
 *                       this side passed on to its QEMU
 *   'D' bytes           of QEMU, in order
 *   'A' offset          so much has this side passed on; said each time that an eighth of what
 *                       is kept has come
 *   'E'                 this side's QEMU has closed its connection, or has ended; 'e': that
 *                       has come, and all before it
 *
 * When both sides have said 'e', the destination is over, and says so by the end of TLS
 * (close_notify); the source is over when it has heard that.  If the link is lost in between, the
 * source makes it again, and the destination, which is over, answers hello, 'E', 'e' and the end
 * of TLS again.  When both QEMUs have ended, a side that cannot learn the rest gives up after
 * the configuration's link_timeout_ms.
 *
 * A number is one byte.  Offsets are 8 bytes, big-endian, and count from the first byte of
 * QEMU's connection.  Thread: see each function.
 */
#ifndef MIGRD_STREAM_CARRY_H
#define MIGRD_STREAM_CARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/channel.h"
#include "stream/link.h"

/* Kept for all connections of a channel together, but at least CARRY_KEPT_MIN for each: less
 * than a link of 10 Gbit/s with 10 ms to the other host has under way, which is slower then. */
#define CARRY_KEPT_BYTES ((size_t)8 << 20)
#define CARRY_KEPT_MIN   ((size_t)1 << 20)

struct carry;

struct carry_hello {
	uint8_t number;
	uint64_t delivered; /* to the other host's QEMU */
};

/* Hears what the other host says first on LINK.  False: the link is lost; ERR is FORBIDDEN if
 * it is no hello. */
bool carry_hear_hello(struct link *link, uint64_t deadline_ms, struct carry_hello *ret,
		      struct err *err);

/* QEMU_FD is QEMU's connection with this NUMBER; it stays the caller's. */
struct carry *carry_new(struct connection *connection, uint8_t number, int qemu_fd);
void carry_free(struct carry *carry);

/* Carries over LINK until it is lost (false), or until this side is over, or the channel is
 * broken (true).  HEARD: the source's hello, on the destination; NULL on the source.  Blocks; one
 * thread at a time. */
bool carry_run(struct carry *carry, struct link *link, const struct carry_hello *heard);

/* The link is lost: the next one is waited for until then, on the monotonic clock; UINT64_MAX: as
 * long as it takes.  It changes when QEMU ends, and channel_look_again() is called then.  Thread:
 * any. */
uint64_t carry_ends_by_ms(struct carry *carry);
/* That time is over.  Breaks the channel if this side does not know that all has come. */
void carry_give_up(struct carry *carry);
/* So much has been passed on to QEMU. */
uint64_t carry_delivered(struct carry *carry);
/* Destination: the answer to the hello of a source that does not know that this side is over.
 * Blocks until DEADLINE_MS at most, and half a second. */
void carry_say_over(struct link *link, uint8_t number, uint64_t delivered, uint64_t deadline_ms);

#endif
