/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plans over guests and hosts: the queue, the capacity, a host that is emptied. */
#include "service.h"

#include <unistd.h>

#include "base/mem.h"
#include "capacity/host.h"
#include "settings.h"

static void recover_jobs(void *data)
{
	struct api *api = data;

	saves_recover(api->saves);
	refreshes_recover(api->refreshes);
	vmbackups_recover(api->vmbackups);
	queue_recover(api->queue);
	evacuations_recover(api->evacuations);
	hooks_recover(api->hooks);
	maintenances_recover(api->maintenances);
	api_shutdown_recovered(api);
}

static void begin_autostart(void *data)
{
	autostart_begin(((const struct api *)data)->autostart);
}

static bool start_newest(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->newest_env = (struct newest_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.moves = api->moves,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = daemon->config->host_id,
		.recover = recover_jobs,
		.settled = begin_autostart,
		.data = api,
	};
	api->newest = newest_new(&api->newest_env);
	return true;
}

static void end_newest(struct daemon *daemon)
{
	newest_end(daemon->api.newest);
}

static void free_newest(struct daemon *daemon)
{
	newest_free(daemon->api.newest);
}

const struct service service_newest = { start_newest, end_newest, free_newest };

/* A set-up keeps a CPU busy for most of its time.  As many as there are CPUs made guests that were
 * handed over meanwhile stand still for 156 ms at worst, half as many for 52 ms, and 64 moves took
 * 22.4 s instead of 23.4 (tests/bench/bench_many --link 50, two CPUs). */
#define SETUP_CPUS 2

static bool start_queue(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	(void)err;
	api->queue = queue_new(&(struct queue_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.moves = api->moves,
		.policies = api->policies,
		.holds = api->holds,
		.peers = api->peers,
		.newest_env = &api->newest_env,
		.newest = api->newest,
		.defaults = &api->defaults,
		.host_id = daemon->config->host_id,
		.out_max = (unsigned)daemon->config->queue_out_max,
		.setups_max = cpus > 1 ? (unsigned)cpus / SETUP_CPUS : 1,
		.changed = api_queue_changed,
		.data = api,
	});
	return true;
}

static void end_queue(struct daemon *daemon)
{
	queue_clear(daemon->api.queue);
}

static void free_queue(struct daemon *daemon)
{
	queue_free(TAKE_PTR(daemon->api.queue));
}

const struct service service_queue = { start_queue, end_queue, free_queue };

static bool start_hooks(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;
	struct hook_sections *sections;

	if (!settings_load_hooks_blocking(daemon->config, &sections, err))
		return false;
	api->hooks = hooks_new(
		&(struct hooks_env){
			.loop = api->loop,
			.store = api->store,
			.state_dir = daemon->config->host_state_dir,
			.host_id = daemon->config->host_id,
			.program = daemon->config->maintenance_hook_program,
			.may_begin = api_hook_may_begin,
			.changed = api_hook_changed,
			.data = api,
		},
		sections, err);
	return api->hooks != NULL;
}

static void end_hooks(struct daemon *daemon)
{
	hooks_clear(daemon->api.hooks);
}

static void free_hooks(struct daemon *daemon)
{
	hooks_free(TAKE_PTR(daemon->api.hooks));
}

const struct service service_hooks = { start_hooks, end_hooks, free_hooks };

static bool is_cordoned(void *data, struct strbuf *why)
{
	return cordon_is_on(((const struct api *)data)->holds, why);
}

static bool is_draining(void *data, struct strbuf *why)
{
	return evacuations_is_on(((const struct api *)data)->evacuations, why);
}

static bool is_held(void *data, struct strbuf *why)
{
	return holds_host(((const struct api *)data)->holds, why);
}

static bool is_vm_held(void *data, const char *uuid, struct strbuf *why)
{
	return holds_vm(((const struct api *)data)->holds, uuid, why);
}

static bool start_capacity(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->capacity = capacity_new(&(struct capacity_env){
		.loop = api->loop,
		.vms = api->vms,
		.moves = api->moves,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = daemon->config->host_id,
		.interface_bytes_per_s = host_interface_rate_blocking(&host_roots_default),
		.settings = settings_capacity(daemon->config),
		.hooks = { .is_cordoned = is_cordoned,
			   .is_draining = is_draining,
			   .is_held = is_held,
			   .is_vm_held = is_vm_held,
			   .data = api },
	});
	return true;
}

static void end_capacity(struct daemon *daemon)
{
	capacity_end(daemon->api.capacity);
}

static void free_capacity(struct daemon *daemon)
{
	capacity_free(TAKE_PTR(daemon->api.capacity));
	api_capacity_fini(&daemon->api);
}

const struct service service_capacity = { start_capacity, end_capacity, free_capacity };

static bool start_evacuations(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->evacuations = evacuations_new(&(struct evacuations_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.moves = api->moves,
		.policies = api->policies,
		.saves = api->saves,
		.queue = api->queue,
		.holds = api->holds,
		.capacity = api->capacity,
		.peers = api->peers,
		.newest_env = &api->newest_env,
		.newest = api->newest,
		.host_id = daemon->config->host_id,
		.is_kept_empty = api_is_kept_empty,
		.changed = api_evacuation_changed,
		.data = api,
	});
	evacuations_set_makes_room_for(api->evacuations, daemon->config->host_makes_room_for);
	return true;
}

static void end_evacuations(struct daemon *daemon)
{
	evacuations_clear(daemon->api.evacuations);
}

static void free_evacuations(struct daemon *daemon)
{
	evacuations_free(TAKE_PTR(daemon->api.evacuations));
}

const struct service service_evacuations = { start_evacuations, end_evacuations, free_evacuations };

/* ---- VMs that are started after a boot -------------------------------------------------- */

static bool start_autostart(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->autostart = autostart_new(&(struct autostart_env){
		.loop = api->loop,
		.vms = api->vms,
		.newest_env = &api->newest_env,
		.newest = api->newest,
		.at_once = (unsigned)config->host_autostart_at_once,
		.pause_ms = (uint32_t)config->host_autostart_pause_ms,
		.give_up_s = (uint32_t)config->host_autostart_give_up_s,
		.may = api_may_autostart,
		.told = api_autostart_told,
		.data = api,
	});
	return true;
}

static void end_autostart(struct daemon *daemon)
{
	autostart_end(daemon->api.autostart);
}

static void free_autostart(struct daemon *daemon)
{
	autostart_free(TAKE_PTR(daemon->api.autostart));
}

const struct service service_autostart = { start_autostart, end_autostart, free_autostart };

/* ---- maintenances that this host conducts -------------------------------------------- */

static bool start_maintenances(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->maintenances = maintenances_new(&(struct maintenances_env){
		.loop = api->loop,
		.store = api->store,
		.capacity = api->capacity,
		.evacuations = api->evacuations,
		.hooks = api->hooks,
		.peers = api->peers,
		.host_id = daemon->config->host_id,
		.changed = api_maintenance_changed,
		.data = api,
	});
	return true;
}

static void end_maintenances(struct daemon *daemon)
{
	maintenances_clear(daemon->api.maintenances);
}

static void free_maintenances(struct daemon *daemon)
{
	maintenances_free(TAKE_PTR(daemon->api.maintenances));
}

const struct service service_maintenances = { start_maintenances, end_maintenances,
					      free_maintenances };

static bool start_shutdown(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->shutdown_retry = loop_timer_new(api->loop, api_shutdown_retry, api);
	api->shutdown = shutdown_new(&(struct shutdown_env){
		.loop = api->loop,
		.mode = shutdown_mode_of(config->host_shutdown),
		.limit_s = config->host_shutdown_limit_s,
		.has_guests = api_has_guests,
		.evacuate = api_shutdown_evacuate,
		.called_off = api_shutdown_called_off,
		.changed = api_shutdown_changed,
		.data = api,
	});
	return true;
}

static void end_shutdown(struct daemon *daemon)
{
	shutdown_free(TAKE_PTR(daemon->api.shutdown));
	loop_timer_free(TAKE_PTR(daemon->api.shutdown_retry));
}

const struct service service_shutdown = { start_shutdown, end_shutdown, NULL };
