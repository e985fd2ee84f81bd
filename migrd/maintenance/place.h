/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maintenance/place.h -- what the conductor asks of a host: of another by its peer routes, of its
 * own host directly.
 *
 * Each question is answered once, never from inside the call, within a deadline of its own; after
 * that nothing is known of what became of it.  Thread: loop.
 */
#ifndef MIGRD_MAINTENANCE_PLACE_H
#define MIGRD_MAINTENANCE_PLACE_H

#include "hook/ask.h"
#include "maintenance/maintenance.h"

/* SOFTWARE: what the coordinator says that it is, which answers and is ready. */
typedef void place_health_fn(void *data, const char *software, const struct err *err);

struct maintenance_place {
	/* A dry run, a begin, or a renewal: wire/peer_evacuation.h. */
	void (*evacuate)(const struct maintenances_env *env, const char *host,
			 const struct evacuation_request *request, evacuation_ask_fn *fn,
			 void *data);
	void (*evacuation)(const struct maintenances_env *env, const char *host, const char *id,
			   evacuation_ask_fn *fn, void *data);
	void (*withdraw)(const struct maintenances_env *env, const char *host, const char *id,
			 const struct evacuation_withdraw *wish, evacuation_ask_fn *fn, void *data);
	void (*hook_begin)(const struct maintenances_env *env, const char *host,
			   const struct hook_request *request, hook_ask_fn *fn, void *data);
	void (*hook)(const struct maintenances_env *env, const char *host, const char *hook_id,
		     hook_ask_fn *fn, void *data);
	void (*health)(const struct maintenances_env *env, const char *host, place_health_fn *fn,
		       void *data);
};

extern const struct maintenance_place place_peer, place_own;

#endif
