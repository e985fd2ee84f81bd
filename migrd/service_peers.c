/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Those to whom this host speaks: other coordinators, parties that are told of moves, webhooks. */
#include "service.h"

#include <string.h>

#include "base/mem.h"
#include "notify/notify.h"
#include "peer/client.h"
#include "settings.h"

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

const struct service service_peers = { start_peers, end_peers, free_peers };

static bool start_notify(struct daemon *daemon, struct err *err)
{
	struct notify_parties *parties;

	if (!settings_load_parties_blocking(daemon->config, &parties, err))
		return false;
	daemon->api.notify = notify_new(daemon->api.loop, parties, err);
	return daemon->api.notify != NULL;
}

static void end_notify(struct daemon *daemon)
{
	notify_free(daemon->api.notify);
}

const struct service service_notify = { start_notify, end_notify, NULL };

/* A guest stands still between two hosts. */
static bool is_handing_over(void *data)
{
	const struct api *api = data;
	const struct move *move = NULL;

	while ((move = moves_next_active(api->moves, move)))
		if (strcmp(move_row(move)->state, "handover") == 0)
			return true;
	return false;
}

static bool start_webhooks(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;
	struct tls_trust *trust = NULL;

	if (!settings_load_webhook_trust_blocking(daemon->config, &trust, err))
		return false;
	api->webhooks = webhooks_new(&(struct webhooks_env){
		.loop = api->loop,
		.store = api->store,
		.bus = api->bus,
		.notify = api->notify,
		.host_id = api->host_id,
		.must_wait = is_handing_over,
		.data = api,
	});
	webhooks_set_trust(api->webhooks, trust);
	tls_trust_unref(trust);
	return true;
}

static void end_webhooks(struct daemon *daemon)
{
	webhooks_end(daemon->api.webhooks);
}

static void free_webhooks(struct daemon *daemon)
{
	webhooks_free(TAKE_PTR(daemon->api.webhooks));
}

const struct service service_webhooks = { start_webhooks, end_webhooks, free_webhooks };
