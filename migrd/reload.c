/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "config_keys.h"
#include "manager.h"
#include "notify/notify.h"
#include "peer/client.h"
#include "settings.h"

#define DAY_MS    86400000
#define WARN_DAYS 30

struct reload {
	struct reload_env env;
	struct loop_watch *watch;
	struct loop_timer *expiry;
	struct worker *worker;
	bool is_reading, is_wanted_again, is_stopping;
};

/* What is read on the worker's thread. */
struct reading {
	struct work work;
	struct reload *reload; /* for done(): the worker is freed before it */
	char *path, *ca, *cert, *key;
	struct config config;
	bool has_config;
	struct tls_live *tls;
	struct notify_parties *parties; /* NULL: they could not be read */
	struct hook_sections *hooks;    /* likewise */
	struct tls_trust *webhook_trust; /* NULL: that of the system */
	struct err err;
};

/* ---- the signal -------------------------------------------------------- */

/* Open until the process ends: a signal may come at any time. */
static int signal_fd = -1;

static void on_signal(int signo)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)signo;
	if (write(signal_fd, &one, sizeof(one)) < 0)
		errno = saved;
	errno = saved;
}

void reload_catch_signal(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signal_fd < 0)
		action.sa_handler = SIG_IGN;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGHUP, &action, NULL);
}

/* ---- reading ------------------------------------------------------------ */

static void read_config(struct reading *reading)
{
	struct faults *faults = faults_new();

	reading->has_config = config_load(reading->path, &reading->config, faults);
	if (!reading->has_config)
		faults_to_err(faults, &reading->err);
	faults_free(faults);
}

static void run_reading(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);

	read_config(reading);
	if (reading->has_config &&
	    settings_load_parties_blocking(&reading->config, &reading->parties, &reading->err) &&
	    settings_load_hooks_blocking(&reading->config, &reading->hooks, &reading->err) &&
	    settings_load_webhook_trust_blocking(&reading->config, &reading->webhook_trust,
						 &reading->err))
		reading->tls = tls_live_load_blocking(reading->ca, reading->cert, reading->key,
						      &reading->err);
}

static void reading_free(struct reading *reading)
{
	if (reading->has_config)
		config_fini(&reading->config);
	tls_live_unref(reading->tls);
	notify_parties_free(reading->parties);
	hook_sections_free(reading->hooks);
	tls_trust_unref(reading->webhook_trust);
	free(reading->path);
	free(reading->ca);
	free(reading->cert);
	free(reading->key);
	free(reading);
}

/* ---- taking over -------------------------------------------------------- */

static void say_kept(void *data, const struct config_key *key)
{
	(void)data;
	log_warning("reload", "kept", "section=%s key=%s reason=%s", key->section, key->key,
		    "it cannot be changed while migrd runs: restart it");
}

static const struct config_peer *find_peer(const struct config *config, const char *id)
{
	for (size_t i = 0; i < config->peer_count; i++)
		if (strcmp(config->peers[i].id, id) == 0)
			return &config->peers[i];
	return NULL;
}

static bool has_move_with(const struct api *api, const char *id)
{
	for (const struct move *move = moves_first(api->moves); move; move = move_next(move))
		if (!move_is_final(move) && strcmp(move_row(move)->peer, id) == 0)
			return true;
	return false;
}

/* Removes the peers that are gone from the configuration. A peer with a move under
 * way stays, as the move has to be decided with it. */
static void drop_peers(struct reload *reload, struct config *fresh)
{
	const struct config *old = reload->env.config;
	struct api *api = reload->env.api;

	for (size_t i = 0; i < old->peer_count; i++) {
		const struct config_peer *peer = &old->peers[i];

		if (find_peer(fresh, peer->id))
			continue;
		if (has_move_with(api, peer->id) && fresh->peer_count < CONFIG_PEER_MAX) {
			fresh->peers = xrealloc(fresh->peers,
						(fresh->peer_count + 1) * sizeof(*fresh->peers));
			fresh->peers[fresh->peer_count++] = *peer;
			log_warning("reload", "kept", "peer=%s reason=%s", peer->id,
				    "a move with it is not over: reload again when it is");
		} else {
			log_info("reload", "peer", "peer=%s change=removed", peer->id);
			peer_clients_remove(api->peers, peer->id);
		}
	}
}

static void take_peers(struct reload *reload, struct config *fresh)
{
	struct config *config = reload->env.config;
	struct api *api = reload->env.api;

	drop_peers(reload, fresh);
	for (size_t i = 0; i < fresh->peer_count; i++) {
		const struct config_peer *peer = &fresh->peers[i];
		const char *address = peer_clients_address(api->peers, peer->id);

		if (!address || strcmp(address, peer->address) != 0)
			log_info("reload", "peer", "peer=%s address=%s change=%s", peer->id,
				 peer->address, address ? "address" : "added");
		peer_clients_set(api->peers, peer->id, peer->address);
		reload->env.peer_ids[i] = peer_clients_id(api->peers, peer->id);
	}
	reload->env.peer_ids[fresh->peer_count] = NULL;
	free(config->peers);
	config->peers = TAKE_PTR(fresh->peers);
	config->peer_count = fresh->peer_count;
	fresh->peer_count = 0;
}

static void take_tls(struct reload *reload, struct tls_live *tls)
{
	struct api *api = reload->env.api;

	http_server_set_tls(reload->env.server, tls);
	peer_clients_renew(api->peers);
	tls_live_unref(api->tls);
	api->tls = tls_live_ref(tls);
}

static bool check(const struct reload *reload, const struct reading *reading, struct err *err)
{
	if (!reading->has_config || !reading->tls) {
		*err = reading->err;
		return false;
	}
	return settings_check_identity(&reading->tls->identity, reload->env.config, err) &&
	       tls_live_is_valid(reading->tls, err);
}

static void take_all(struct reload *reload, struct reading *reading)
{
	struct config *config = reload->env.config;
	struct api *api = reload->env.api;
	struct moves_limits limits;
	struct capacity_settings settings;

	config_take_live(config, &reading->config, say_kept, NULL);
	log_set_level((enum log_level)config->log_level);
	api->defaults.bandwidth_bytes_per_s = config->move_bandwidth_bytes_per_s;
	api->defaults.downtime_limit_ms = config->move_downtime_limit_ms;
	limits = settings_moves_limits(config);
	moves_set_limits(api->moves, &limits);
	queue_set_out_max(api->queue, (unsigned)config->queue_out_max);
	settings = settings_capacity(config);
	capacity_set(api->capacity, &settings);
	evacuations_set_makes_room_for(api->evacuations, config->host_makes_room_for);
	shutdown_look_again(api->shutdown);
	take_peers(reload, &reading->config);
	notify_set_parties(api->notify, TAKE_PTR(reading->parties));
	hooks_set(api->hooks, TAKE_PTR(reading->hooks));
	webhooks_set_trust(api->webhooks, reading->webhook_trust);
	take_tls(reload, reading->tls);
}

static void begin(struct reload *reload);

static void done_reading(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);
	struct reload *reload = reading->reload;
	struct api *api = reload->env.api;
	struct err err = { .code = ERR_NONE };

	reload->is_reading = false;
	api->reload.at_ms = clock_wall_ms();
	api->reload.error[0] = '\0';
	if (check(reload, reading, &err)) {
		take_all(reload, reading);
		log_info("reload", "done", "days_left=%d", (int)tls_live_days_left(api->tls));
	} else {
		snprintf(api->reload.error, sizeof(api->reload.error), "%s", err.msg);
		log_error("reload", "failed", "reason=%s", err.msg);
	}
	reading_free(reading);
	if (api->is_ready)
		manager_ready(reload->env.manager);
	if (reload->is_wanted_again && !reload->is_stopping)
		begin(reload);
}

/* One reading at a time. A signal that comes meanwhile is followed by another
 * reading, as the files may be newer than those being read. */
static void begin(struct reload *reload)
{
	const struct config *config = reload->env.config;
	struct reading *reading;

	reload->is_wanted_again = reload->is_reading;
	if (reload->is_reading)
		return;
	reload->is_reading = true;
	if (reload->env.api->is_ready)
		manager_reloading(reload->env.manager);
	reading = xnew(struct reading);
	reading->work.run = run_reading;
	reading->work.done = done_reading;
	reading->reload = reload;
	reading->path = xstrdup(reload->env.path);
	reading->ca = xstrdup(config->tls_ca);
	reading->cert = xstrdup(config->tls_cert);
	reading->key = xstrdup(config->tls_key);
	worker_submit(reload->worker, &reading->work);
}

static void on_signalled(void *data, unsigned ready)
{
	uint64_t count;

	(void)ready;
	if (read(signal_fd, &count, sizeof(count)) == sizeof(count))
		begin(data);
}

/* ---- the certificate's end ------------------------------------------------ */

static void warn_of_end(const struct reload *reload)
{
	const struct tls_live *tls = reload->env.api->tls;
	struct err err = { .code = ERR_NONE };
	int64_t days = tls_live_days_left(tls);

	if (!tls_live_is_valid(tls, &err))
		log_error("certificate", "invalid", "days_left=%d reason=%s", (int)days, err.msg);
	else if (days < WARN_DAYS)
		log_warning("certificate", "ends-soon", "days_left=%d file=%s", (int)days,
			    reload->env.config->tls_cert);
}

static void on_expiry_timer(void *data)
{
	struct reload *reload = data;

	warn_of_end(reload);
	loop_timer_start(reload->expiry, DAY_MS);
}

/* ---- life ------------------------------------------------------------------ */

struct reload *reload_new(const struct reload_env *env)
{
	struct reload *reload = xnew(struct reload);
	struct loop *loop = env->api->loop;

	reload->env = *env;
	reload->worker = worker_new(loop, "migrd-reload", 1);
	reload->expiry = loop_timer_new(loop, on_expiry_timer, reload);
	on_expiry_timer(reload);
	if (signal_fd >= 0) {
		reload->watch = loop_watch_new(loop, signal_fd, on_signalled, reload);
		loop_watch_set(reload->watch, LOOP_READ);
	}
	return reload;
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	loop_watch_free(reload->watch);
	loop_timer_free(reload->expiry);
	reload->is_stopping = true; /* a reading under way is taken over, and no other begins */
	worker_free(reload->worker);
	free(reload);
}
