/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/follow.h -- the daemon's events, across its restarts.
 *
 * A lost connection is opened again, with growing pauses, for a minute; the user
 * is told once.  Errors: those of client.h; after the minute UNAVAILABLE.
 */
#ifndef MIGRD_MIGRCTL_FOLLOW_H
#define MIGRD_MIGRCTL_FOLLOW_H

#include "agents/lib/client.h"

#define FOLLOW_OUTAGE_MAX_MS 60000

struct follow {
	struct client *client; /* borrowed */
	const char *program;   /* for messages */
	const char *path;      /* borrowed; with a query: only some of them */
	bool must_resume;      /* ask for missed events, by Last-Event-ID */
	uint32_t outage_max_ms;
	/* private */
	struct client_stream *stream;
	char *last_id;
	uint64_t lost_at_ms; /* 0: not lost */
	uint32_t pause_ms;
	bool was_open; /* the first failure is an error, later ones are outages */
};

enum follow_step {
	FOLLOW_OPENED, /* no event is missed from now on: read the state now */
	FOLLOW_EVENT,
	FOLLOW_SILENCE,
	FOLLOW_FAILED,
};

void follow_init(struct follow *follow, struct client *client, const char *program);
void follow_fini(struct follow *follow);
enum follow_step follow_next(struct follow *follow, uint32_t timeout_ms,
			     struct client_event *ret_event, struct err *err);
/* For an error of another call to the same daemon.  True: it is an outage, and
 * follow_next() goes on; false: the error is final. */
bool follow_lost(struct follow *follow, const struct err *err);

#endif
