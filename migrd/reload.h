/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reload.h -- what may change while migrd runs: SIGHUP, and the certificate's end.
 *
 * SIGHUP reads the configuration and the certificates again.  If either is bad, all
 * stays as it was; the log and GET /v1/host say why.  Of the configuration what can
 * be changed (`is_live' in config_keys.c, and the peers) is taken over; what else
 * differs stays, and the log names it.  Guests and moves are not touched: what
 * carries a move has its own certificates since its start.
 *
 * Thread: loop.
 */
#ifndef MIGRD_RELOAD_H
#define MIGRD_RELOAD_H

#include "api/api.h"
#include "config.h"

/* From here on SIGHUP never ends the process, whatever it is doing; it is acted on
 * once there is a reload.  To be called first in main(). */
void reload_catch_signal(void);

struct reload_env {
	const char *path;      /* of the configuration */
	struct config *config; /* as it runs: changed in place */
	struct api *api;       /* loop, peers, moves, defaults, tls, last reload */
	const char **peer_ids; /* CONFIG_PEER_MAX + 1 places: changed in place */
	struct http_server *server;
};

struct reload;

/* Also warns of a certificate that ends within 30 days, now and once a day. */
struct reload *reload_new(const struct reload_env *env);
/* Waits for the end of one that is under way.  Accepts NULL. */
void reload_free(struct reload *reload);

/* A certificate must be this host's. */
bool reload_check_identity(const struct tls_identity *identity, const struct config *config,
			   struct err *err);

#endif
