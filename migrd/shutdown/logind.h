/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shutdown/logind.h -- systemd-logind: its inhibitor locks, and word of a shutdown.
 *
 * Everything is a fact of logind_state(): `changed' says that one of them is another.  The
 * connection to the system bus is made, watched and made again by itself, with growing pauses;
 * nothing here waits.  A lock is asked for again when logind or the bus was restarted; the old
 * one is kept until the new one is there, since logind finds the locks of its earlier run again.
 *
 * Facts, from the sources of systemd 252 and 257 (org.freedesktop.login1(5)):
 * - A delay lock holds a shutdown up for InhibitDelayMaxSec of logind.conf(5) at most, 5 s if
 *   that is not set; logind tells PrepareForShutdown first.
 * - A block lock refuses a shutdown.  Before 257 it does not bind root: neither logind nor
 *   `systemctl reboot' looks at it then.
 * - From PrepareForShutdown on, logind grants no more locks.
 * - A shutdown that was scheduled (`shutdown +5') does not look at block locks, `systemctl
 *   reboot --force' at none, and one by PID 1 alone (Ctrl-Alt-Del) at none.
 * - A signal on the system bus can come from anybody: that of logind is known by its sender.
 *
 * Thread: loop.
 */
#ifndef MIGRD_SHUTDOWN_LOGIND_H
#define MIGRD_SHUTDOWN_LOGIND_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct logind;

enum logind_lock { LOGIND_DELAY, LOGIND_BLOCK, LOGIND_LOCK_COUNT };

/* This migrd was built with libsystemd; else logind_state() never says `is_there'. */
extern const bool logind_is_built;

struct logind_state {
	bool is_there;     /* logind has a name on the bus, and has told what it does */
	bool is_preparing; /* it prepares a shutdown */
	bool has[LOGIND_LOCK_COUNT];
	uint64_t delay_max_ms;    /* InhibitDelayMaxSec; 0: not known */
	char error[ERR_MSG_SIZE]; /* why something of it is not so; "": nothing */
};

/* CHANGED is never called from inside a call of this file. */
struct logind *logind_new(struct loop *loop, loop_fn *changed, void *data);
/* Gives the locks back. */
void logind_free(struct logind *logind);

const struct logind_state *logind_state(const struct logind *logind);
/* Takes LOCK as soon as that is possible, and keeps it; WHY is shown to who shuts the host down
 * and must stay.  WHY NULL: gives it back, at once. */
void logind_want(struct logind *logind, enum logind_lock lock, const char *why);
/* Asks anew how long a delay lock holds: logind does not tell that it read its configuration
 * again. */
void logind_look_again(struct logind *logind);

#endif
