/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the fleet, and what this host tells of its own. */
#include "api/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/vm_def.h"

/* ---- pages ------------------------------------------------------------------------ */

void fleet_page_clear(struct fleet_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		free(page->list[i].text);
	*page = (struct fleet_page){ 0 };
}

static bool add_text(struct fleet_page *page, const char *key, const char *text, size_t len)
{
	struct fleet_entry *entry = &page->list[page->count];

	if (page->count == FLEET_PAGE_ITEMS || page->bytes + len > FLEET_PAGE_BYTES) {
		page->more = true;
		return false;
	}
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	entry->text = xstrndup(text, len);
	entry->len = len;
	page->bytes += len;
	page->count++;
	return true;
}

bool fleet_page_add(struct fleet_page *page, const struct json_field *fields, const void *item)
{
	const struct fleet_head *head = item;
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, item);
	size_t len;
	const char *text = json_text(obj, &len);

	return add_text(page, head->key, text, len);
}

int fleet_key_compare(const struct fleet_kind *kind, const char *a, const char *b)
{
	return kind->is_newest_first ? strcmp(b, a) : strcmp(a, b);
}

/* ---- VMs --------------------------------------------------------------------------- */

/* WANTED: "KEY=VALUE", or "KEY" with any value.  Labels that do not have the last part of the key
 * in their text are not parsed: no label has a character there that JSON writes in another way. */
static bool has_label(const char *labels, const char *wanted)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	CLEANUP(free_charp) char *key = xstrndup(wanted, strcspn(wanted, "="));
	const char *value = strchr(wanted, '='), *slash = strrchr(key, '/'), *is;

	if (!strstr(labels, slash ? slash + 1 : key))
		return false;
	obj = json_read_back(labels);
	is = json_get_str(obj, key);
	return is && (!value || strcmp(is, value + 1) == 0);
}

static bool fits(const char *wanted, const char *value)
{
	return !wanted || strcmp(wanted, value) == 0;
}

static bool wants_vm(const struct http_request *req, const struct vm *vm)
{
	return fits(http_query(req, "name"), vm_name(vm)) &&
	       fits(http_query(req, "uuid"), vm_uuid(vm)) &&
	       fits(http_query(req, "state"), vm_state(vm));
}

static void show_vm(const struct api *api, const struct vm *vm, struct fleet_vm *ret)
{
	struct vm_summary *summary = xnew(struct vm_summary);

	api_vm_summary(api, vm, summary);
	snprintf(ret->head.key, sizeof(ret->head.key), "%s", summary->name);
	snprintf(ret->head.host, sizeof(ret->head.host), "%s", api->host_id);
	snprintf(ret->uuid, sizeof(ret->uuid), "%s", summary->uuid);
	snprintf(ret->state, sizeof(ret->state), "%s", summary->state);
	snprintf(ret->reason, sizeof(ret->reason), "%.*s", FLEET_WHY_SIZE - 1, summary->reason);
	snprintf(ret->elsewhere, sizeof(ret->elsewhere), "%s", summary->elsewhere);
	ret->generation = summary->generation;
	ret->memory_mib = summary->memory_mib > 0 ? (uint64_t)summary->memory_mib : 0;
	ret->vcpus = summary->vcpus > 0 ? (uint64_t)summary->vcpus : 0;
	snprintf(ret->qemu_version, sizeof(ret->qemu_version), "%s", summary->qemu_version);
	if (summary->has_job) {
		snprintf(ret->job, sizeof(ret->job), "%s", summary->job.kind);
		snprintf(ret->job_id, sizeof(ret->job_id), "%s", summary->job.id);
	}
	free(summary);
}

static struct vm *first_vm(const struct api *api, const char *from)
{
	struct vm *vm = from ? vm_find(api->vms, from) : NULL;

	return vm ? vm : vm_next(api->vms, from);
}

static void add_vms(struct api *api, const struct http_request *req, const char *from,
		    struct fleet_page *page)
{
	const char *label = http_query(req, "label");
	struct fleet_vm *item = xnew(struct fleet_vm); /* large */
	bool has_room = true;

	for (struct vm *vm = first_vm(api, from); vm && has_room;
	     vm = vm_next(api->vms, vm_name(vm))) {
		if (!wants_vm(req, vm) || (label && !has_label(vm_labels(vm), label)))
			continue;
		memset(item, 0, sizeof(*item));
		snprintf(item->labels, sizeof(item->labels), "%s", vm_labels(vm));
		show_vm(api, vm, item);
		has_room = fleet_page_add(page, fleet_vm_fields, item);
	}
	free(item);
}

/* ---- moves ------------------------------------------------------------------------- */

static void put_time(char ret[FLEET_WORD_SIZE], int64_t wall_ms)
{
	CLEANUP(json_putp) struct json_object *time = json_new_time(wall_ms);

	snprintf(ret, FLEET_WORD_SIZE, "%s", time ? json_object_get_string(time) : "");
}

static void show_move(const struct api *api, const struct move *move, struct fleet_move *ret)
{
	const struct store_move *row = move_row(move);
	bool is_out = strcmp(row->kind, "MIGRATION_OUT") == 0;

	*ret = (struct fleet_move){ .final = move_is_final(move) };
	snprintf(ret->head.key, sizeof(ret->head.key), "%s", row->id);
	snprintf(ret->head.host, sizeof(ret->head.host), "%s", api->host_id);
	snprintf(ret->vm, sizeof(ret->vm), "%s", row->vm_name);
	snprintf(ret->vm_uuid, sizeof(ret->vm_uuid), "%s", row->vm_uuid);
	snprintf(ret->kind, sizeof(ret->kind), "%s", row->kind);
	snprintf(ret->source, sizeof(ret->source), "%s", is_out ? api->host_id : row->peer);
	snprintf(ret->destination, sizeof(ret->destination), "%s",
		 is_out ? row->peer : api->host_id);
	snprintf(ret->state, sizeof(ret->state), "%s", move_state_name(move));
	snprintf(ret->reason, sizeof(ret->reason), "%.*s", FLEET_WHY_SIZE - 1, move_reason(move));
	put_time(ret->created_at, row->created_ms);
	put_time(ret->ended_at, row->ended_ms);
}

static bool wants_move(const struct http_request *req, const struct move *move)
{
	return fits(http_query(req, "vm"), move_row(move)->vm_name) &&
	       !(http_query(req, "state") && move_is_final(move));
}

/* Newest first by their ids.  The list of moves is in the order in which this host has heard of
 * them, which is another one: a move to here has its id before it is offered, and by the clock of
 * its source. */
static int compare_ids(const void *a, const void *b)
{
	return strcmp(move_row(*(const struct move *const *)b)->id,
		      move_row(*(const struct move *const *)a)->id);
}

/* The moves that are wanted, in order; the caller frees the list. */
static struct move **gather_moves(const struct api *api, const struct http_request *req,
				  const char *from, size_t *ret_count)
{
	struct move **list;
	size_t count = 0;

	for (struct move *move = moves_first(api->moves); move; move = move_next(move))
		count++;
	list = xcalloc(count + 1, sizeof(*list));
	count = 0;
	for (struct move *move = moves_first(api->moves); move; move = move_next(move))
		if ((!from || strcmp(move_row(move)->id, from) <= 0) && wants_move(req, move))
			list[count++] = move;
	qsort(list, count, sizeof(*list), compare_ids);
	*ret_count = count;
	return list;
}

static void add_moves(struct api *api, const struct http_request *req, const char *from,
		      struct fleet_page *page)
{
	size_t count;
	struct move **list = gather_moves(api, req, from, &count);
	struct fleet_move item;
	bool has_room = true;

	for (size_t i = 0; i < count && has_room; i++) {
		show_move(api, list[i], &item);
		has_room = fleet_page_add(page, fleet_move_fields, &item);
	}
	free(list);
}

/* ---- hosts ------------------------------------------------------------------------- */

static void show_evacuation(struct api *api, struct fleet_host *ret)
{
	struct evacuation *evac = evacuations_find(api->evacuations, "current");

	if (!evac || evacuation_is_final(evac))
		return;
	ret->is_emptied = true;
	ret->evacuation = *evacuation_brief_of(evac);
}

static void add_host(struct api *api, const struct http_request *req, const char *from,
		     struct fleet_page *page)
{
	struct host_reply *host = xnew(struct host_reply);
	struct fleet_host *item = xnew(struct fleet_host); /* large */

	(void)req;
	if (!from || strcmp(api->host_id, from) >= 0) {
		api_host_look(api, host);
		snprintf(item->head.key, sizeof(item->head.key), "%s", host->id);
		snprintf(item->head.host, sizeof(item->head.host), "%s", host->id);
		snprintf(item->version, sizeof(item->version), "%s", host->version);
		snprintf(item->held, sizeof(item->held), "%.*s", FLEET_WHY_SIZE - 1, host->held);
		snprintf(item->doubt, sizeof(item->doubt), "%.*s", FLEET_WHY_SIZE - 1,
			 host->store.doubt);
		item->ready = host->ready;
		item->cordoned = host->cordon.cordoned;
		item->vms = host->vms.total;
		item->vms_running = host->vms.running;
		item->moves_active = host->moves.active;
		item->memory_mib = host->memory_mib.total;
		item->memory_available_mib = host->memory_mib.available;
		item->certificate_days_left = host->certificate.days_left;
		show_evacuation(api, item);
		fleet_page_add(page, fleet_host_fields, item);
	}
	free(item);
	free(host);
}

/* ---- routes ------------------------------------------------------------------------ */

static const char *const vm_filters[] = { "name", "uuid", "label", "state", NULL };
static const char *const move_filters[] = { "vm", "state", NULL };
static const char *const no_filters[] = { NULL };

static const struct fleet_kind vms = {
	.path = "/peer/v1/fleet/vms",
	.fields = fleet_vm_fields,
	.size = sizeof(struct fleet_vm),
	.filters = vm_filters,
	.add_own = add_vms,
};
static const struct fleet_kind moves = {
	.path = "/peer/v1/fleet/moves",
	.fields = fleet_move_fields,
	.size = sizeof(struct fleet_move),
	.is_newest_first = true,
	.filters = move_filters,
	.add_own = add_moves,
};
static const struct fleet_kind hosts = {
	.path = "/peer/v1/fleet/hosts",
	.fields = fleet_host_fields,
	.size = sizeof(struct fleet_host),
	.is_host = true,
	.filters = no_filters,
	.add_own = add_host,
};

void api_fleet_vms(struct http_request *req, void *data)
{
	fleet_ask(data, req, &vms);
}

void api_fleet_moves(struct http_request *req, void *data)
{
	fleet_ask(data, req, &moves);
}

void api_fleet_hosts(struct http_request *req, void *data)
{
	fleet_ask(data, req, &hosts);
}

static void reply_page(struct http_request *req, struct api *api, const struct fleet_kind *kind)
{
	struct fleet_page *page = xnew(struct fleet_page);
	struct strbuf text = STRBUF_INIT;
	size_t len;

	kind->add_own(api, req, http_query(req, "from"), page);
	strbuf_adds(&text, "{\"items\":[");
	for (size_t i = 0; i < page->count; i++) {
		strbuf_adds(&text, i ? "," : "");
		strbuf_add(&text, page->list[i].text, page->list[i].len);
	}
	strbuf_addf(&text, "],\"more\":%s}", page->more ? "true" : "false");
	fleet_page_clear(page);
	free(page);
	len = text.len;
	http_reply_json(req, 200, strbuf_take(&text), len);
}

void api_peer_fleet_vms(struct http_request *req, void *data)
{
	if (api_ready(req, data))
		reply_page(req, data, &vms);
}

void api_peer_fleet_moves(struct http_request *req, void *data)
{
	if (api_ready(req, data))
		reply_page(req, data, &moves);
}

void api_peer_fleet_hosts(struct http_request *req, void *data)
{
	reply_page(req, data, &hosts);
}
