/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others reach: the data port and the API, and what the API alone answers from. */
#include "service.h"

#include "base/mem.h"
#include "reload.h"
#include "settings.h"
#include "stream/port.h"

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
		.storage = settings_storage_rules(config),
		.newest = api->newest,
	});
	return true;
}

static void end_check(struct daemon *daemon)
{
	check_free(daemon->api.check);
}

const struct service service_check = { start_check, end_check, NULL };

static bool start_readiness(struct daemon *daemon, struct err *err)
{
	const struct selfcheck_env env = settings_selfcheck(daemon->config);

	(void)err;
	daemon->api.readiness = readiness_new(&daemon->api, &env);
	return true;
}

static void end_readiness(struct daemon *daemon)
{
	readiness_free(daemon->api.readiness);
}

const struct service service_readiness = { start_readiness, end_readiness, NULL };

static bool start_metrics(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->metrics = metrics_new(&(struct metrics_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.moves = api->moves,
		.holds = api->holds,
		.queue = api->queue,
		.hooks = api->hooks,
		.webhooks = api->webhooks,
		.capacity = api->capacity,
		.evacuations = api->evacuations,
		.maintenances = api->maintenances,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = api->host_id,
		.tls = &api->tls,
	});
	return true;
}

static void end_metrics(struct daemon *daemon)
{
	metrics_free(TAKE_PTR(daemon->api.metrics));
}

const struct service service_metrics = { start_metrics, end_metrics, NULL };

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

const struct service service_data_port = { start_data_port, end_data_port, NULL };

static bool start_api(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;

	daemon->api.consoles = consoles_new(daemon->api.loop);
	daemon->api.waits = waits_new(&daemon->api);
	daemon->server = http_server_new(daemon->api.loop,
					 &(struct http_config){
						 .listen = config->api_listen,
						 .socket_path = config->api_socket,
						 .ca_file = config->tls_ca,
						 .cert_file = config->tls_cert,
						 .key_file = config->tls_key,
						 .routes = api_routes,
						 .handler_data = &daemon->api,
						 .with_key = api_with_key,
						 .prefers_wait = api_prefers_wait,
					 },
					 err);
	return daemon->server || err_wrap(err, "[api] listen");
}

/* The API's facts about the host are freed with it. */
static void end_api(struct daemon *daemon)
{
	http_server_free(daemon->server);
	consoles_free(daemon->api.consoles);
	waits_free(TAKE_PTR(daemon->api.waits));
	api_host_fini(&daemon->api);
	free(TAKE_PTR(daemon->api.document.text));
}

static bool start_answers(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->api.answers = answers_new(&daemon->api);
	return true;
}

/* The last records of answers are written until the store was closed. */
static void free_answers(struct daemon *daemon)
{
	answers_free(TAKE_PTR(daemon->api.answers));
}

const struct service service_answers = { start_answers, NULL, free_answers };

const struct service service_api = { start_api, end_api, NULL };

static bool start_reload(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->reload = reload_new(&(struct reload_env){
		.manager = daemon->manager,
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

const struct service service_reload = { start_reload, end_reload, NULL };
