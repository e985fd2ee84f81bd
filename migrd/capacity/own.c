/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host tells of itself. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "capacity/guests.h"
#include "capacity/priv.h"
#include "forecast/forecast.h"
#include "move/foresee.h"
#include "move/move.h"

/* What earlier moves and probes tell of the links, and forecasts are made from, is so old at most:
 * for each peer all moves that are kept are looked at. */
#define HISTORY_AGED_MS 60000
struct page {
	size_t from, to; /* guests of the snapshot */
	char *text;      /* NULL: nobody has asked for it */
	size_t len;
};

struct own {
	struct loop *loop;
	struct moves *moves;
	const char *const *peer_ids;
	const char *host_id;
	char *rack, *labels; /* labels as JSON; "": none */
	struct capacity_settings settings;
	struct capacity_hooks hooks;
	struct guests *guests;
	struct host_load load;
	struct forecast_input *history; /* of the peer with the fastest link; NULL: none yet */
	uint64_t history_ms, interface_bytes_per_s, moves_bytes_per_s;
	struct snapshot *snapshot;
	uint64_t made_ms;
	struct page *pages;
	size_t page_count;
};

/* ---- settings -------------------------------------------------------------------------- */

/* "a=b,c=d", as the configuration has checked. */
static char *labels_text(const char *list)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	CLEANUP(free_charp) char *copy = xstrdup(list ? list : "");
	char *rest = copy, *pair;

	while ((pair = strsep(&rest, ","))) {
		char *equals = strchr(pair, '=');

		if (!equals)
			continue;
		*equals = '\0';
		json_add_str(obj, pair, equals + 1);
	}
	return xstrdup(json_object_object_length(obj) ? json_text(obj, NULL) : "");
}

void own_set(struct own *own, const struct capacity_settings *settings)
{
	char *rack = settings->rack ? xstrdup(settings->rack) : NULL;

	free(own->rack);
	free(own->labels);
	own->rack = rack;
	own->labels = labels_text(settings->labels);
	own->settings = *settings;
	own->settings.rack = own->settings.labels = NULL;
	own->made_ms = 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct own *own_new(const struct capacity_env *env)
{
	struct own *own = xnew(struct own);

	own->loop = env->loop;
	own->moves = env->moves;
	own->peer_ids = env->peer_ids;
	own->host_id = env->host_id;
	own->interface_bytes_per_s = env->interface_bytes_per_s;
	own->hooks = env->hooks;
	own->guests = guests_new(env->vms, env->moves);
	own_set(own, &env->settings);
	return own;
}

static void drop_pages(struct own *own)
{
	for (size_t i = 0; i < own->page_count; i++)
		free(own->pages[i].text);
	free(TAKE_PTR(own->pages));
	own->page_count = 0;
}

void own_free(struct own *own)
{
	drop_pages(own);
	snapshot_unref(own->snapshot);
	guests_free(own->guests);
	free(own->history);
	free(own->rack);
	free(own->labels);
	free(own);
}

/* ---- the host --------------------------------------------------------- */

/* What a guest that is on its way here has not mapped yet is free still, so the reserved pages come
 * out too few by as much, and never too many. */
static void add_huge(const struct host_memory_found *found, const struct guests_sum *sum,
		     struct capacity_memory *ret)
{
	ret->has_huge = true;
	ret->huge_count = found->huge_count;
	ret->huge_node_count = found->huge_node_count;
	memcpy(ret->huge_nodes, found->huge_nodes, sizeof(ret->huge_nodes));
	for (size_t i = 0; i < found->huge_count; i++) {
		struct capacity_huge *huge = &ret->huge[i];
		enum plan_pages pages = plan_pages_of(found->huge[i].page_mib);
		uint64_t guests = pages != PLAN_PAGES_COUNT ? sum->pages_mib[pages] : 0;

		*huge = found->huge[i];
		huge->reserved =
			huge->total > huge->free + guests ? huge->total - huge->free - guests : 0;
	}
}

static void add_memory(const struct own *own, const struct guests_sum *sum,
		       struct capacity_memory *ret)
{
	const struct host_memory_found found = host_memory_look(&host_roots_default);
	uint64_t reserved = own->settings.reserved_mib + host_others_mib(&found, sum->resident_mib);

	*ret = (struct capacity_memory){
		.total = found.total_mib,
		.available = found.available_mib,
		.reserved = reserved < found.total_mib ? reserved : found.total_mib,
		.guests = sum->here_mib,
		.incoming = sum->incoming_mib,
		.huge_total = found.huge_total_mib,
		.huge_free = found.huge_free_mib,
	};
	add_huge(&found, sum, ret);
}

static void add_cpus(struct own *own, uint64_t now_ms, struct capacity_figures *ret)
{
	const struct host_cpu_found found = host_cpu_look(&host_roots_default);

	host_load_look(&own->load, found.used_ms, now_ms, clock_boot_ms());
	ret->cores = found.cores ? found.cores : 1;
	ret->load = own->load.cores;
	ret->has_pressure = host_pressure_look(&host_roots_default, &ret->pressure);
}

/* ---- links ---------------------------------------------------------------------------------- */

static double rate_of(const struct forecast_input *history)
{
	double most = history->link_moves ? 0 : history->probe_bytes_per_s;

	for (unsigned i = 0; i < history->link_moves; i++)
		most = most > history->link_bytes_per_s[i] ? most : history->link_bytes_per_s[i];
	return most;
}

static void learn(struct own *own, uint64_t now_ms)
{
	double most = -1;

	if (own->history && now_ms < own->history_ms + HISTORY_AGED_MS)
		return;
	own->history_ms = now_ms;
	for (const char *const *id = own->peer_ids; *id; id++) {
		struct forecast_input *history = xnew(struct forecast_input);

		foresee_history(own->moves, *id, history);
		if (rate_of(history) > most) {
			most = rate_of(history);
			free(own->history);
			own->history = TAKE_PTR(history);
		}
		free(history);
	}
	own->moves_bytes_per_s = most > 0 ? (uint64_t)most : 0;
}

static void add_link(const struct own *own, struct capacity_figures *ret)
{
	uint64_t budget = own->settings.budget_bytes_per_s;
	uint64_t found =
		own->moves_bytes_per_s ? own->moves_bytes_per_s : own->interface_bytes_per_s;
	bool is_budget = budget && (!found || budget < found);

	ret->link_bytes_per_s = is_budget ? budget : found;
	snprintf(ret->link_by, sizeof(ret->link_by), "%s",
		 is_budget                ? "budget"
		 : own->moves_bytes_per_s ? "moves"
		 : found                  ? "interface"
					  : "");
}

/* ---- state ---------------------------------------------------------------------------------- */

static void copy_why(char ret[CAPACITY_WHY_SIZE], const struct strbuf *why)
{
	snprintf(ret, CAPACITY_WHY_SIZE, "%s", strbuf_str(why));
	utf8_trim(ret);
}

static void add_state(const struct own *own, struct capacity_told *ret)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf hold = STRBUF_INIT;
	const struct capacity_hooks *hooks = &own->hooks;
	const char *state = "online";

	if (hooks->is_draining && hooks->is_draining(hooks->data, &why))
		state = "draining";
	else if (hooks->is_cordoned && hooks->is_cordoned(hooks->data, &why))
		state = "cordoned";
	if (hooks->is_held)
		(void)hooks->is_held(hooks->data, &hold);
	snprintf(ret->state, sizeof(ret->state), "%s", state);
	copy_why(ret->why, &why);
	copy_why(ret->hold, &hold);
}

static void add_vm(void *data, struct capacity_vm_told *told)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	struct own *own = data;
	const struct capacity_hooks *hooks = &own->hooks;

	if (own->snapshot->vm_count == CAPACITY_VMS_MAX)
		return;
	if (hooks->is_vm_held && hooks->is_vm_held(hooks->data, told->uuid, &why))
		copy_why(told->hold, &why);
	snapshot_add(own->snapshot, told);
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

static void make(struct own *own, uint64_t now_ms)
{
	struct capacity_told *told = xnew(struct capacity_told);
	struct capacity_figures *figures = &told->figures;
	struct guests_sum sum;

	drop_pages(own);
	snapshot_unref(own->snapshot);
	own->snapshot = snapshot_new();
	learn(own, now_ms);
	sum = guests_look(own->guests, own->history, now_ms, add_vm, own);
	snprintf(told->id, sizeof(told->id), "%s", own->host_id);
	add_state(own, told);
	add_memory(own, &sum, &figures->memory_mib);
	add_cpus(own, now_ms, figures);
	add_link(own, figures);
	figures->vcpus = sum.vcpus;
	figures->limits = (struct capacity_limits){
		.out_max = own->settings.out_max,
		.in_max = own->settings.in_max,
		.vcpus_per_core = own->settings.vcpus_per_core,
	};
	snprintf(figures->rack, sizeof(figures->rack), "%s", own->rack ? own->rack : "");
	snprintf(figures->labels, sizeof(figures->labels), "%s", own->labels);
	figures->guests = sum.guests;
	figures->stopped = sum.stopped;
	figures->left_out = sum.guests - own->snapshot->vm_count;
	snapshot_set_host(own->snapshot, told);
	free(told);
}

void own_forget(struct own *own)
{
	own->made_ms = 0;
}

struct snapshot *own_look(struct own *own)
{
	uint64_t now_ms = loop_now_ms(own->loop);

	if (!own->snapshot || !own->made_ms || now_ms >= own->made_ms + OWN_FRESH_MS) {
		make(own, now_ms);
		own->made_ms = now_ms ? now_ms : 1;
	}
	return own->snapshot;
}

/* ---- as text ---------------------------------------------------------- */

/* A reader takes 10,000 values in all (json_limits_default): the host has some 400 at most, a guest
 * as many as this, and each of its bounds an object with two members. */
#define PAGE_VALUES  9500
#define GUEST_VALUES 64
#define BOUND_VALUES 3

static size_t values_of(const struct snapshot_vm *vm)
{
	return GUEST_VALUES + BOUND_VALUES * vm->bounds.count;
}

static size_t page_end(const struct snapshot *snapshot, size_t from)
{
	size_t bytes = 0, values = 0, at = from;

	for (; at < snapshot->vm_count && at < from + CAPACITY_PAGE_VMS; at++) {
		const struct snapshot_vm *vm = &snapshot->vms[at];

		bytes += strlen(vm->text);
		values += values_of(vm);
		if (at > from && (bytes >= CAPACITY_PAGE_MAX || values > PAGE_VALUES))
			break;
		bytes++;
	}
	return at;
}

/* The last page has no guests. */
static void divide(struct own *own)
{
	const struct snapshot *snapshot = own->snapshot;
	size_t from = 0, to;

	own->pages = xcalloc(snapshot->vm_count + 1, sizeof(*own->pages));
	do {
		to = page_end(snapshot, from);
		own->pages[own->page_count++] = (struct page){ .from = from, .to = to };
		from = to;
	} while (own->pages[own->page_count - 1].from < snapshot->vm_count);
}

static void write_page(const struct own *own, struct page *page)
{
	const struct snapshot *snapshot = own->snapshot;
	CLEANUP(json_putp)
	struct json_object *host = json_encode(capacity_told_fields, &snapshot->host);
	struct strbuf text = STRBUF_INIT;
	size_t len;
	const char *head = json_text(host, &len);

	strbuf_add(&text, head, len - 1); /* without its "}" */
	strbuf_adds(&text, ",\"vms\":[");
	for (size_t i = page->from; i < page->to; i++)
		strbuf_addf(&text, "%s%s", i > page->from ? "," : "", snapshot->vms[i].text);
	if (page->to < snapshot->vm_count)
		strbuf_addf(&text, "],\"next\":\"%s\"}", snapshot->vms[page->to - 1].name);
	else
		strbuf_adds(&text, "],\"next\":null}");
	page->len = text.len;
	page->text = strbuf_take(&text);
}

const char *own_page(struct own *own, const char *after, size_t *ret_len)
{
	const struct snapshot *snapshot = own_look(own);
	struct page *page;

	if (!own->pages)
		divide(own);
	page = own->pages;
	while (after && page->to > page->from &&
	       strcmp(snapshot->vms[page->to - 1].name, after) <= 0)
		page++;
	if (!page->text)
		write_page(own, page);
	*ret_len = page->len;
	return page->text;
}
