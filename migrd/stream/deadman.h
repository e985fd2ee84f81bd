/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/deadman.h -- looks at a guest that may stand still for a coordinator which is away.
 *
 * QEMU stops the guest when a transfer comes to its end, and only a coordinator can let it run
 * then. If that has died, its stream looks here:
 *
 *   pre-switchover   QEMU waits for migrate-continue (a move with local disks), and ends that wait
 *                    for nobody else.  It is cancelled at once: the guest runs on where it is.
 *   finish-migrate   QEMU sends the rest, or waits for the destination's answer.
 *   no answer        so does a QEMU that sends the rest: it holds its main lock meanwhile.  So does
 *                    one of which another client has the monitor: each QEMU of ours has two, but an
 *                    adopted one has one.
 *
 * In the last two the end of QEMU's connection lets the guest run on; who calls decides when that
 * is due (stream/control.c).  The destination cannot have been told that the guest is its own,
 * since that comes after QEMU's `completed', and a QEMU that has completed does nothing at the end
 * of its connection.  In every other state nothing is to be done.
 *
 * Whether a guest stands still whose only monitor somebody else has cannot be known, and no
 * coordinator could end its move either: an attempt that is given up for nothing is less than a
 * guest that stands still for as long as that client stays.
 */
#ifndef MIGRD_STREAM_DEADMAN_H
#define MIGRD_STREAM_DEADMAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum deadman_sight {
	DEADMAN_LEFT,      /* there is nothing to be done */
	DEADMAN_STANDS,    /* QEMU has stopped the guest, and sends the rest */
	DEADMAN_CANCELLED, /* QEMU waited in pre-switchover, and does no more */
};

/* Longer than any answer that is read here, and any event between. */
#define DEADMAN_LINE_BYTES 65536

/* A talk with one monitor.  A QEMU that does not answer keeps it, since each new connection would
 * take one of the few places in its queue, which a coordinator that comes back needs. */
struct deadman {
	int fd; /* -1: there is none */
	bool is_greeted, is_ready;
	const char *pending; /* the command whose answer has not come; NULL */
	uint64_t deadline_ms;
	size_t len; /* of what has come and was not read */
	char text[DEADMAN_LINE_BYTES];
};

void deadman_init(struct deadman *deadman);
/* Lets go of the monitor; looks may follow. */
void deadman_close(struct deadman *deadman);
/* Asks the QEMU whose monitor is at PATH, always the same, and cancels its migration if that is in
 * pre-switchover.  Waits for TIMEOUT_MS at most.  UNAVAILABLE: nobody listens;
 * TIMEOUT: QEMU does not answer, or another client has the monitor, since it greets one at a time;
 * INVALID: that is no monitor.  Thread: any.
 * Source: QEMU docs/interop/qmp-spec, qapi/migration.json (MigrationStatus), qapi/run-state.json
 * (RunState). */
bool deadman_look(struct deadman *deadman, const char *path, uint32_t timeout_ms,
		  enum deadman_sight *ret, struct err *err);

#endif
