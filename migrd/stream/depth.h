/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/depth.h -- how much of QEMU's data waits in front of a link.
 *
 * All that waits is in front of the last of a guest, which stands still meanwhile, and in front of
 * the last of other guests where their links share a bottleneck.  So no more waits than what the
 * link takes in DEPTH_US; and enough for a fast link not to wait for QEMU.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_STREAM_DEPTH_H
#define MIGRD_STREAM_DEPTH_H

#include <stddef.h>
#include <stdint.h>

#define DEPTH_US 20000u
/* Two TLS records. */
#define DEPTH_MIN_BYTES ((size_t)32 << 10)
/* A UNIX socket holds at most 208 KiB by default (net.core.wmem_default), so one read never gets
 * more. */
#define DEPTH_MAX_BYTES ((size_t)256 << 10)

/* How much may wait next, if it was DEPTH and BYTES of that went in TOOK_US: half as much, as much,
 * or twice as much. */
size_t depth_next(size_t depth, size_t bytes, uint64_t took_us);

#endif
