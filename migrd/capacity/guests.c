/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capacity/guests.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "base/proc.h"
#include "capacity/host.h"
#include "move/foresee_guest.h"
#include "vm/dirty.h"
#include "vm/vm.h"

#define FORECAST_AGED_MS 60000
/* So many guests in a turn of the loop, since each walks over the moves that are kept. */
#define FORECAST_AT_ONCE 16

struct guest {
	TAILQ_ENTRY(guest) link; /* in the order of names */
	char name[ID_NAME_SIZE];
	char *definition; /* what the next five were read from */
	uint64_t memory_mib, huge_page_mib, vcpus;
	struct capacity_bound *bound; /* of its huge pages; CAPACITY_BOUND_MAX; NULL: none */
	struct placement *placement; /* NULL: anywhere */
	struct proc_id proc;         /* of `load' and `use' */
	struct host_load load;
	struct proc_use use;
	uint64_t foreseen_ms, foreseen_bytes; /* foreseen_ms 0: not yet */
};

struct guests {
	struct vms *vms;
	struct moves *moves;
	TAILQ_HEAD(guest_list, guest) list;
};

struct guests *guests_new(struct vms *vms, struct moves *moves)
{
	struct guests *guests = xnew(struct guests);

	guests->vms = vms;
	guests->moves = moves;
	TAILQ_INIT(&guests->list);
	return guests;
}

static void drop(struct guests *guests, struct guest *guest)
{
	TAILQ_REMOVE(&guests->list, guest, link);
	free(guest->definition);
	free(guest->bound);
	free(guest->placement);
	free(guest);
}

void guests_free(struct guests *guests)
{
	struct guest *guest;

	if (!guests)
		return;
	while ((guest = TAILQ_FIRST(&guests->list)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		drop(guests, guest);
	free(guests);
}

/* ---- what the definition says ------------------------------------------------------ */

static struct json_object *list_of(struct json_object *def, const char *key)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(def, key, &list);
	return list;
}

static uint64_t positive(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

static uint64_t sum_of(struct json_object *list, const char *member)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < json_count(list); i++)
		sum += positive(json_get_int(json_object_array_get_idx(list, i), member, 0));
	return sum;
}

static void read_placement(struct guest *guest, struct json_object *obj)
{
	struct placement *placement = xnew(struct placement);
	struct err ignored;

	free(TAKE_PTR(guest->placement));
	if (obj &&
	    json_decode_object(obj, placement_fields, placement, JSON_IGNORE_UNKNOWN, &ignored) &&
	    !placement_is_empty(placement))
		guest->placement = placement;
	else
		free(placement);
}

static void add_bound(struct guest *guest, size_t *count, struct json_object *obj, uint64_t mib)
{
	const char *nodes = json_get_str(obj, "host_nodes");

	if (!nodes || !*nodes || *count == CAPACITY_BOUND_MAX)
		return;
	if (!guest->bound)
		guest->bound = xcalloc(CAPACITY_BOUND_MAX, sizeof(*guest->bound));
	snprintf(guest->bound[*count].nodes, sizeof(guest->bound[*count].nodes), "%s", nodes);
	guest->bound[(*count)++].mib = mib;
}

/* As preflight/needs.c has it. */
static void read_pages(struct guest *guest, struct json_object *def)
{
	struct json_object *backend = json_get_obj(def, "memory_backend");
	struct json_object *nodes = list_of(def, "numa_nodes");
	size_t count = 0;

	free(TAKE_PTR(guest->bound));
	guest->huge_page_mib = positive(json_get_int(backend, "huge_page_mib", 0));
	if (!guest->huge_page_mib)
		return;
	add_bound(guest, &count, backend, guest->memory_mib);
	for (size_t i = 0; i < json_count(nodes); i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		add_bound(guest, &count, node, positive(json_get_int(node, "memory_mib", 0)));
	}
}

/* The text, because vm_def_of() would keep a struct for each VM. */
static void read_definition(struct guest *guest, const char *definition)
{
	CLEANUP(json_putp) struct json_object *def = NULL;

	if (guest->definition && strcmp(guest->definition, definition) == 0)
		return;
	free(guest->definition);
	guest->definition = xstrdup(definition);
	def = json_read_back(definition);
	guest->memory_mib = positive(json_get_int(def, "memory_mib", 0)) +
			    sum_of(list_of(def, "memory_devices"), "size_mib");
	read_pages(guest, def);
	guest->vcpus =
		positive(json_get_int(def, "vcpus", 1)) + json_count(list_of(def, "vcpu_devices"));
	read_placement(guest, json_get_obj(def, "placement"));
	guest->foreseen_ms = 0;
}

/* ---- what its QEMU uses ---------------------------------------------------------------- */

static bool is_same(struct proc_id a, struct proc_id b)
{
	return a.pid == b.pid && a.start_time == b.start_time;
}

static void look_at_use(struct guest *guest, const struct vm *vm, uint64_t now_ms)
{
	struct qemu *qemu = vm_qemu(vm);
	struct proc_id proc = qemu_is_alive(qemu) ? qemu_proc_id(qemu) : (struct proc_id){ 0 };
	struct err ignored;

	if (!is_same(proc, guest->proc)) {
		guest->load = (struct host_load){ 0 };
		guest->use = (struct proc_use){ 0 };
	}
	guest->proc = proc;
	if (proc.pid && proc_use(proc, &guest->use, &ignored))
		host_load_look(&guest->load, guest->use.cpu_ms, now_ms, guest->use.lived_ms);
}

/* ---- one guest --------------------------------------------------------------------------- */

static bool has_qemu(const struct vm *vm)
{
	return qemu_is_alive(vm_qemu(vm));
}

static bool is_guest(const struct vm *vm)
{
	return vm_role(vm) == VM_ROLE_INCOMING || has_qemu(vm);
}

static void say_why(const struct vm *vm, struct capacity_vm_told *told)
{
	const struct vm_job *job = vm_job(vm);

	if (vm_role(vm) == VM_ROLE_INCOMING)
		snprintf(told->why, sizeof(told->why), "a move is bringing it");
	else if (vm_role(vm) == VM_ROLE_FORMER)
		snprintf(told->why, sizeof(told->why), "another host has it");
	else if (job)
		snprintf(told->why, sizeof(told->why), "the job %s of kind %s has it", job->id,
			 job->kind);
	else if (!vm_is_active(vm))
		snprintf(told->why, sizeof(told->why), "it is %s: its QEMU does not answer",
			 vm_state(vm));
	told->movable = !told->why[0];
}

/* The set that it changes in a second, as it was seen in the longer time. */
static void add_dirty(const struct vm *vm, struct capacity_vm_told *told)
{
	struct vm_dirty dirty;

	if (!vm_dirty_last(vm, &dirty) || !(dirty.long_s > 0))
		return;
	told->has_dirty = true;
	told->dirty_bytes_per_s = (uint64_t)(dirty.long_bytes / dirty.long_s);
}

static void fill(const struct guest *guest, const struct vm *vm, struct capacity_vm_told *told)
{
	memset(told, 0, sizeof(*told));
	snprintf(told->name, sizeof(told->name), "%s", vm_name(vm));
	snprintf(told->uuid, sizeof(told->uuid), "%s", vm_uuid(vm));
	snprintf(told->state, sizeof(told->state), "%s", vm_state(vm));
	told->memory_mib = guest->memory_mib;
	told->huge_page_mib = guest->huge_page_mib;
	while (guest->bound && told->huge_bound_count < CAPACITY_BOUND_MAX &&
	       guest->bound[told->huge_bound_count].nodes[0]) {
		told->huge_bound[told->huge_bound_count] = guest->bound[told->huge_bound_count];
		told->huge_bound_count++;
	}
	told->vcpus = guest->vcpus;
	told->load = guest->load.cores;
	told->forecast_bytes =
		guest->foreseen_ms ? guest->foreseen_bytes : guest->use.resident_mib << 20;
	if (guest->placement)
		told->placement = *guest->placement;
	add_dirty(vm, told);
	say_why(vm, told);
}

static void foresee(struct guests *guests, struct guest *guest, struct vm *vm,
		    const struct forecast_input *history, uint64_t now_ms)
{
	const struct move_options options = { 0 };
	const struct foresee_question question = {
		.vm = vm, .policy = "", .options = &options, .history = history
	};
	struct foreseen foreseen;

	foresee_guest(guests->moves, &question, &foreseen);
	guest->foreseen_ms = now_ms;
	guest->foreseen_bytes = foreseen.bytes.expected;
}

static bool wants_forecast(const struct guest *guest, const struct vm *vm, uint64_t now_ms)
{
	return vm_role(vm) == VM_ROLE_OWNED &&
	       (!guest->foreseen_ms || now_ms > guest->foreseen_ms + FORECAST_AGED_MS);
}

/* ---- all ---------------------------------------------------------------------------------- */

/* The VMs come in the order of names, and so are the guests: those before VM's are gone. */
static struct guest *find(struct guests *guests, struct guest *at, const char *name)
{
	struct guest *next, *guest;

	for (; at && strcmp(at->name, name) < 0; at = next) {
		next = TAILQ_NEXT(at, link);
		drop(guests, at);
	}
	if (at && strcmp(at->name, name) == 0)
		return at;
	guest = xnew(struct guest);
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	if (at)
		TAILQ_INSERT_BEFORE(at, guest, link);
	else
		TAILQ_INSERT_TAIL(&guests->list, guest, link);
	return guest;
}

static void add_sum(struct guests_sum *sum, const struct guest *guest, const struct vm *vm)
{
	bool is_here = vm_role(vm) != VM_ROLE_INCOMING;
	enum plan_pages pages = plan_pages_of(guest->huge_page_mib);

	if (pages != PLAN_PAGES_COUNT)
		sum->pages_mib[pages] += guest->memory_mib;
	sum->guests++;
	sum->here_mib += is_here ? guest->memory_mib : 0;
	sum->incoming_mib += is_here ? 0 : guest->memory_mib;
	sum->resident_mib += guest->use.resident_mib;
	sum->vcpus += guest->vcpus;
}

struct guests_sum guests_look(struct guests *guests, const struct forecast_input *history,
			      uint64_t now_ms, guests_told_fn *fn, void *data)
{
	struct guest *guest = TAILQ_FIRST(&guests->list), *next;
	struct capacity_vm_told *told = xnew(struct capacity_vm_told);
	struct guests_sum sum = { 0 };
	unsigned foreseen = 0;

	for (struct vm *vm = vm_next(guests->vms, NULL); vm;
	     vm = vm_next(guests->vms, vm_name(vm))) {
		if (!is_guest(vm)) {
			sum.stopped += vm_role(vm) == VM_ROLE_OWNED;
			continue;
		}
		guest = find(guests, guest, vm_name(vm));
		read_definition(guest, vm_definition(vm));
		look_at_use(guest, vm, now_ms);
		if (history && foreseen < FORECAST_AT_ONCE && wants_forecast(guest, vm, now_ms)) {
			foresee(guests, guest, vm, history, now_ms);
			foreseen++;
		}
		add_sum(&sum, guest, vm);
		fill(guest, vm, told);
		fn(data, told);
		guest = TAILQ_NEXT(guest, link);
	}
	for (; guest; guest = next) {
		next = TAILQ_NEXT(guest, link);
		drop(guests, guest);
	}
	free(told);
	return sum;
}
