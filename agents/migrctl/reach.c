/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* ---- what says where ---------------------------------------------------------------- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *first(const char *a, const char *b)
{
	return a ? a : b;
}

static bool read_contexts(struct reach *reach, struct err *err)
{
	if (!reach->contexts)
		reach->contexts = contexts_read(err);
	return reach->contexts != NULL;
}

/* What is not set yet is taken from A context. */
static void add_files(struct client_config *config, const struct context *context)
{
	config->ca_file = first(config->ca_file, context->ca);
	config->cert_file = first(config->cert_file, context->cert);
	config->key_file = first(config->key_file, context->key);
}

static bool use_context(struct reach *reach, const char *name, const char *from, struct err *err)
{
	struct client_config *config = &reach->config;
	const struct context *context;

	reach->from = from;
	if (strcmp(name, CONTEXTS_LOCAL) == 0) {
		config->socket_path = CLIENT_SOCKET;
		return true;
	}
	if (!read_contexts(reach, err))
		return false;
	context = contexts_find(reach->contexts, name, err);
	if (!context)
		return false;
	reach->context = context->name;
	config->socket_path = context->socket;
	config->host = context->host;
	config->host_id = context->host_id;
	if (context->host)
		add_files(config, context);
	return true;
}

static bool has_files(const struct client_config *config)
{
	return config->ca_file && config->cert_file && config->key_file;
}

static void add_files_of_environment(struct client_config *config)
{
	config->ca_file = first(config->ca_file, variable("MIGRD_CA"));
	config->cert_file = first(config->cert_file, variable("MIGRD_CERT"));
	config->key_file = first(config->key_file, variable("MIGRD_KEY"));
}

/* For a host that no context has named: the environment's files, then those of the context that is
 * asked for, or in use. */
static bool find_files(struct reach *reach, const char *name, struct err *err)
{
	const struct context *context;

	add_files_of_environment(&reach->config);
	if (has_files(&reach->config))
		return true;
	if (!read_contexts(reach, err))
		return false;
	name = name ? name : reach->contexts->current;
	if (!*name || strcmp(name, CONTEXTS_LOCAL) == 0)
		return true;
	context = contexts_find(reach->contexts, name, err);
	if (context)
		add_files(&reach->config, context);
	return context != NULL;
}

static bool use_host_option(const struct migrctl_globals *globals, struct reach *reach,
			    struct err *err)
{
	reach->from = "--host";
	reach->config.host = globals->host;
	reach->config.host_id = globals->host_id;
	return find_files(reach, first(globals->context, variable("MIGRD_CONTEXT")), err);
}

static void use_environment(struct reach *reach)
{
	reach->from = "$MIGRD_HOST";
	reach->config.host = variable("MIGRD_HOST");
	reach->config.host_id = variable("MIGRD_HOST_ID");
	add_files_of_environment(&reach->config);
}

static bool use_current(struct reach *reach, struct err *err)
{
	if (!read_contexts(reach, err))
		return false;
	reach->from = "default";
	return !reach->contexts->current[0] ||
	       use_context(reach, reach->contexts->current, "context in use", err);
}

/* The files that the options name are in REACH already. */
static bool find_place(const struct migrctl_globals *globals, struct reach *reach, struct err *err)
{
	const char *context = first(globals->context, variable("MIGRD_CONTEXT"));

	if (globals->context && globals->socket)
		return err_set(err, ERR_INVALID, "--context and --socket exclude each other");
	if (globals->socket) {
		reach->from = "--socket";
		reach->config.socket_path = globals->socket;
		reach->config.host = globals->host; /* which the client refuses */
		return true;
	}
	if (globals->host)
		return use_host_option(globals, reach, err);
	if (context)
		return use_context(reach, context,
				   globals->context ? "--context" : "$MIGRD_CONTEXT", err);
	if (variable("MIGRD_HOST")) {
		use_environment(reach);
		return true;
	}
	if (variable(CLIENT_SOCKET_VARIABLE)) {
		reach->from = "$" CLIENT_SOCKET_VARIABLE;
		return true;
	}
	return use_current(reach, err);
}

bool reach_find(const struct migrctl_globals *globals, struct reach *ret, struct err *err)
{
	*ret = (struct reach){ .config = { .ca_file = globals->ca,
					   .cert_file = globals->cert,
					   .key_file = globals->key } };
	if (!find_place(globals, ret, err))
		return false;
	if (!globals->host)
		ret->peer = globals->host_id;
	return true;
}

void reach_fini(struct reach *reach)
{
	contexts_free(reach->contexts);
	reach->contexts = NULL;
}

/* ---- a host of the peer list ---------------------------------------------------------- */

static bool ask(struct client *client, const char *path, uint32_t timeout_ms,
		struct json_object **ret_reply, struct err *err)
{
	const struct client_request request = { .method = "GET",
						.path = path,
						.timeout_ms = timeout_ms };

	return client_call(client, &request, ret_reply, err);
}

/* The address of PEER; the caller frees it. */
static char *find_peer(struct json_object *list, const char *peer, const char *host,
		       struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf ids = STRBUF_INIT;
	struct json_object *items = table_member(list, "items");

	for (size_t i = 0; i < json_count(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *id = json_get_str(item, "id"), *address = json_get_str(item, "address");

		if (!id)
			continue;
		if (strcmp(id, peer) != 0) {
			strbuf_addf(&ids, "%s%s", ids.len ? ", " : "", id);
			continue;
		}
		if (address)
			return xstrdup(address);
		err_set(err, ERR_UNAVAILABLE, "host '%s' does not know the address of '%s'", host,
			peer);
		return NULL;
	}
	err_set(err, ERR_NOT_FOUND, "--host-id: '%.63s' is not among the peers of host '%s': %s",
		peer, host, ids.len ? strbuf_str(&ids) : "it has none");
	return NULL;
}

static struct client *client_of_peer(const struct reach *reach, const char *address,
				     const struct migrctl_globals *globals, struct faults *faults,
				     struct err *err)
{
	struct reach peer = { .config = reach->config, .from = reach->from };
	struct client *client = NULL;

	peer.config.socket_path = NULL;
	peer.config.host = address;
	peer.config.host_id = reach->peer;
	peer.config.faults = faults;
	if (find_files(&peer, first(globals->context, variable("MIGRD_CONTEXT")), err))
		client = client_new(&peer.config, err);
	reach_fini(&peer);
	return client;
}

static struct client *look_up(const struct reach *reach, const struct migrctl_globals *globals,
			      struct faults *faults, uint32_t timeout_ms, struct err *err)
{
	struct client_config config = reach->config;
	CLEANUP(migrctl_client_freep) struct client *client = NULL;
	CLEANUP(json_putp) struct json_object *host = NULL;
	CLEANUP(json_putp) struct json_object *list = NULL;
	CLEANUP(free_charp) char *address = NULL;
	const char *id;

	if (!id_host_is_valid(reach->peer)) {
		err_set(err, ERR_INVALID, "--host-id '%s' is no host id", reach->peer);
		return NULL;
	}
	config.faults = faults;
	/* The files are for the peer, if this one is asked by its socket. */
	if (!config.host)
		config.ca_file = config.cert_file = config.key_file = NULL;
	client = client_new(&config, err);
	if (!client || !ask(client, "/v1/host", timeout_ms, &host, err))
		return NULL;
	id = json_get_str(host, "id");
	if (id && strcmp(id, reach->peer) == 0) {
		if (!config.host)
			return TAKE_PTR(client);
		config.host_id = reach->peer; /* its certificate has to say so too */
		return client_new(&config, err);
	}
	if (!ask(client, "/v1/peers", timeout_ms, &list, err))
		return NULL;
	address = find_peer(list, reach->peer, id ? id : "?", err);
	return address ? client_of_peer(reach, address, globals, faults, err) : NULL;
}

struct client *reach_client(const struct reach *reach, const struct migrctl_globals *globals,
			    struct faults *faults, uint32_t timeout_ms, struct err *err)
{
	struct client_config config = reach->config;

	/* A context's host may be named once more. */
	if (reach->peer && (!config.host_id || strcmp(config.host_id, reach->peer) != 0))
		return look_up(reach, globals, faults, timeout_ms, err);
	config.faults = faults;
	return client_new(&config, err);
}
