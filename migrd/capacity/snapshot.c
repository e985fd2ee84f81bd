/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capacity/snapshot.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/number_list.h"

_Static_assert(CAPACITY_MEM_MAX_MIB == PLAN_MEM_MAX_MIB && CAPACITY_CPUS_MAX == PLAN_CPUS_MAX &&
		       LABELS_MAX <= PLAN_LABELS_MAX && PLACEMENT_LABELS_MAX <= PLAN_LABELS_MAX &&
		       PLACEMENT_PINS_MAX <= PLAN_PINS_MAX &&
		       PLACEMENT_PRIORITY_MAX == PLAN_PRIORITY_MAX,
	       "what is told can be planned with");

/* ---- memory of a snapshot ------------------------------------------------------ */

static void *take(struct snapshot *snapshot, size_t size)
{
	if (snapshot->block_count == snapshot->block_size) {
		snapshot->block_size = snapshot->block_size ? snapshot->block_size * 2 : 64;
		snapshot->blocks = xrealloc(snapshot->blocks,
					    snapshot->block_size * sizeof(*snapshot->blocks));
	}
	snapshot->bytes += size;
	return snapshot->blocks[snapshot->block_count++] = xcalloc(1, size);
}

static const char *take_text(struct snapshot *snapshot, const char *text)
{
	size_t size = strlen(text) + 1;

	return *text ? memcpy(take(snapshot, size), text, size) : NULL;
}

/* TEXT is that of a JSON object of strings, or "". */
static struct plan_labels take_labels(struct snapshot *snapshot, const char *text)
{
	CLEANUP(json_putp) struct json_object *obj = *text ? json_read_back(text) : NULL;
	struct plan_labels labels = { NULL, 0 };
	struct plan_label *list;

	if (!obj || !json_object_object_length(obj))
		return labels;
	list = take(snapshot, (size_t)json_object_object_length(obj) * sizeof(*list));
	json_object_object_foreach(obj, key, value)
	{
		const char *of = json_object_get_string(value), *kept = take_text(snapshot, of);

		list[labels.count++] =
			(struct plan_label){ take_text(snapshot, key), kept ? kept : "" };
	}
	labels.list = list;
	return labels;
}

static struct plan_names take_pins(struct snapshot *snapshot, const struct placement *placement)
{
	const char **list;

	if (!placement->pin_count)
		return (struct plan_names){ NULL, 0 };
	list = take(snapshot, placement->pin_count * sizeof(*list));
	for (size_t i = 0; i < placement->pin_count; i++)
		list[i] = take_text(snapshot, placement->pins[i]);
	return (struct plan_names){ list, placement->pin_count };
}

/* One with a node that plans do not know is of none: the destination decides. */
static struct plan_bounds take_bounds(struct snapshot *snapshot,
				      const struct capacity_vm_told *told)
{
	struct plan_bound *list;

	if (!told->huge_bound_count)
		return (struct plan_bounds){ NULL, 0 };
	list = take(snapshot, told->huge_bound_count * sizeof(*list));
	for (size_t i = 0; i < told->huge_bound_count; i++) {
		struct number_list nodes = { 0 };

		number_list_parse(told->huge_bound[i].nodes, &nodes);
		if (number_list_count(&nodes) == (size_t)__builtin_popcountll(nodes.words[0]))
			list[i] = (struct plan_bound){ nodes.words[0], told->huge_bound[i].mib };
	}
	return (struct plan_bounds){ list, told->huge_bound_count };
}

static struct plan_nodes take_nodes(struct snapshot *snapshot, const struct capacity_memory *memory)
{
	struct plan_nodes nodes = { NULL, 0 };
	struct plan_node *list;

	if (!memory->huge_node_count)
		return nodes;
	list = take(snapshot, memory->huge_node_count * sizeof(*list));
	for (size_t i = 0; i < memory->huge_node_count; i++) {
		const struct capacity_huge_node *node = &memory->huge_nodes[i];
		enum plan_pages pages = plan_pages_of(node->page_mib);

		if (node->node >= PLAN_NODES_MAX || pages == PLAN_PAGES_COUNT)
			continue;
		list[nodes.count++] = (struct plan_node){ (unsigned)node->node, pages, node->free };
	}
	nodes.list = list;
	return nodes;
}

/* ---- life ---------------------------------------------------------------------- */

struct snapshot *snapshot_new(void)
{
	struct snapshot *snapshot = xnew(struct snapshot);

	snapshot->refs = 1;
	snapshot->bytes = sizeof(*snapshot);
	return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	snapshot->refs++;
	return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
	if (!snapshot || --snapshot->refs)
		return;
	for (size_t i = 0; i < snapshot->block_count; i++)
		free(snapshot->blocks[i]);
	free(snapshot->blocks);
	free(snapshot->vms);
	free(snapshot);
}

void snapshot_set_host(struct snapshot *snapshot, const struct capacity_told *host)
{
	snapshot->host = *host;
	snapshot->labels = take_labels(snapshot, host->figures.labels);
	snapshot->nodes = take_nodes(snapshot, &host->figures.memory_mib);
}

static struct snapshot_vm *next_vm(struct snapshot *snapshot)
{
	assert(snapshot->vm_count < CAPACITY_VMS_MAX);
	if (snapshot->vm_count == snapshot->vm_size) {
		snapshot->bytes -= snapshot->vm_size * sizeof(*snapshot->vms);
		snapshot->vm_size = snapshot->vm_size ? snapshot->vm_size * 2 : 16;
		snapshot->bytes += snapshot->vm_size * sizeof(*snapshot->vms);
		snapshot->vms = xrealloc(snapshot->vms, snapshot->vm_size * sizeof(*snapshot->vms));
	}
	return &snapshot->vms[snapshot->vm_count++];
}

void snapshot_add(struct snapshot *snapshot, const struct capacity_vm_told *told)
{
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(capacity_vm_told_fields, told);
	const struct placement *placement = &told->placement;
	struct snapshot_vm *vm = next_vm(snapshot);

	*vm = (struct snapshot_vm){
		.why = told->movable ? NULL
				     : take_text(snapshot, told->why[0] ? told->why
									: "its host does not say "
									  "why"),
		.hold = take_text(snapshot, told->hold),
		.group = take_text(snapshot, placement->group),
		.affinity = take_text(snapshot, placement->affinity),
		.memory_mib = told->memory_mib,
		.huge_page_mib = told->huge_page_mib,
		.vcpus = told->vcpus,
		.dirty_bytes_per_s = told->has_dirty ? told->dirty_bytes_per_s : 0,
		.forecast_bytes = told->forecast_bytes,
		.load = told->load,
		.requires = take_labels(snapshot, placement->requires),
		.forbids = take_labels(snapshot, placement->forbids),
		.prefers = take_labels(snapshot, placement->prefers),
		.pins = take_pins(snapshot, placement),
		.bounds = take_bounds(snapshot, told),
		.priority = (unsigned)placement->priority,
		.on_evacuation = (enum placement_evacuation)placement->on_evacuation,
		.text = take_text(snapshot, json_text(obj, NULL)),
	};
	memcpy(vm->name, told->name, sizeof(vm->name));
	memcpy(vm->uuid, told->uuid, sizeof(vm->uuid));
	memcpy(vm->state, told->state, sizeof(vm->state));
}
