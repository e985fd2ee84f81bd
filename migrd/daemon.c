/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The services in the order in which they start, and the run. */
#include "daemon.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/shares.h"
#include "manager.h"
#include "service.h"

static const struct {
	const char *name; /* for the log */
	const struct service *service;
} services[] = {
	{ "loop", &service_loop },
	{ "tls", &service_tls },
	{ "directories", &service_directories },
	{ "store", &service_store },
	{ "peers", &service_peers },
	{ "notify", &service_notify },
	{ "webhooks", &service_webhooks },
	{ "policies", &service_policies },
	{ "holds", &service_holds },
	{ "vms", &service_vms },
	{ "adopter", &service_adopter },
	{ "moves", &service_moves },
	{ "saves", &service_saves },
	{ "snapshots", &service_snapshots },
	{ "refreshes", &service_refreshes },
	{ "vmbackups", &service_vmbackups },
	{ "newest", &service_newest },
	{ "queue", &service_queue },
	{ "hooks", &service_hooks },
	{ "capacity", &service_capacity },
	{ "evacuations", &service_evacuations },
	{ "autostart", &service_autostart },
	{ "maintenances", &service_maintenances },
	{ "shutdown", &service_shutdown },
	{ "check", &service_check },
	{ "readiness", &service_readiness },
	{ "answers", &service_answers },
	{ "records", &service_records },
	{ "metrics", &service_metrics },
	{ "data-port", &service_data_port },
	{ "api", &service_api },
	{ "signals", &service_signals },
	{ "manager", &service_manager },
	{ "reload", &service_reload },
};

/* Returns how many were started, the one that failed included. */
static size_t start_services(struct daemon *daemon, bool *ret_ok, struct err *err)
{
	size_t count = 0;

	do {
		log_debug("migrd", "service", "start=%s", services[count].name);
		*ret_ok = services[count++].service->start(daemon, err);
	} while (*ret_ok && count < ARRAY_LEN(services));
	return count;
}

static void end_services(struct daemon *daemon, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		if (services[i].service->end)
			services[i].service->end(daemon);
		if (daemon->api.loop)
			loop_drain(daemon->api.loop);
	}
	for (size_t i = count; i-- > 0;) {
		if (services[i].service->free)
			services[i].service->free(daemon);
	}
}

/* ---- run ------------------------------------------------------------------ */

static void on_vms_recovered(void *data, const struct err *err)
{
	struct daemon *daemon = data;
	struct api *api = &daemon->api;

	(void)err;
	api->is_ready = true;
	holds_recover(api->holds);
	webhooks_recover(api->webhooks);
	shutdown_look(api->shutdown);
	newest_begin(api->newest);
	manager_ready(daemon->manager);
	log_info("migrd", "ready", "host=%s", api->host_id);
}

/* Descriptors for guests, moves and the store, beside the API's connections. */
#define DESCRIPTORS_FOR_WORK 1024

static void check_descriptor_limit(void)
{
	const unsigned wanted = http_shares_total() + DESCRIPTORS_FOR_WORK;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
		log_warning("migrd", "descriptors", "limit=%llu wanted=%u reason=%s",
			    (unsigned long long)limit.rlim_cur, wanted,
			    "few connections and guests fit: raise LimitNOFILE");
}

bool daemon_run(const char *path, struct config *config, struct err *err)
{
	struct daemon daemon = { .path = path, .config = config };
	size_t count;
	bool ok;

	/* Children are watched by pidfd, and reaped by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error, not the end */
	count = start_services(&daemon, &ok, err);
	if (ok) {
		check_descriptor_limit();
		log_info("migrd", "started", "version=%s host=%s api=%s data=%s", VERSION,
			 config->host_id, config->api_listen, config->data_listen);
		vms_recover(daemon.api.vms, on_vms_recovered, &daemon);
		loop_run(daemon.api.loop);
	}
	end_services(&daemon, count);
	return ok;
}
