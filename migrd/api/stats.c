/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of what guests use.
 *
 * A list looks at the VMs of its page, STATS_AT_ONCE at a time, and takes no longer than
 * STATS_LIST_MS and one look: those that were not looked at by then are shown as they were.
 */
#include "vm/stats.h"

#include <string.h>

#include "api/api.h"
#include "base/mem.h"

#define STATS_AT_ONCE 16
#define STATS_LIST_MS 3000

/* ---- of one VM ----------------------------------------------------------------------------- */

static struct json_object *shown(const struct api *api, struct vm *vm)
{
	struct vm_stats *stats = xnew(struct vm_stats);
	struct json_object *obj;

	vm_stats_show(vm, stats);
	stats->host = api->host_id;
	obj = json_encode(vm_stats_fields, stats);
	free(stats);
	return obj;
}

/* A request until its answer. */
struct asking {
	struct http_request *req;
	const struct api *api;
	char uuid[ID_UUID_SIZE];
};

static void on_looked(void *data)
{
	struct asking *asking = data;
	struct vm *vm = vm_find_uuid(asking->api->vms, asking->uuid);
	struct err err;

	if (vm) {
		http_reply(asking->req, 200, shown(asking->api, vm));
	} else {
		err_set(&err, ERR_NOT_FOUND, "the VM has left this host");
		http_reply_err(asking->req, &err);
	}
	free(asking);
}

void api_vm_stats(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct asking *asking;

	if (!vm)
		return; /* it was answered, and REQ is gone */
	asking = xnew(struct asking);
	asking->req = req;
	asking->api = api;
	memcpy(asking->uuid, vm_uuid(vm), sizeof(asking->uuid));
	vm_stats_ask(vm, on_looked, asking);
}

/* ---- of all ---------------------------------------------------------- */

struct listing;

struct item {
	struct listing *listing;
	char uuid[ID_UUID_SIZE];
	char *text; /* NULL: not looked at yet, or it has left */
	size_t len;
};

struct listing {
	struct http_request *req;
	struct api *api;
	uint64_t until_ms;
	struct item *items; /* of the page, in order */
	size_t count, next, looked;
	char last[ID_NAME_SIZE]; /* of the last item; "": the list ends with it */
};

static void reply_list(struct listing *listing)
{
	struct api_list list = api_list_begin(listing->req, listing->api);

	for (size_t i = 0; i < listing->count; i++)
		if (listing->items[i].text)
			api_list_add(&list, listing->items[i].text, listing->items[i].len);
	api_list_reply(&list, listing->last[0] ? listing->last : NULL);
	for (size_t i = 0; i < listing->count; i++)
		free(listing->items[i].text);
	free(listing->items);
	free(listing);
}

static void look_at_next(struct listing *listing);

/* Its text is made here, one in a turn of the loop, and not all at the end. */
static void on_item_looked(void *data)
{
	struct item *item = data;
	struct listing *listing = item->listing;
	struct vm *vm = vm_find_uuid(listing->api->vms, item->uuid);
	CLEANUP(json_putp) struct json_object *obj = vm ? shown(listing->api, vm) : NULL;

	if (obj) {
		const char *text = json_text(obj, &item->len);

		item->text = xstrndup(text, item->len);
	}
	if (++listing->looked == listing->count)
		reply_list(listing);
	else
		look_at_next(listing);
}

static void look_at_next(struct listing *listing)
{
	struct loop *loop = listing->api->loop;
	struct item *item;
	struct vm *vm;

	if (listing->next == listing->count)
		return;
	item = &listing->items[listing->next++];
	vm = vm_find_uuid(listing->api->vms, item->uuid);
	if (vm && loop_now_ms(loop) < listing->until_ms)
		vm_stats_ask(vm, on_item_looked, item);
	else
		loop_post(loop, on_item_looked, item);
}

/* Nothing of it is answered from inside. */
static void begin_looks(struct listing *listing)
{
	for (size_t i = 0; i < STATS_AT_ONCE; i++)
		look_at_next(listing);
}

static void add_items(struct listing *listing, const struct api_page *page)
{
	struct vm *vm = vm_next(listing->api->vms, page->after);

	for (; vm && listing->count < page->limit; vm = vm_next(listing->api->vms, vm_name(vm))) {
		struct item *item = &listing->items[listing->count++];

		item->listing = listing;
		memcpy(item->uuid, vm_uuid(vm), sizeof(item->uuid));
		snprintf(listing->last, sizeof(listing->last), "%s", vm_name(vm));
	}
	if (!vm)
		listing->last[0] = '\0';
}

void api_stats_list(struct http_request *req, void *data)
{
	struct api *api = data;
	const struct api_page page = api_page_of(req);
	struct listing *listing;

	if (!api_ready(req, api))
		return;
	listing = xnew(struct listing);
	listing->req = req;
	listing->api = api;
	listing->until_ms = loop_now_ms(api->loop) + STATS_LIST_MS;
	listing->items = xcalloc(page.limit, sizeof(*listing->items));
	add_items(listing, &page);
	if (!listing->count)
		reply_list(listing);
	else
		begin_looks(listing);
}
