/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/downtime.h -- the downtime-limit that QEMU gets, pass by pass.
 *
 * QEMU ends a transfer as soon as it thinks the rest fits into its
 * downtime-limit, so a guest that would converge to a few milliseconds is paused
 * for the whole limit.  So QEMU gets an eighth of the limit at first, and more
 * with later passes, if the transfer needs so many.
 *
 * Pure.  Thread: any.  Source: QEMU qapi/migration.json, downtime-limit.
 */
#ifndef MIGRD_MOVE_DOWNTIME_H
#define MIGRD_MOVE_DOWNTIME_H

#include <stdint.h>

/* The limit in ms for pass PASS (1 is the first) of a move whose guest may stand
 * still for LIMIT_MS in the end; from 1 to LIMIT_MS. */
uint64_t downtime_for_pass(uint64_t limit_ms, uint64_t pass);

#endif
