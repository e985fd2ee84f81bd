/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reload.h -- what may change while migrd runs: SIGHUP, and the certificate's end.
 *
 * SIGHUP reads the configuration and the certificates again.  If either is bad, all
 * stays as it was; the log and GET /v1/host say why.  Of the configuration, the keys that can
 * be changed (`is_live' in config_keys.c) and the peers are taken over; other differences have
 * no effect, and the log names them.  Guests and moves are not touched: the process that
 * carries a move keeps the certificates that it started with.
 *
 * Thread: loop.
 */
#ifndef MIGRD_RELOAD_H
#define MIGRD_RELOAD_H

#include "api/api.h"
#include "config.h"

/* From here on SIGHUP never ends the process, whatever it is doing; it has an effect once
 * reload_new() was called.  To be called first in main(). */
void reload_catch_signal(void);

struct reload_env {
	const char *path;      /* of the configuration */
	struct config *config; /* as it runs: changed in place */
	struct api *api;       /* loop, peers, moves, defaults, tls, last reload */
	const char **peer_ids; /* CONFIG_PEER_MAX + 1 places: changed in place */
	struct http_server *server;
	struct manager *manager; /* told of a reload */
};

struct reload;

/* Also warns of a certificate that ends within 30 days, now and once a day. */
struct reload *reload_new(const struct reload_env *env);
/* Waits for the end of a reload that is under way.  Accepts NULL. */
void reload_free(struct reload *reload);

#endif
