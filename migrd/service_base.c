/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every other service uses: the loop, the certificate, the directories, the store. */
#include "service.h"

#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager.h"
#include "settings.h"

static bool start_loop(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	daemon->data_address =
		xstrdup(config->data_advertise ? config->data_advertise : config->data_listen);
	api->loop = loop_new();
	api->bus = bus_new();
	api->host_id = config->host_id;
	api->state_dir = config->host_state_dir;
	api->api_address = config->api_listen;
	api->data_address = daemon->data_address;
	api->qemu_binary = config->qemu_binary;
	api->defaults.bandwidth_bytes_per_s = config->move_bandwidth_bytes_per_s;
	api->defaults.downtime_limit_ms = config->move_downtime_limit_ms;
	api->started_ms = clock_wall_ms();
	return true;
}

static void free_loop(struct daemon *daemon)
{
	bus_free(daemon->api.bus);
	loop_free(daemon->api.loop);
	free(daemon->data_address);
}

const struct service service_loop = { start_loop, NULL, free_loop };

static bool start_tls(struct daemon *daemon, struct err *err)
{
	return settings_load_tls_blocking(daemon->config, &daemon->api.tls, err);
}

static void free_tls(struct daemon *daemon)
{
	tls_live_unref(daemon->api.tls);
}

const struct service service_tls = { start_tls, NULL, free_tls };

static bool start_directories(struct daemon *daemon, struct err *err)
{
	const char *run_dir = daemon->config->host_run_dir;
	CLEANUP(free_charp) char *vms = xasprintf("%s/vms", run_dir);
	CLEANUP(free_charp) char *moves = xasprintf("%s/moves", run_dir);

	return dir_make(run_dir, 0700, err) && dir_make(vms, 0700, err) &&
	       dir_make(moves, 0700, err);
}

const struct service service_directories = { start_directories, NULL, NULL };

static bool start_store(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	api->store = store_open_blocking(api->loop, config->host_state_dir, err);
	return api->store && store_identify_blocking(api->store, config->host_run_dir, err);
}

static void end_store(struct daemon *daemon)
{
	store_close(daemon->api.store);
}

const struct service service_store = { start_store, end_store, NULL };

static void on_signal(void *data)
{
	log_info("migrd", "stopping", "guests run on");
	loop_stop(data);
}

static bool start_signals(struct daemon *daemon, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };

	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		daemon->signals[i] =
			loop_signal_new(daemon->api.loop, signals[i], on_signal, daemon->api.loop);
	return true;
}

static void free_signals(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_LEN(daemon->signals); i++)
		loop_signal_free(daemon->signals[i]);
}

const struct service service_signals = { start_signals, NULL, free_signals };

static bool start_manager(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->manager = manager_new(daemon->api.loop);
	return true;
}

static void end_manager(struct daemon *daemon)
{
	manager_free(TAKE_PTR(daemon->manager));
}

const struct service service_manager = { start_manager, end_manager, NULL };
