/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service.h -- the services of a daemon: how each is started, and how it ends.
 *
 * daemon.c has their order.  Thread: the main one, which becomes the loop's.
 */
#ifndef MIGRD_SERVICE_H
#define MIGRD_SERVICE_H

#include "api/api.h"
#include "base/err.h"
#include "config.h"

/* What the services share. */
struct daemon {
	const char *path; /* of the configuration */
	struct config *config;
	struct api api; /* nearly every service is known to the routes */
	char *data_address;
	const char **peer_ids; /* CONFIG_PEER_MAX + 1 places, ended by NULL */
	struct http_server *server;
	struct stream_port *port;
	struct reload *reload;
	struct manager *manager;
	struct loop_signal *signals[2];
};

/* The last that was started ends first.  `end' takes no more work, and answers what waits,
 * at once or by a post: its callers find their objects gone, and free what they kept.  `free' is
 * called when all have ended and the store is closed, so that no call can come any
 * more.  Both cope with a `start' that failed; either may be NULL. */
struct service {
	bool (*start)(struct daemon *daemon, struct err *err);
	void (*end)(struct daemon *daemon);
	void (*free)(struct daemon *daemon);
};

/* service_base.c */
extern const struct service service_loop;
extern const struct service service_tls;
extern const struct service service_directories;
extern const struct service service_store;
extern const struct service service_signals;
extern const struct service service_manager;

/* service_peers.c */
extern const struct service service_peers;
extern const struct service service_notify;
extern const struct service service_webhooks;

/* service_guests.c */
extern const struct service service_policies;
extern const struct service service_holds;
extern const struct service service_vms;
extern const struct service service_adopter;
extern const struct service service_moves;
extern const struct service service_saves;
extern const struct service service_snapshots;
extern const struct service service_refreshes;
extern const struct service service_vmbackups;

/* service_fleet.c */
extern const struct service service_newest;
extern const struct service service_queue;
extern const struct service service_hooks;
extern const struct service service_capacity;
extern const struct service service_evacuations;
extern const struct service service_autostart;
extern const struct service service_maintenances;
extern const struct service service_shutdown;

/* service_records.c */
extern const struct service service_records;

/* service_api.c */
extern const struct service service_check;
extern const struct service service_readiness;
extern const struct service service_answers;
extern const struct service service_metrics;
extern const struct service service_data_port;
extern const struct service service_api;
extern const struct service service_reload;

#endif
