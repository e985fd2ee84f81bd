/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hosts have told becomes the input of a plan. */
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "capacity/priv.h"

/* A link of which nobody knows anything is taken for one of 1 Gbit/s, as forecasts do. */
#define GUESS_GBPS 1.0
#define GBPS_MIN   1e-6

struct place {
	struct snapshot *told; /* NULL: nothing */
	char id[ID_NAME_SIZE];
	char trouble[CAPACITY_WHY_SIZE];
};

struct capacity_picture {
	struct plan_input input;
	struct plan_host *plan_hosts;
	struct plan_vm *plan_vms;
	struct capacity_host *hosts;
	struct capacity_vm *vms;
	struct place **places; /* of each host */
	size_t host_count, host_size, vm_count;
	char **texts; /* that were made for the picture */
	size_t text_count;
};

/* ---- hosts --------------------------------------------------------------------------------- */

static void add_host(struct capacity_picture *picture, struct snapshot *told, const char *id)
{
	struct place *place = xnew(struct place);
	size_t at = picture->host_count++;

	if (at == picture->host_size) {
		picture->host_size = picture->host_size ? picture->host_size * 2 : 8;
		picture->places =
			xrealloc(picture->places, picture->host_size * sizeof(*picture->places));
		picture->hosts =
			xrealloc(picture->hosts, picture->host_size * sizeof(*picture->hosts));
	}
	place->told = told ? snapshot_ref(told) : NULL;
	snprintf(place->id, sizeof(place->id), "%s", id);
	picture->places[at] = place;
	picture->hosts[at] = (struct capacity_host){
		.id = place->id,
		.told = told ? &place->told->host : NULL,
		.vm_first = picture->vm_count,
		.vm_count = told ? told->vm_count : 0,
	};
	picture->vm_count += picture->hosts[at].vm_count;
}

struct capacity_picture *picture_begin(struct snapshot *own)
{
	struct capacity_picture *picture = xnew(struct capacity_picture);

	add_host(picture, own, own->host.id);
	picture->hosts[0].is_own = true;
	return picture;
}

static const char *trouble_of(const struct asked_peer *peer, bool is_late)
{
	if (!peer->trouble[0] && is_late)
		return "it has not answered";
	return peer->trouble[0] || peer->answered_ms ? peer->trouble : "it was not asked yet";
}

void picture_add(struct capacity_picture *picture, const struct asked_peer *peer,
		 struct picture_age age)
{
	struct capacity_host *host;
	struct place *place;

	add_host(picture, peer->told, peer->id);
	host = &picture->hosts[picture->host_count - 1];
	place = picture->places[picture->host_count - 1];
	host->is_aged = age.is_aged;
	host->age_ms = age.ms;
	snprintf(place->trouble, sizeof(place->trouble), "%s", trouble_of(peer, age.is_late));
	host->trouble = place->trouble[0] ? place->trouble : NULL;
}

static enum plan_host_state state_of(const struct capacity_host *host)
{
	if (host->is_aged || !host->told)
		return PLAN_HOST_OFFLINE;
	return strcmp(host->told->state, "online") == 0 ? PLAN_HOST_ONLINE : PLAN_HOST_DRAINING;
}

static double gbps_of(uint64_t bytes_per_s)
{
	return bytes_per_s ? fmax((double)bytes_per_s * 8 / 1e9, GBPS_MIN) : GUESS_GBPS;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* By kinds of pages, if the host tells it.  Huge pages that the kernel may still make are made of
 * ordinary memory. */
static void add_pages(const struct capacity_memory *memory, struct plan_host *ret)
{
	uint64_t all = ret->mem_mib - ret->reserved_mib;

	ret->knows_pages = memory->has_huge;
	ret->pages_mib[PLAN_PAGES_ORDINARY] = less(all, memory->huge_total);
	for (size_t i = 0; i < memory->huge_count; i++) {
		const struct capacity_huge *huge = &memory->huge[i];
		enum plan_pages pages = plan_pages_of(huge->page_mib);
		uint64_t mib = less(huge->total, huge->reserved);

		if (pages != PLAN_PAGES_ORDINARY && pages != PLAN_PAGES_COUNT)
			ret->pages_mib[pages] = mib < ret->mem_mib ? mib : ret->mem_mib;
	}
}

static struct plan_host plan_host_of(const struct capacity_host *host, const struct place *place)
{
	const struct capacity_figures *figures = host->told ? &host->told->figures : NULL;
	struct plan_host ret = { .name = host->id,
				 .mem_mib = 1,
				 .cpus = 1,
				 .nic_gbps = GUESS_GBPS,
				 .state = state_of(host) };

	if (!figures)
		return ret;
	ret.mem_mib = figures->memory_mib.total;
	ret.reserved_mib = figures->memory_mib.reserved < ret.mem_mib ? figures->memory_mib.reserved
								      : ret.mem_mib;
	add_pages(&figures->memory_mib, &ret);
	ret.cpus = figures->cores;
	ret.nic_gbps = fmin(gbps_of(figures->link_bytes_per_s), PLAN_RATE_MAX);
	ret.rack = figures->rack[0] ? figures->rack : NULL;
	ret.nodes = place->told->nodes;
	ret.labels = place->told->labels;
	ret.hold = host->told->hold[0] ? host->told->hold : NULL;
	return ret;
}

/* ---- names --------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_node(void *node)
{
	(void)node;
}

static const char *keep(struct capacity_picture *picture, char *text)
{
	picture->texts =
		xrealloc(picture->texts, (picture->text_count + 1) * sizeof(*picture->texts));
	return picture->texts[picture->text_count++] = text;
}

/* A guest that moves is on two hosts, and hosts do not know each other's names. */
static const char *name_of(struct capacity_picture *picture, void **names, const char *name,
			   const char *host)
{
	const char *const *found = tsearch(name, names, compare_texts);

	if (!found)
		abort();
	if (*found == name)
		return name;
	return keep(picture, xasprintf("%s@%s", name, host));
}

/* ---- pins ---------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct known_hosts {
	const char **ids; /* sorted */
	size_t count;
};

static bool knows(const struct known_hosts *known, const char *id)
{
	return bsearch(&id, known->ids, known->count, sizeof(*known->ids), compare_ids) != NULL;
}

/* Those that this host knows of; a plan takes no others. */
static struct plan_names pins_of(struct capacity_picture *picture, const struct known_hosts *known,
				 const struct plan_names *pins)
{
	struct plan_names ret = { NULL, 0 };
	const char **list;

	if (!pins->count)
		return ret;
	list = xcalloc(pins->count, sizeof(*list));
	keep(picture, (char *)(void *)list);
	for (size_t i = 0; i < pins->count; i++)
		if (knows(known, pins->list[i]))
			list[ret.count++] = pins->list[i];
	ret.list = list;
	return ret;
}

/* ---- VMs ------------------------------------------------------------------------------------ */

static void add_vm(struct capacity_picture *picture, size_t at, size_t host,
		   const struct known_hosts *known, void **names)
{
	const struct snapshot *told = picture->places[host]->told;
	const struct snapshot_vm *vm = &told->vms[at - picture->hosts[host].vm_first];
	const struct plan_names pins = pins_of(picture, known, &vm->pins);
	const char *why = vm->why;

	enum plan_pages pages = plan_pages_of(vm->huge_page_mib);

	if (!why && vm->pins.count && !pins.count)
		why = "it is pinned to hosts that are not known here";
	if (!why && pages == PLAN_PAGES_COUNT)
		why = "its memory is in huge pages of a size that is not known here";
	picture->vms[at] = (struct capacity_vm){
		.name = vm->name,
		.uuid = vm->uuid,
		.state = vm->state,
		.host = host,
		.why = why,
		.on_evacuation = vm->on_evacuation,
	};
	picture->plan_vms[at] = (struct plan_vm){
		.name = name_of(picture, names, vm->name, picture->hosts[host].id),
		.host = picture->hosts[host].id,
		.mem_mib = vm->memory_mib,
		.pages = pages == PLAN_PAGES_COUNT ? PLAN_PAGES_ORDINARY : pages,
		.bounds = vm->bounds,
		.vcpus = vm->vcpus,
		.cpu_load = vm->load,
		.dirty_mibps = fmin((double)vm->dirty_bytes_per_s / (1 << 20), PLAN_RATE_MAX),
		.group = vm->group,
		.affinity = vm->affinity,
		.is_movable = !why,
		.hold = vm->hold,
		.requires = vm->requires,
		.forbids = vm->forbids,
		.prefers = vm->prefers,
		.pins = pins,
		.priority = vm->priority,
		.forecast_mib = fmin((double)vm->forecast_bytes / (1 << 20), PLAN_MEM_MAX_MIB),
	};
}

static void add_vms(struct capacity_picture *picture)
{
	struct known_hosts known = { xcalloc(picture->host_count, sizeof(*known.ids)),
				     picture->host_count };
	void *names = NULL;
	size_t at = 0;

	for (size_t i = 0; i < known.count; i++)
		known.ids[i] = picture->hosts[i].id;
	qsort(known.ids, known.count, sizeof(*known.ids), compare_ids);
	for (size_t host = 0; host < picture->host_count; host++)
		for (size_t i = 0; i < picture->hosts[host].vm_count; i++)
			add_vm(picture, at++, host, &known, &names);
	tdestroy(names, keep_node);
	free(known.ids);
}

/* ---- limits --------------------------------------------------------------------------------- */

static unsigned at_least_one(uint64_t value)
{
	return value < 1 ? 1 : value > PLAN_PER_HOST_MAX ? PLAN_PER_HOST_MAX : (unsigned)value;
}

/* The strictest of the hosts in service. */
static struct plan_limits limits_of(const struct capacity_picture *picture)
{
	uint64_t out = picture->hosts[0].told->figures.limits.out_max, in = PLAN_PER_HOST_MAX;
	uint64_t ratio = 0;

	for (size_t i = 0; i < picture->host_count; i++) {
		const struct capacity_limits *limits;

		if (state_of(&picture->hosts[i]) != PLAN_HOST_ONLINE)
			continue;
		limits = &picture->hosts[i].told->figures.limits;
		in = limits->in_max < in ? limits->in_max : in;
		if (limits->vcpus_per_core && (!ratio || limits->vcpus_per_core < ratio))
			ratio = limits->vcpus_per_core;
	}
	return (struct plan_limits){ .vcpu_ratio = ratio ? (double)ratio : PLAN_RATE_MAX,
				     .out_per_host = at_least_one(out),
				     .in_per_host = at_least_one(in) };
}

/* ---- all ------------------------------------------------------------------------------------ */

void capacity_work_out(struct capacity_picture *picture)
{
	picture->plan_hosts = xcalloc(picture->host_count, sizeof(*picture->plan_hosts));
	picture->plan_vms = xcalloc(picture->vm_count + 1, sizeof(*picture->plan_vms));
	picture->vms = xcalloc(picture->vm_count + 1, sizeof(*picture->vms));
	for (size_t i = 0; i < picture->host_count; i++)
		picture->plan_hosts[i] = plan_host_of(&picture->hosts[i], picture->places[i]);
	add_vms(picture);
	picture->input = (struct plan_input){
		.hosts = picture->plan_hosts,
		.host_count = picture->host_count,
		.vms = picture->plan_vms,
		.vm_count = picture->vm_count,
		.limits = limits_of(picture),
	};
}

void capacity_picture_free(struct capacity_picture *picture)
{
	if (!picture)
		return;
	for (size_t i = 0; i < picture->host_count; i++) {
		snapshot_unref(picture->places[i]->told);
		free(picture->places[i]);
	}
	for (size_t i = 0; i < picture->text_count; i++)
		free(picture->texts[i]);
	free(picture->texts);
	free(picture->places);
	free(picture->hosts);
	free(picture->vms);
	free(picture->plan_hosts);
	free(picture->plan_vms);
	free(picture);
}

size_t capacity_host_count(const struct capacity_picture *picture)
{
	return picture->host_count;
}

struct capacity_guest capacity_guest(const struct capacity_picture *picture, size_t host, size_t at)
{
	const struct snapshot_vm *vm = &picture->places[host]->told->vms[at];

	return (struct capacity_guest){ vm->name, vm->uuid, vm->state, vm->text };
}

const struct plan_input *capacity_input(const struct capacity_picture *picture)
{
	return &picture->input;
}

const struct capacity_host *capacity_hosts(const struct capacity_picture *picture)
{
	return picture->hosts;
}

const struct capacity_vm *capacity_vms(const struct capacity_picture *picture)
{
	return picture->vms;
}
