/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The services of a daemon: one row each, in the order in which they start. */
#include "daemon.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "api/selfcheck.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "capacity/host.h"
#include "http/shares.h"
#include "notify/notify.h"
#include "peer/client.h"
#include "reload.h"
#include "shutdown/logind.h"
#include "stream/port.h"
#include "tls/identity.h"

struct daemon {
	const char *path;
	struct config *config;
	struct api api;
	char *data_address;
	const char **peer_ids;
	struct http_server *server;
	struct stream_port *port;
	struct reload *reload;
	struct loop_signal *signals[2];
};

/* ---- the loop, and what every service uses ------------------------------------ */

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

/* An expired certificate is no reason not to start: guests and the local socket do
 * without. */
bool daemon_load_tls(const struct config *config, struct tls_live **ret, struct err *err)
{
	struct tls_live *tls =
		tls_live_load_blocking(config->tls_ca, config->tls_cert, config->tls_key, err);
	bool ok = tls && reload_check_identity(&tls->identity, config, err);

	if (ok)
		*ret = tls_live_ref(tls);
	tls_live_unref(tls);
	return ok;
}

static bool start_tls(struct daemon *daemon, struct err *err)
{
	return daemon_load_tls(daemon->config, &daemon->api.tls, err);
}

static void free_tls(struct daemon *daemon)
{
	tls_live_unref(daemon->api.tls);
}

static bool start_directories(struct daemon *daemon, struct err *err)
{
	const char *run_dir = daemon->config->host_run_dir;
	CLEANUP(free_charp) char *vms = xasprintf("%s/vms", run_dir);
	CLEANUP(free_charp) char *moves = xasprintf("%s/moves", run_dir);

	return dir_make(run_dir, 0700, err) && dir_make(vms, 0700, err) &&
	       dir_make(moves, 0700, err);
}

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

/* ---- other coordinators --------------------------------------------------------- */

static bool start_peers(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	const struct peer_config peer_config = { config->host_id, config->tls_ca, config->tls_cert,
						 config->tls_key };

	daemon->api.peers = peer_clients_new(daemon->api.loop, &peer_config, err);
	if (!daemon->api.peers)
		return false;
	daemon->peer_ids = xcalloc(CONFIG_PEER_MAX + 1, sizeof(*daemon->peer_ids));
	for (size_t i = 0; i < config->peer_count; i++) {
		peer_clients_set(daemon->api.peers, config->peers[i].id, config->peers[i].address);
		daemon->peer_ids[i] = peer_clients_id(daemon->api.peers, config->peers[i].id);
	}
	daemon->api.peer_ids = daemon->peer_ids;
	return true;
}

static void end_peers(struct daemon *daemon)
{
	peer_clients_free(daemon->api.peers);
}

static void free_peers(struct daemon *daemon)
{
	free(daemon->peer_ids);
}

/* ---- parties that are told of moves ----------------------------------------------- */

bool daemon_load_parties_blocking(const struct config *config, struct notify_parties **ret,
				  struct err *err)
{
	struct notify_parties *parties = notify_parties_new();

	for (size_t i = 0; i < config->notify_count; i++) {
		const struct config_notify *notify = &config->notify[i];
		const struct notify_setting setting = {
			.name = notify->name,
			.url = notify->url,
			.secret_file = notify->secret_file,
			.ca_file = notify->ca_file,
			.command = notify->agent_command,
			.label = notify->label,
			.timeout_ms = notify->timeout_ms,
			.may_delay_s = notify->may_delay_s,
			.before = strstr(notify->when, "before") != NULL,
			.after = strstr(notify->when, "after") != NULL,
		};

		if (!notify_parties_add_blocking(parties, &setting, err)) {
			notify_parties_free(parties);
			return false;
		}
	}
	*ret = parties;
	return true;
}

static bool start_notify(struct daemon *daemon, struct err *err)
{
	struct notify_parties *parties;

	if (!daemon_load_parties_blocking(daemon->config, &parties, err))
		return false;
	daemon->api.notify = notify_new(daemon->api.loop, parties, err);
	return daemon->api.notify != NULL;
}

static void end_notify(struct daemon *daemon)
{
	notify_free(daemon->api.notify);
}

/* ---- guests and jobs --------------------------------------------------------------- */

static bool start_vms(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->vms = vms_new(&(struct vms_env){
		.qemu = {
			.loop = api->loop,
			.binary = config->qemu_binary,
			.run_dir = config->host_run_dir,
			.log_dir = config->host_log_dir,
			.log_bytes = config->qemu_log_size_kib << 10,
			.output_program = config->qemu_output_program,
			.swtpm = config->tpm_swtpm,
			.tpm_dir = config->tpm_state_dir,
			.start_timeout_ms = (uint32_t)config->qemu_start_timeout_ms,
		},
		.store = api->store,
		.memory_reserve_mib = config->host_memory_reserve_mib,
		.monitor_wait_ms = (uint32_t)config->qemu_monitor_wait_ms,
		.changed = api_vm_changed,
		.event = api_vm_event,
		.data = api,
	});
	return true;
}

static void end_vms(struct daemon *daemon)
{
	vms_clear(daemon->api.vms);
}

static void free_vms(struct daemon *daemon)
{
	vms_free(daemon->api.vms);
}

static bool start_adopter(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->api.adopter = adopter_new(daemon->api.loop, daemon->api.vms);
	return true;
}

static void end_adopter(struct daemon *daemon)
{
	adopter_clear(daemon->api.adopter);
}

static void free_adopter(struct daemon *daemon)
{
	adopter_free(daemon->api.adopter);
}

static struct storage_rules storage_rules(const struct config *config)
{
	return (struct storage_rules){ .dirs = config->storage_dirs,
				       .map = config->storage_map,
				       .firmware_map = config->storage_firmware_map,
				       .swtpm = config->tpm_swtpm,
				       .tpm_dir = config->tpm_state_dir,
				       .qemu_img = config->storage_qemu_img };
}

static bool start_policies(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->api.policies = policies_new(daemon->api.store);
	return true;
}

static void free_policies(struct daemon *daemon)
{
	policies_free(daemon->api.policies);
}

static bool start_holds(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->holds = holds_new(&(struct holds_env){
		.loop = api->loop,
		.store = api->store,
		.host_id = daemon->config->host_id,
		.changed = api_hold_changed,
		.data = api,
	});
	return true;
}

static void end_holds(struct daemon *daemon)
{
	holds_end(daemon->api.holds);
}

static void free_holds(struct daemon *daemon)
{
	holds_free(daemon->api.holds);
}

static bool start_moves(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->moves = moves_new(&(struct moves_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.policies = api->policies,
		.holds = api->holds,
		.peers = api->peers,
		.notify = api->notify,
		.host_id = config->host_id,
		.run_dir = config->host_run_dir,
		.stream_program = config->move_stream_program,
		.ca_file = config->tls_ca,
		.cert_file = config->tls_cert,
		.key_file = config->tls_key,
		.data_address = daemon->data_address,
		.link_timeout_ms = (uint32_t)config->move_link_timeout_ms,
		.handover_link_timeout_ms = (uint32_t)config->move_handover_link_timeout_ms,
		.stuck_after_ms = (uint32_t)config->move_stuck_after_ms,
		.offer_timeout_ms = (uint32_t)config->move_offer_timeout_ms,
		.offers_max = (unsigned)config->move_offers_max,
		.offers_memory_percent = (unsigned)config->move_offers_memory_percent,
		.hold_max_s = config->move_hold_max_s,
		.limits = reload_moves_limits(config),
		.outage_ping_ms = (uint32_t)config->move_outage_ping_ms,
		.outage_ping_min_ms = (uint32_t)config->move_outage_ping_min_ms,
		.prepare_timeout_ms = (uint32_t)config->move_prepare_timeout_ms,
		.link_probe_ms = (uint32_t)config->move_link_probe_ms,
		.storage = storage_rules(config),
		.changed = api_move_changed,
		.data = api,
	});
	return true;
}

static void end_moves(struct daemon *daemon)
{
	moves_clear(daemon->api.moves);
}

static void free_moves(struct daemon *daemon)
{
	moves_free(daemon->api.moves);
}

static bool start_saves(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->saves = saves_new(&(struct saves_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.host_id = daemon->config->host_id,
		.qemu_img = daemon->config->storage_qemu_img,
		.dirs = daemon->config->storage_save_dirs,
		.changed = api_save_changed,
		.data = api,
	});
	return true;
}

static void end_saves(struct daemon *daemon)
{
	saves_clear(daemon->api.saves);
}

static void free_saves(struct daemon *daemon)
{
	saves_free(daemon->api.saves);
}

static bool start_refreshes(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->refreshes = refreshes_new(&(struct refreshes_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.host_id = daemon->config->host_id,
		.start_timeout_ms = (uint32_t)daemon->config->qemu_start_timeout_ms,
		.changed = api_refresh_changed,
		.data = api,
	});
	return true;
}

static void end_refreshes(struct daemon *daemon)
{
	refreshes_clear(daemon->api.refreshes);
}

static void free_refreshes(struct daemon *daemon)
{
	refreshes_free(daemon->api.refreshes);
}

static void recover_jobs(void *data)
{
	struct api *api = data;

	saves_recover(api->saves);
	refreshes_recover(api->refreshes);
	queue_recover(api->queue);
	evacuations_recover(api->evacuations);
	api_shutdown_recovered(api);
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

struct capacity_settings daemon_capacity_settings(const struct config *config)
{
	return (struct capacity_settings){
		.rack = config->host_rack,
		.labels = config->host_labels,
		.reserved_mib = config->host_memory_reserve_mib,
		.vcpus_per_core = config->host_vcpus_per_core,
		.in_max = config->move_in_max,
		.out_max = config->queue_out_max,
		.budget_bytes_per_s = config->move_bandwidth_budget_bytes_per_s,
		.ask_every_s = config->capacity_ask_every_s,
	};
}

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
		.settings = daemon_capacity_settings(daemon->config),
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
		.changed = api_evacuation_changed,
		.data = api,
	});
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

static bool start_check(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->check = check_new(&(struct check_env){
		.loop = api->loop,
		.vms = api->vms,
		.moves = api->moves,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = config->host_id,
		.run_dir = config->host_run_dir,
		.log_dir = config->host_log_dir,
		.tpm_dir = config->tpm_state_dir,
		.swtpm = config->tpm_swtpm,
		.storage = storage_rules(config),
		.newest = api->newest,
	});
	return true;
}

static void end_check(struct daemon *daemon)
{
	check_free(daemon->api.check);
}

struct selfcheck_env daemon_selfcheck_env(const struct config *config)
{
	return (struct selfcheck_env){
		.state_dir = config->host_state_dir,
		.run_dir = config->host_run_dir,
		.log_dir = config->host_log_dir,
		.qemu_binary = config->qemu_binary,
		.output_program = config->qemu_output_program,
		.stream_program = config->move_stream_program,
		.shutdown = config->host_shutdown,
		.has_logind = logind_is_built,
	};
}

static bool start_readiness(struct daemon *daemon, struct err *err)
{
	const struct selfcheck_env env = daemon_selfcheck_env(daemon->config);

	(void)err;
	daemon->api.readiness = readiness_new(&daemon->api, &env);
	return true;
}

static void end_readiness(struct daemon *daemon)
{
	readiness_free(daemon->api.readiness);
}

static void add_vm(void *data, void *row)
{
	vms_add_row(data, row);
}

static void add_move(void *data, void *row)
{
	moves_add_row(data, row);
}

static void add_save(void *data, void *row)
{
	saves_add_row(data, row);
}

static void add_refresh(void *data, void *row)
{
	refreshes_add_row(data, row);
}

static void add_policy(void *data, void *row)
{
	policies_add_row(data, row);
}

static void add_hold(void *data, void *row)
{
	holds_add_row(data, row);
}

static void add_queue_entry(void *data, void *row)
{
	queue_add_row(data, row);
}

static void add_evacuation(void *data, void *row)
{
	evacuations_add_row(data, row);
}

static bool start_records(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	return store_load_blocking(api->store, STORE_POLICY, add_policy, api->policies, err) &&
	       store_load_blocking(api->store, STORE_HOLD, add_hold, api->holds, err) &&
	       store_load_blocking(api->store, STORE_VM, add_vm, api->vms, err) &&
	       store_load_blocking(api->store, STORE_MOVE, add_move, api->moves, err) &&
	       store_load_blocking(api->store, STORE_SAVE, add_save, api->saves, err) &&
	       store_load_blocking(api->store, STORE_REFRESH, add_refresh, api->refreshes, err) &&
	       store_load_blocking(api->store, STORE_QUEUE, add_queue_entry, api->queue, err) &&
	       store_load_blocking(api->store, STORE_EVACUATION, add_evacuation, api->evacuations,
				   err);
}

/* ---- what others reach ------------------------------------------------------------ */

static bool start_data_port(struct daemon *daemon, struct err *err)
{
	daemon->port = stream_port_new(daemon->api.loop, daemon->config->data_listen, moves_claim,
				       daemon->api.moves, err);
	return daemon->port || err_wrap(err, "[data] listen");
}

static void end_data_port(struct daemon *daemon)
{
	stream_port_free(daemon->port);
}

static bool start_api(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;

	daemon->server = http_server_new(daemon->api.loop,
					 &(struct http_config){
						 .listen = config->api_listen,
						 .socket_path = config->api_socket,
						 .ca_file = config->tls_ca,
						 .cert_file = config->tls_cert,
						 .key_file = config->tls_key,
						 .routes = api_routes,
						 .handler_data = &daemon->api,
					 },
					 err);
	return daemon->server || err_wrap(err, "[api] listen");
}

/* The API's facts about the host are freed with it. */
static void end_api(struct daemon *daemon)
{
	http_server_free(daemon->server);
	api_host_fini(&daemon->api);
}

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

static bool start_reload(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->reload = reload_new(&(struct reload_env){
		.path = daemon->path,
		.config = daemon->config,
		.api = &daemon->api,
		.peer_ids = daemon->peer_ids,
		.server = daemon->server,
	});
	return true;
}

static void end_reload(struct daemon *daemon)
{
	reload_free(daemon->reload);
}

/* ---- all of them ------------------------------------------------------------------- */

/* The last that was started ends first.  `end' takes no more work, and answers what waits,
 * at once or by a post: its callers find their objects gone, and free what they kept.  `free' is
 * called when all have ended and the store is closed, so that no call can come any
 * more.  Both cope with a `start' that failed. */
static const struct service {
	const char *name;
	bool (*start)(struct daemon *daemon, struct err *err);
	void (*end)(struct daemon *daemon);
	void (*free)(struct daemon *daemon);
} services[] = {
	{ "loop", start_loop, NULL, free_loop },
	{ "tls", start_tls, NULL, free_tls },
	{ "directories", start_directories, NULL, NULL },
	{ "store", start_store, end_store, NULL },
	{ "peers", start_peers, end_peers, free_peers },
	{ "notify", start_notify, end_notify, NULL },
	{ "policies", start_policies, NULL, free_policies },
	{ "holds", start_holds, end_holds, free_holds },
	{ "vms", start_vms, end_vms, free_vms },
	{ "adopter", start_adopter, end_adopter, free_adopter },
	{ "moves", start_moves, end_moves, free_moves },
	{ "saves", start_saves, end_saves, free_saves },
	{ "refreshes", start_refreshes, end_refreshes, free_refreshes },
	{ "newest", start_newest, end_newest, free_newest },
	{ "queue", start_queue, end_queue, free_queue },
	{ "capacity", start_capacity, end_capacity, free_capacity },
	{ "evacuations", start_evacuations, end_evacuations, free_evacuations },
	{ "shutdown", start_shutdown, end_shutdown, NULL },
	{ "check", start_check, end_check, NULL },
	{ "readiness", start_readiness, end_readiness, NULL },
	{ "records", start_records, NULL, NULL },
	{ "data-port", start_data_port, end_data_port, NULL },
	{ "api", start_api, end_api, NULL },
	{ "signals", start_signals, NULL, free_signals },
	{ "reload", start_reload, end_reload, NULL },
};

/* Returns how many were started, the one that failed included. */
static size_t start_services(struct daemon *daemon, bool *ret_ok, struct err *err)
{
	size_t count = 0;

	do {
		log_debug("migrd", "service", "start=%s", services[count].name);
		*ret_ok = services[count++].start(daemon, err);
	} while (*ret_ok && count < ARRAY_LEN(services));
	return count;
}

static void end_services(struct daemon *daemon, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		if (services[i].end)
			services[i].end(daemon);
		if (daemon->api.loop)
			loop_drain(daemon->api.loop);
	}
	for (size_t i = count; i-- > 0;) {
		if (services[i].free)
			services[i].free(daemon);
	}
}

/* ---- run ------------------------------------------------------------------ */

static void on_vms_recovered(void *data, const struct err *err)
{
	struct api *api = data;

	(void)err;
	api->is_ready = true;
	holds_recover(api->holds);
	shutdown_look(api->shutdown);
	newest_begin(api->newest);
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
		vms_recover(daemon.api.vms, on_vms_recovered, &daemon.api);
		loop_run(daemon.api.loop);
	}
	end_services(&daemon, count);
	return ok;
}
