/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the host itself. */
#include <sys/sysinfo.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/proc.h"

/* A walk over all VMs, once after a change and once a second: whatever asks every
 * millisecond finds it counted. */
#define COUNT_AGAIN_MS 1000

static void count_again(struct api *api)
{
	uint64_t now_ms = loop_now_ms(api->loop);

	if (api->vm_count.is_right && now_ms < api->vm_count.at_ms + COUNT_AGAIN_MS)
		return;
	api->vm_count.is_right = true;
	api->vm_count.at_ms = now_ms;
	api->vm_count.total = api->vm_count.running = 0;
	for (struct vm *vm = vm_next(api->vms, NULL); vm; vm = vm_next(api->vms, vm_name(vm))) {
		api->vm_count.total++;
		api->vm_count.running += strcmp(vm_state(vm), "running") == 0;
	}
}

static struct json_object *count_vms(struct api *api)
{
	struct json_object *obj = json_object_new_object();

	count_again(api);
	json_add_uint(obj, "total", api->vm_count.total);
	json_add_uint(obj, "running", api->vm_count.running);
	return obj;
}

static struct json_object *count_moves(const struct api *api)
{
	struct json_object *obj = json_object_new_object();

	json_add_uint(obj, "active", moves_active_count(api->moves));
	return obj;
}

static struct json_object *memory(void)
{
	struct json_object *obj = json_object_new_object();
	struct sysinfo info = { 0 };

	sysinfo(&info);
	json_add_uint(obj, "total", (uint64_t)info.totalram * info.mem_unit >> 20);
	json_add_uint(obj, "available",
		      (uint64_t)(info.freeram + info.bufferram) * info.mem_unit >> 20);
	return obj;
}

static struct json_object *certificate(const struct tls_live *tls)
{
	struct json_object *obj = json_object_new_object();
	struct err err;

	json_add_time(obj, "not_before", tls->times.from_s * 1000);
	json_add_time(obj, "not_after", tls->times.to_s * 1000);
	json_add_int(obj, "days_left", tls_live_days_left(tls));
	json_add_bool(obj, "valid", tls_live_is_valid(tls, &err));
	return obj;
}

static struct json_object *last_reload(const struct api *api)
{
	struct json_object *obj = json_object_new_object();

	json_add_time(obj, "at", api->reload.at_ms);
	json_add_bool(obj, "ok", !api->reload.error[0]);
	if (api->reload.error[0])
		json_add_str(obj, "error", api->reload.error);
	return obj;
}

static struct json_object *store_json(const struct api *api)
{
	const struct store_identity *identity = store_identity(api->store);
	struct json_object *obj = json_object_new_object();
	struct err err;

	json_add_str(obj, "id", identity->id);
	json_add_uint(obj, "epoch", identity->epoch);
	json_add_str(obj, "doubt", newest_is_sure(api->newest, &err) ? NULL : err.msg);
	return obj;
}

void api_host_get(struct http_request *req, void *data)
{
	struct api *api = data;
	struct json_object *obj = json_object_new_object();
	struct json_object *protocol = json_object_new_object();

	json_add_int(protocol, "min", PEER_PROTOCOL_MIN);
	json_add_int(protocol, "max", PEER_PROTOCOL_MAX);
	json_add_str(obj, "id", api->host_id);
	json_add_str(obj, "version", VERSION);
	json_object_object_add(obj, "protocol", protocol);
	json_add_str(obj, "api_address", api->api_address);
	json_add_str(obj, "data_address", api->data_address);
	json_add_str(obj, "boot_id", proc_boot_id());
	json_add_time(obj, "started_at", api->started_ms);
	json_add_bool(obj, "ready", api->is_ready);
	json_object_object_add(obj, "store", store_json(api));
	json_add_str(obj, "qemu_binary", api->qemu_binary);
	json_object_object_add(obj, "certificate", certificate(api->tls));
	if (api->reload.at_ms)
		json_object_object_add(obj, "reload", last_reload(api));
	json_object_object_add(obj, "vms", count_vms(api));
	json_object_object_add(obj, "moves", count_moves(api));
	json_object_object_add(obj, "memory_mib", memory());
	http_reply(req, 200, obj);
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

		json_object_object_add(json, "schema", json_schema(route->body, NULL, NULL));
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
