/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/deadman.h -- lets a guest run on that stands still and waits for a coordinator which is
 * away.
 *
 * A move with local disks has QEMU's pause-before-switchover: QEMU stops the guest and waits in
 * `pre-switchover' until the coordinator says migrate-continue.  If that coordinator has died,
 * migrate_cancel lets the guest run on where it is: the destination cannot have been told that the
 * guest is its own, as that comes after QEMU's `completed'.  In every other state nothing is done.
 */
#ifndef MIGRD_STREAM_DEADMAN_H
#define MIGRD_STREAM_DEADMAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Asks the QEMU whose monitor is at PATH, and cancels its migration if that is in
 * pre-switchover (*RET_CANCELLED).  Waits for TIMEOUT_MS at most.  UNAVAILABLE: nobody listens;
 * TIMEOUT: QEMU does not answer, or another client has the monitor, since it greets one at a time;
 * INVALID: that is no monitor.  Thread: any.
 * Source: QEMU docs/interop/qmp-spec, qapi/migration.json (MigrationStatus). */
bool deadman_look(const char *path, uint32_t timeout_ms, bool *ret_cancelled, struct err *err);

#endif
