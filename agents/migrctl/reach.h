/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/reach.h -- which daemon a command goes to, and what it is shown.
 *
 * The first of these that is given says where: --socket or --host; --context; $MIGRD_CONTEXT;
 * $MIGRD_HOST; $MIGRD_SOCKET; the context in use; the socket of this host.  --cert, --key and --ca
 * win over the context's; with --host, where one is missing, $MIGRD_CERT, $MIGRD_KEY and $MIGRD_CA
 * do, then those of the context.  --host-id without --host is one of the peer list of the host that
 * would be asked otherwise, or that host itself.
 *
 * Thread: main.
 */
#ifndef MIGRD_MIGRCTL_REACH_H
#define MIGRD_MIGRCTL_REACH_H

#include "agents/lib/client.h"
#include "agents/migrctl/contexts.h"
#include "agents/migrctl/migrctl.h"

struct reach {
	struct client_config config; /* borrows from below, the options and the environment */
	const char *from;            /* what has said so: "--host", "$MIGRD_HOST", "context", ... */
	const char *context;         /* its name; NULL: none is used */
	const char *peer;            /* a host id that is still to be looked up there; NULL: none */
	struct contexts *contexts;   /* NULL: the file was not needed */
};

/* Finds out; asks nobody.  ERR: of contexts_read() and contexts_find(), INVALID.  RET needs
 * reach_fini() in both cases. */
bool reach_find(const struct migrctl_globals *globals, struct reach *ret, struct err *err);
void reach_fini(struct reach *reach);

/* The client for it.  Looks up the peer, if there is one, at the host that is asked otherwise,
 * within TIMEOUT_MS (0: two minutes). */
struct client *reach_client(const struct reach *reach, const struct migrctl_globals *globals,
			    struct faults *faults, uint32_t timeout_ms, struct err *err);

#endif
