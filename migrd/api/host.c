/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the host itself. */
#include <string.h>
#include <sys/sysinfo.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/proc.h"
#include "wire/peer_msg.h"

/* What can only be found out by looking is looked at once a second: whatever asks every
 * millisecond gets what was found then. */
#define LOOK_AGAIN_MS 1000

/* All that the text below is made of beside what never changes.  Filled from zero, so
 * that two can be compared byte for byte. */
struct facts {
	uint64_t vms_total, vms_running, moves_active;
	uint64_t memory_total_mib, memory_available_mib;
	uint64_t store_epoch;
	int64_t days_left;
	struct tls_times times;
	bool is_ready, is_valid;
	int64_t reload_ms; /* 0: none yet */
	char reload_error[ERR_MSG_SIZE];
	char store_id[ID_UUID_SIZE];
	char doubt[ERR_MSG_SIZE];
};

/* ---- what is looked at ----------------------------------------------------- */

/* A walk over all VMs, once after a change and once a second. */
static void count_vms(struct api *api, struct facts *facts, bool is_late)
{
	if (is_late || !api->host.is_count_right) {
		api->host.is_count_right = true;
		api->host.total = api->host.running = 0;
		for (struct vm *vm = vm_next(api->vms, NULL); vm;
		     vm = vm_next(api->vms, vm_name(vm))) {
			api->host.total++;
			api->host.running += strcmp(vm_state(vm), "running") == 0;
		}
	}
	facts->vms_total = api->host.total;
	facts->vms_running = api->host.running;
}

static void look_at_memory(struct api *api, struct facts *facts, bool is_late)
{
	struct sysinfo info = { 0 };

	if (is_late) {
		sysinfo(&info);
		api->host.memory_total_mib = (uint64_t)info.totalram * info.mem_unit >> 20;
		api->host.memory_available_mib =
			(uint64_t)(info.freeram + info.bufferram) * info.mem_unit >> 20;
	}
	facts->memory_total_mib = api->host.memory_total_mib;
	facts->memory_available_mib = api->host.memory_available_mib;
}

static void look_at_certificate(const struct tls_live *tls, struct facts *facts)
{
	struct err ignored;

	facts->times.from_s = tls->times.from_s;
	facts->times.to_s = tls->times.to_s;
	facts->days_left = tls_live_days_left(tls);
	facts->is_valid = tls_live_is_valid(tls, &ignored);
}

static void look_at_store(const struct api *api, struct facts *facts)
{
	const struct store_identity *identity = store_identity(api->store);
	struct err err;

	snprintf(facts->store_id, sizeof(facts->store_id), "%s", identity->id);
	facts->store_epoch = identity->epoch;
	if (!newest_is_sure(api->newest, &err))
		snprintf(facts->doubt, sizeof(facts->doubt), "%s", err.msg);
}

/* FACTS: all zero. */
static void look(struct api *api, struct facts *facts)
{
	uint64_t now_ms = loop_now_ms(api->loop);
	bool is_late = !api->host.text || now_ms >= api->host.at_ms + LOOK_AGAIN_MS;

	if (is_late)
		api->host.at_ms = now_ms;
	count_vms(api, facts, is_late);
	look_at_memory(api, facts, is_late);
	look_at_certificate(api->tls, facts);
	look_at_store(api, facts);
	facts->moves_active = moves_active_count(api->moves);
	facts->is_ready = api->is_ready;
	facts->reload_ms = api->reload.at_ms;
	snprintf(facts->reload_error, sizeof(facts->reload_error), "%s", api->reload.error);
}

/* ---- as JSON ------------------------------------------------------------------ */

static struct json_object *certificate(const struct facts *facts)
{
	struct json_object *obj = json_object_new_object();

	json_add_time(obj, "not_before", facts->times.from_s * 1000);
	json_add_time(obj, "not_after", facts->times.to_s * 1000);
	json_add_int(obj, "days_left", facts->days_left);
	json_add_bool(obj, "valid", facts->is_valid);
	return obj;
}

static struct json_object *last_reload(const struct facts *facts)
{
	struct json_object *obj = json_object_new_object();

	json_add_time(obj, "at", facts->reload_ms);
	json_add_bool(obj, "ok", !facts->reload_error[0]);
	if (facts->reload_error[0])
		json_add_str(obj, "error", facts->reload_error);
	return obj;
}

static struct json_object *store_json(const struct facts *facts)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "id", facts->store_id);
	json_add_uint(obj, "epoch", facts->store_epoch);
	json_add_str(obj, "doubt", facts->doubt[0] ? facts->doubt : NULL);
	return obj;
}

/* NAME2 may be NULL. */
static struct json_object *figures(const char *name1, uint64_t value1, const char *name2,
				   uint64_t value2)
{
	struct json_object *obj = json_object_new_object();

	json_add_uint(obj, name1, value1);
	if (name2)
		json_add_uint(obj, name2, value2);
	return obj;
}

static struct json_object *to_json(const struct api *api, const struct facts *facts)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "id", api->host_id);
	json_add_str(obj, "version", VERSION);
	json_object_object_add(obj, "protocol",
			       figures("min", PEER_PROTOCOL_MIN, "max", PEER_PROTOCOL_MAX));
	json_add_str(obj, "api_address", api->api_address);
	json_add_str(obj, "data_address", api->data_address);
	json_add_str(obj, "boot_id", proc_boot_id());
	json_add_time(obj, "started_at", api->started_ms);
	json_add_bool(obj, "ready", facts->is_ready);
	json_object_object_add(obj, "store", store_json(facts));
	json_add_str(obj, "qemu_binary", api->qemu_binary);
	json_object_object_add(obj, "certificate", certificate(facts));
	if (facts->reload_ms)
		json_object_object_add(obj, "reload", last_reload(facts));
	json_object_object_add(obj, "vms",
			       figures("total", facts->vms_total, "running", facts->vms_running));
	json_object_object_add(obj, "moves", figures("active", facts->moves_active, NULL, 0));
	json_object_object_add(obj, "memory_mib",
			       figures("total", facts->memory_total_mib, "available",
				       facts->memory_available_mib));
	return obj;
}

/* ---- as text that is kept ------------------------------------------------------ */

static void keep(struct api *api, const struct facts *facts)
{
	CLEANUP(json_putp) struct json_object *obj = to_json(api, facts);

	free(api->host.facts);
	free(api->host.text);
	api->host.facts = xnew(struct facts);
	memcpy(api->host.facts, facts, sizeof(*facts));
	api->host.text = xstrdup(json_text(obj, &api->host.len));
}

/* Padding that differs makes the text anew, and nothing worse. */
static bool is_kept(const struct api *api, const void *facts)
{
	const void *kept = api->host.facts;

	return kept && memcmp(kept, facts, sizeof(struct facts)) == 0;
}

void api_host_get(struct http_request *req, void *data)
{
	struct api *api = data;
	struct facts facts;

	memset(&facts, 0, sizeof(facts));
	look(api, &facts);
	if (!is_kept(api, &facts))
		keep(api, &facts);
	http_reply_json(req, 200, xstrndup(api->host.text, api->host.len), api->host.len);
}

void api_host_fini(struct api *api)
{
	free(api->host.facts);
	free(api->host.text);
}

void api_peers_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct json_object *items = json_object_new_array();

	for (const char *const *id = api->peer_ids; *id; id++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "id", *id);
		json_add_str(item, "address", peer_clients_address(api->peers, *id));
		json_object_array_add(items, item);
	}
	http_reply(req, 200, api_list(items, NULL));
}

void api_healthz(struct http_request *req, void *data)
{
	(void)data;
	http_reply_text(req, 200, "text/plain", "ok\n");
}

/* ---- openapi ------------------------------------------------------------- */

static struct json_object *get_or_add(struct json_object *obj, const char *key)
{
	struct json_object *member = NULL;

	if (!json_object_object_get_ex(obj, key, &member)) {
		member = json_object_new_object();
		json_object_object_add(obj, key, member);
	}
	return member;
}

static struct json_object *operation(const struct http_route *route)
{
	static const char *const roles[] = {
		[HTTP_ROLE_NONE] = "none",         [HTTP_ROLE_VIEWER] = "viewer",
		[HTTP_ROLE_OPERATOR] = "operator", [HTTP_ROLE_ADMIN] = "admin",
		[HTTP_ROLE_PEER] = "peer",
	};
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "summary", route->summary);
	json_add_str(obj, "x-role", roles[route->role]);
	if (route->body) {
		struct json_object *json =
			get_or_add(get_or_add(get_or_add(obj, "requestBody"), "content"),
				   "application/json");

		json_object_object_add(json, "schema",
				       json_schema(route->body, JSON_SCHEMA_REQUEST, NULL, NULL));
	}
	json_add_str(get_or_add(get_or_add(obj, "responses"), "default"), "description",
		     "The object, or a problem document (RFC 9457)");
	return obj;
}

void api_openapi(struct http_request *req, void *data)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *info = get_or_add(obj, "info");
	struct json_object *paths = get_or_add(obj, "paths");

	(void)data;
	json_add_str(obj, "openapi", "3.1.0");
	json_add_str(info, "title", "migrd");
	json_add_str(info, "version", VERSION);
	for (const struct http_route *route = api_routes; route->method; route++) {
		char method[8];
		size_t len = strlen(route->method);

		for (size_t i = 0; i <= len; i++)
			method[i] = (char)(route->method[i] | (i < len ? 0x20 : 0));
		json_object_object_add(get_or_add(paths, route->path), method, operation(route));
	}
	http_reply(req, 200, obj);
}
