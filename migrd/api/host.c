/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the host itself.
 *
 * The text of GET /v1/host is kept together with what it was made of. */
#include <string.h>
#include <sys/sysinfo.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/proc.h"
#include "wire/peer_msg.h"

/* How long the memory figures are used again, and the count of VMs if none has changed: a
 * caller may ask every millisecond. */
#define LOOK_AGAIN_MS 1000

/* ---- what is looked at ----------------------------------------------------- */

/* Walks all VMs only after one has changed, and when the last look is a second old. */
static void count_vms(struct api *api, struct host_vms *ret, bool is_late)
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
	ret->total = api->host.total;
	ret->running = api->host.running;
}

static void look_at_memory(struct api *api, struct host_memory *ret, bool is_late)
{
	struct sysinfo info = { 0 };

	if (is_late) {
		sysinfo(&info);
		api->host.memory_total_mib = (uint64_t)info.totalram * info.mem_unit >> 20;
		api->host.memory_available_mib =
			(uint64_t)(info.freeram + info.bufferram) * info.mem_unit >> 20;
	}
	ret->total = api->host.memory_total_mib;
	ret->available = api->host.memory_available_mib;
}

static void look_at_certificate(const struct tls_live *tls, struct host_certificate *ret)
{
	struct err ignored;

	ret->not_before = tls->times.from_s * 1000;
	ret->not_after = tls->times.to_s * 1000;
	ret->days_left = tls_live_days_left(tls);
	ret->valid = tls_live_is_valid(tls, &ignored);
}

static void look_at_store(const struct api *api, struct host_store *ret)
{
	const struct store_identity *identity = store_identity(api->store);
	struct err err;

	snprintf(ret->id, sizeof(ret->id), "%s", identity->id);
	ret->epoch = identity->epoch;
	if (!newest_is_sure(api->newest, &err))
		snprintf(ret->doubt, sizeof(ret->doubt), "%s", err.msg);
}

static void look_at_reload(const struct api *api, struct host_reply *ret)
{
	ret->was_reloaded = api->reload.at_ms;
	ret->reload.at = api->reload.at_ms;
	ret->reload.ok = !api->reload.error[0];
	snprintf(ret->reload.error, sizeof(ret->reload.error), "%s", api->reload.error);
}

static void look_at_holds(const struct api *api, struct host_reply *ret)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	if (holds_host(api->holds, &why))
		snprintf(ret->held, sizeof(ret->held), "%s", strbuf_str(&why));
}

static void add_constants(const struct api *api, struct host_reply *ret)
{
	ret->id = api->host_id;
	ret->version = VERSION;
	ret->protocol.min = PEER_PROTOCOL_MIN;
	ret->protocol.max = PEER_PROTOCOL_MAX;
	ret->api_address = api->api_address;
	ret->data_address = api->data_address;
	ret->boot_id = proc_boot_id();
	ret->started_at = api->started_ms;
	ret->qemu_binary = api->qemu_binary;
}

/* RET must be all zero: its members are set one by one, so that two replies can be compared
 * byte for byte. */
void api_host_look(struct api *api, struct host_reply *ret)
{
	uint64_t now_ms = loop_now_ms(api->loop);
	bool is_late = !api->host.text || now_ms >= api->host.at_ms + LOOK_AGAIN_MS;

	if (is_late)
		api->host.at_ms = now_ms;
	add_constants(api, ret);
	count_vms(api, &ret->vms, is_late);
	look_at_memory(api, &ret->memory_mib, is_late);
	look_at_certificate(api->tls, &ret->certificate);
	look_at_store(api, &ret->store);
	look_at_reload(api, ret);
	ret->moves.active = moves_active_count(api->moves);
	shutdown_show(api->shutdown, &ret->shutdown);
	ret->ready = api->is_ready;
	api_cordon_show(api, &ret->cordon);
	look_at_holds(api, ret);
}

/* ---- as text that is kept ------------------------------------------------------ */

static void keep(struct api *api, const struct host_reply *reply)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(host_reply_fields, reply);

	free(api->host.reply);
	free(api->host.text);
	api->host.reply = xnew(struct host_reply);
	memcpy(api->host.reply, reply, sizeof(*reply));
	api->host.text = xstrdup(json_text(obj, &api->host.len));
}

/* If only the padding differs, the text is made anew, which does no harm. */
static bool is_kept(const struct api *api, const void *reply)
{
	const void *kept = api->host.reply;

	return kept && memcmp(kept, reply, sizeof(struct host_reply)) == 0;
}

void api_host_get(struct http_request *req, void *data)
{
	struct api *api = data;
	struct host_reply reply;

	memset(&reply, 0, sizeof(reply));
	api_host_look(api, &reply);
	if (!is_kept(api, &reply))
		keep(api, &reply);
	http_reply_json(req, 200, xstrndup(api->host.text, api->host.len), api->host.len);
}

void api_host_fini(struct api *api)
{
	free(api->host.reply);
	free(api->host.text);
}

void api_peers_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);

	for (const char *const *id = api->peer_ids; *id; id++)
		api_list_show(&list, host_peer_fields,
			      &(struct host_peer){
				      .id = *id,
				      .address = peer_clients_address(api->peers, *id),
			      });
	api_list_reply(&list, NULL);
}

void api_healthz(struct http_request *req, void *data)
{
	(void)data;
	http_reply_text(req, 200, "text/plain", "ok\n");
}
