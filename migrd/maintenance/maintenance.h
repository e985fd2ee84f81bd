/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maintenance/maintenance.h -- hosts are emptied, handed to a hook and given back, one after
 * another or some at a time.
 *
 *     planned  -> running, stopping
 *     running  -> waiting, stopping, done
 *     waiting  -> running, stopping, done
 *     stopping -> failed, aborted
 *
 * The host that is asked conducts it: it asks the others, in the name "maintenance:ID", for what a
 * person could ask them, and owns nothing of a guest.  So a conductor that is lost, late or doubled
 * runs no guest twice; what a host does for it goes on or rests, and says in whose name.
 *
 * running: of the hosts, those go on that are under way, and others are begun as judge.h says; the
 * states of one host are in host.c.  waiting: a person has to say go; what is under way goes on.
 * stopping: no other host is begun.
 *
 * A host's state is on disk before that host is asked for what the state is for.  An evacuation is
 * known by its requester and a hook by its id, so what is asked again, also after a restart, is
 * done once.  Every state of a host has a deadline, but for those in which a person has to say go.
 *
 * One at most has not ended.  Thread: loop.
 */
#ifndef MIGRD_MAINTENANCE_MAINTENANCE_H
#define MIGRD_MAINTENANCE_MAINTENANCE_H

#include "capacity/capacity.h"
#include "evacuation/evacuation.h"
#include "hook/hook.h"
#include "store/store.h"
#include "wire/maintenance_reply.h"

struct maintenances;
struct maintenance;

struct maintenances_env {
	struct loop *loop;
	struct store *store;
	struct capacity *capacity;
	struct evacuations *evacuations; /* of this host, and */
	struct hooks *hooks;             /* likewise: when it is one of the hosts */
	struct peer_clients *peers;
	const char *host_id;
	/* Called when something changed that the API shows. */
	void (*changed)(void *data, struct maintenance *maintenance);
	void *data;
};

struct maintenances *maintenances_new(const struct maintenances_env *env);
/* Frees all of them; what hosts do goes on. */
void maintenances_clear(struct maintenances *all);
/* To be called when store, peers, capacity, evacuations and hooks are closed, so that no answer can
 * come any more. */
void maintenances_free(struct maintenances *all);

/* Takes over a row of the store. */
void maintenances_add_row(struct maintenances *all, struct store_maintenance *row);
/* When the evacuations were recovered. */
void maintenances_recover(struct maintenances *all);

/* ---- what the user does ---------------------------------------------------- */

/* Called once, on the loop, never from inside the call.  M NULL and ERR: nothing has changed; M and
 * ERR: it came too late, or could not be written. */
typedef void maintenance_done_fn(void *data, struct maintenance *m, const struct err *err);

/* Hosts are asked how they would be emptied, and then a maintenance begins.  BY is the caller.
 * INVALID: a host that is not known, a moment that is past; CONFLICT: one is under way, no host
 * would be left to take guests, none of the hosts could be begun, or the state id is another. */
void maintenance_start(struct maintenances *all, const struct maintenance_request *request,
		       const char *by, maintenance_done_fn *done, void *data);
/* The same without any change.  REPLY is borrowed. */
typedef void maintenance_tried_fn(void *data, const struct maintenance_reply *reply,
				  const struct err *err);
void maintenance_try(struct maintenances *all, const struct maintenance_request *request,
		     const char *by, maintenance_tried_fn *done, void *data);

/* What a person wants of one; DONE as above, once it is on disk.  TOO_LATE: it has ended; CONFLICT:
 * not in this state; NOT_FOUND: it has no such host. */
void maintenance_go(struct maintenance *m, const struct maintenance_go *wish,
		    maintenance_done_fn *done, void *data);
void maintenance_pause(struct maintenance *m, const struct maintenance_pause *wish,
		       maintenance_done_fn *done, void *data);
void maintenance_resume(struct maintenance *m, maintenance_done_fn *done, void *data);
void maintenance_stop(struct maintenance *m, const struct maintenance_stop *wish,
		      maintenance_done_fn *done, void *data);
void maintenance_abort(struct maintenance *m, const struct maintenance_abort *wish,
		       maintenance_done_fn *done, void *data);
void maintenance_skip(struct maintenance *m, const struct maintenance_skip *wish,
		      maintenance_done_fn *done, void *data);

/* ---- what there is to know ------------------------------------------------- */

/* "current": the one that has not ended, else the newest. */
struct maintenance *maintenances_find(struct maintenances *all, const char *id);
/* The newest first; good until the callback returns. */
struct maintenance *maintenances_first(struct maintenances *all);
struct maintenance *maintenance_next(const struct maintenance *m);
bool maintenance_is_final(const struct maintenance *m);
/* Its state machine, to be looked at only. */
const struct machine *maintenance_machine(const struct maintenance *m);
/* How many this process has brought to their end. */
struct maintenances_ended {
	uint64_t done, failed, aborted;
};
struct maintenances_ended maintenances_ended(const struct maintenances *all);
const char *maintenance_id(const struct maintenance *m);
/* Borrowed until one is shown again, or the loop goes on. */
const struct maintenance_reply *maintenance_show(struct maintenance *m);

#endif
