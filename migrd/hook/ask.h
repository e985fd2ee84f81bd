/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/ask.h -- what the conductor of a maintenance asks of other hosts: to be emptied, to run a
 * hook, to be filled again.
 *
 * Each is answered once, never from inside the call, within the deadline named below.  All may be
 * asked again: a request is known by the name of its requester, also when it was withdrawn or its
 * evacuation has ended, and a hook is begun once for each id.
 *
 * Errors as of peer_request(), and: FORBIDDEN (it does not name this host in [maintenance]
 * conductors; in words), NOT_FOUND (no such hook, no such evacuation), PROTOCOL (its migrd is older
 * and has no hooks: in words).  UNAVAILABLE, also when the host is no peer of this one any more,
 * and TIMEOUT say nothing of what came of it.
 *
 * Thread: loop.
 */
#ifndef MIGRD_HOOK_ASK_H
#define MIGRD_HOOK_ASK_H

#include "peer/client.h"
#include "wire/evacuation_request.h"
#include "wire/hook.h"
#include "wire/peer_evacuation.h"

#define HOOK_ASK_MS       10000
#define EVACUATION_ASK_MS 30000 /* it asks its peers, and makes a plan */

typedef void hook_ask_fn(void *data, const struct hook_run *run, const struct err *err);
void hook_ask_begin(struct peer_clients *peers, const char *host,
		    const struct hook_request *request, hook_ask_fn *fn, void *data);
void hook_ask_status(struct peer_clients *peers, const char *host, const char *hook_id,
		     hook_ask_fn *fn, void *data);

/* TOLD is borrowed. */
typedef void evacuation_ask_fn(void *data, const struct peer_evacuation *told,
			       const struct err *err);
/* REQUEST->dry_run: nothing is changed, and TOLD has the plan and no id. */
void evacuation_ask_begin(struct peer_clients *peers, const char *host,
			  const struct evacuation_request *request, evacuation_ask_fn *fn,
			  void *data);
/* ID may be "current": the one that has not ended, else the newest. */
void evacuation_ask_status(struct peer_clients *peers, const char *host, const char *id,
			   evacuation_ask_fn *fn, void *data);
void evacuation_ask_withdraw(struct peer_clients *peers, const char *host, const char *id,
			     const struct evacuation_withdraw *wish, evacuation_ask_fn *fn,
			     void *data);

#endif
