/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shutdown/shutdown.h -- a shutdown of this host waits until its guests are elsewhere.
 *
 *                holds the shutdown up           refuses it
 *   off          no                              no
 *   limit        until the host is empty, or     no
 *                the limit is over
 *   wait         until the host is empty         while there are guests here
 *
 * Both are locks of logind (shutdown/logind.h), which keeps its own limit in both.  The delay
 * lock is there also while no guest is here, as one may come at any time; when logind says
 * that it shuts the host down, the guests are evacuated, and the lock is given back when none is
 * left.  No word of a shutdown is kept on disk: logind says again what it does.
 *
 * Thread: loop.
 */
#ifndef MIGRD_SHUTDOWN_SHUTDOWN_H
#define MIGRD_SHUTDOWN_SHUTDOWN_H

#include <stdint.h>

#include "base/loop.h"
#include "wire/host_reply.h"

struct shutdown;

enum shutdown_mode { SHUTDOWN_OFF, SHUTDOWN_LIMIT, SHUTDOWN_WAIT };

/* "off", "limit", "wait"; anything else is "off". */
enum shutdown_mode shutdown_mode_of(const char *name);

struct shutdown_env {
	struct loop *loop;
	enum shutdown_mode mode;
	uint64_t limit_s;
	/* A guest is here, comes, or goes; true also while that is not known yet. */
	bool (*has_guests)(void *data);
	/* The guests have to go: within LIMIT_S, 0: no limit is known.  May be NULL. */
	void (*evacuate)(void *data, uint64_t limit_s);
	/* logind says that there is no shutdown: after one that has not come about, and once after
	 * a start of migrd, so also after that of the host.  May be NULL. */
	void (*called_off)(void *data);
	void (*changed)(void *data); /* what shutdown_show() gives is another; may be NULL */
	void *data; /* of all four; none is called from inside a call of this file */
};

struct shutdown *shutdown_new(const struct shutdown_env *env);
/* Gives the locks back. */
void shutdown_free(struct shutdown *shutdown);

/* Guests may be others than before.  Cheap: looks once in a turn of the loop.  SHUTDOWN may be
 * NULL. */
void shutdown_look(struct shutdown *shutdown);
/* The configuration was read again, so that of logind may be another too. */
void shutdown_look_again(struct shutdown *shutdown);

/* *RET must be all zero: its members are set one by one, so that two can be compared byte for
 * byte. */
void shutdown_show(const struct shutdown *shutdown, struct host_shutdown *ret);

#endif
