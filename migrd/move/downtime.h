/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/downtime.h -- how long a pause of the guest QEMU may plan for.
 *
 * QEMU ends a transfer as soon as it thinks the rest fits into its
 * downtime-limit, so a guest that would converge to a few milliseconds is paused
 * for the whole limit.  It is therefore given an eighth at first, and the rest
 * pass by pass, if the passes show that it is needed.
 *
 * Pure.  Thread: any.  Source: QEMU qapi/migration.json, downtime-limit.
 */
#ifndef MIGRD_MOVE_DOWNTIME_H
#define MIGRD_MOVE_DOWNTIME_H

#include <stdint.h>

/* For pass PASS (1 is the first) of a move whose guest may stand still for
 * LIMIT_MS in the end; from 1 to LIMIT_MS. */
uint64_t downtime_for_pass(uint64_t limit_ms, uint64_t pass);

#endif
