/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manager.h -- tells the service manager (systemd) how the service is.
 *
 * A unit of Type=notify is started when READY=1 is said, so what follows migrd in a boot finds an
 * API that answers.  With WatchdogSec= the loop says WATCHDOG=1 at half that time: a loop that
 * stands still is ended by systemd and started again, and the guests go on.  Without
 * $NOTIFY_SOCKET all this does nothing.
 *
 * The protocol is that of sd_notify(3), which promises that it stays.  libsystemd is not used, as
 * its call waits when the manager does not read, and the loop never waits.  Abstract sockets ("@"),
 * which systemd does not use for services of the system, are not spoken to.
 * Facts: sd_notify(3), sd_watchdog_enabled(3); RELOADING=1 of Type=notify-reload (systemd 253 and
 * later) needs MONOTONIC_USEC=, and older ones do not look at it.
 * Thread: the loop's.
 */
#ifndef MIGRD_MANAGER_H
#define MIGRD_MANAGER_H

#include "base/loop.h"

struct manager;

struct manager *manager_new(struct loop *loop);
/* Says STOPPING=1.  Accepts NULL. */
void manager_free(struct manager *manager);

/* Said again each second until the manager has taken it. */
void manager_ready(struct manager *manager);
/* A reload begins; manager_ready() says that it is over. */
void manager_reloading(struct manager *manager);

#endif
