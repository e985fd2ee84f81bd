/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is checked, and names become numbers. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

/* What is being read, for messages. */
struct reading {
	struct plan_cluster *cluster;
	const char *list; /* "hosts", "vms" */
	size_t index;
	const char *name;
	struct err *err;
	uint32_t id_count;
};

#define REFUSE(reading, format, ...)                                                         \
	err_set((reading)->err, ERR_INVALID, "/%s/%zu ('%.100s'): " format, (reading)->list, \
		(reading)->index, (reading)->name, ##__VA_ARGS__)

static bool check_length(const struct reading *reading, const char *what, const char *name,
			 size_t max)
{
	if (*name && strlen(name) <= max)
		return true;
	return REFUSE(reading, "%s has %zu bytes: 1 to %zu are allowed", what, strlen(name), max);
}

static bool check_name(const struct reading *reading, const char *what, const char *name)
{
	return check_length(reading, what, name, PLAN_NAME_MAX);
}

static bool check_count(const struct reading *reading, const char *what, uint64_t value,
			uint64_t min, uint64_t max)
{
	if (value >= min && value <= max)
		return true;
	return REFUSE(reading, "%s is %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are allowed", what,
		      value, min, max);
}

static bool check_number(const struct reading *reading, const char *what, double value, double min,
			 double max)
{
	if (value >= min && value <= max)
		return true; /* no NaN */
	return REFUSE(reading, "%s is %g: %g to %g is allowed", what, value, min, max);
}

/* ---- lists of numbers ------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static struct plan_ids take_ids(struct reading *reading, uint32_t count)
{
	uint32_t *list = reading->cluster->ids + reading->id_count;

	qsort(list, count, sizeof(*list), compare_ids);
	reading->id_count += count;
	return (struct plan_ids){ list, count };
}

static bool add_labels(struct reading *reading, const struct plan_labels *labels,
		       struct plan_ids *ret_ids)
{
	uint32_t *out = reading->cluster->ids + reading->id_count;

	for (size_t i = 0; i < labels->count; i++) {
		const struct plan_label *label = &labels->list[i];

		if (!check_length(reading, "the key of a label", label->key, PLAN_KEY_MAX))
			return false;
		if (strlen(label->value) > PLAN_NAME_MAX)
			return REFUSE(reading, "the value of a label has %zu bytes: %d are allowed",
				      strlen(label->value), PLAN_NAME_MAX);
		out[i] = intern_add(&reading->cluster->label_names, label->key, label->value);
	}
	*ret_ids = take_ids(reading, (uint32_t)labels->count);
	return true;
}

static bool add_pins(struct reading *reading, const struct plan_names *pins,
		     struct plan_ids *ret_ids)
{
	uint32_t *out = reading->cluster->ids + reading->id_count;

	for (size_t i = 0; i < pins->count; i++) {
		out[i] = plan_find_host(reading->cluster, pins->list[i]);
		if (out[i] == PLAN_NOWHERE)
			return REFUSE(reading, "pinned to the host '%.100s', which does not exist",
				      pins->list[i]);
	}
	*ret_ids = take_ids(reading, (uint32_t)pins->count);
	return true;
}

bool plan_ids_have(const struct plan_ids *ids, uint32_t id)
{
	return bsearch(&id, ids->list, ids->count, sizeof(id), compare_ids) != NULL;
}

/* ---- hosts and VMs --------------------------------------------------------- */

static bool add_optional(const struct reading *reading, const char *what, struct intern *names,
			 const char *name, uint32_t *ret_id)
{
	if (name && !check_name(reading, what, name))
		return false;
	*ret_id = name ? intern_add(names, name, NULL) : PLAN_NOWHERE;
	return true;
}

static bool check_pages(const struct reading *reading, const struct plan_host *host)
{
	for (unsigned pages = 0; pages < PLAN_PAGES_COUNT; pages++)
		if (!check_count(reading, "the memory in pages of one size", host->pages_mib[pages],
				 0, host->mem_mib))
			return false;
	for (size_t i = 0; i < host->nodes.count; i++)
		if (!check_count(reading, "the NUMA node", host->nodes.list[i].node, 0,
				 PLAN_NODES_MAX - 1) ||
		    !check_count(reading, "the free huge pages", host->nodes.list[i].free_mib, 0,
				 PLAN_MEM_MAX_MIB))
			return false;
	return true;
}

static bool check_bounds(const struct reading *reading, const struct plan_vm *vm)
{
	for (size_t i = 0; i < vm->bounds.count; i++)
		if (!check_count(reading, "the memory on NUMA nodes", vm->bounds.list[i].mib, 0,
				 PLAN_MEM_MAX_MIB))
			return false;
	return true;
}

static bool add_host(struct reading *reading, const struct plan_host *host)
{
	struct plan_cluster *cluster = reading->cluster;
	struct plan_host_ids *ids = &cluster->host_ids[reading->index];

	if (!check_name(reading, "the name", host->name) ||
	    !check_count(reading, "the memory", host->mem_mib, 1, PLAN_MEM_MAX_MIB) ||
	    !check_count(reading, "the reserved memory", host->reserved_mib, 0, host->mem_mib) ||
	    !check_pages(reading, host) ||
	    !check_count(reading, "the number of CPUs", host->cpus, 1, PLAN_CPUS_MAX) ||
	    !check_number(reading, "the link in Gbit/s", host->nic_gbps, 1e-6, PLAN_RATE_MAX) ||
	    !add_optional(reading, "the rack", &cluster->rack_names, host->rack, &ids->rack) ||
	    !add_labels(reading, &host->labels, &ids->labels))
		return false;
	if (intern_add(&cluster->host_names, host->name, NULL) != reading->index)
		return REFUSE(reading, "a host before it has the same name");
	return true;
}

static bool add_vm(struct reading *reading, const struct plan_vm *vm)
{
	struct plan_cluster *cluster = reading->cluster;
	struct plan_vm_ids *ids = &cluster->vm_ids[reading->index];

	if (!check_name(reading, "the name", vm->name) ||
	    !check_count(reading, "the memory", vm->mem_mib, 0, PLAN_MEM_MAX_MIB) ||
	    !check_count(reading, "the kind of pages", vm->pages, 0, PLAN_PAGES_COUNT - 1) ||
	    !check_bounds(reading, vm) ||
	    !check_count(reading, "the number of vCPUs", vm->vcpus, 0, PLAN_CPUS_MAX) ||
	    !check_number(reading, "the load", vm->cpu_load, 0, PLAN_CPUS_MAX) ||
	    !check_number(reading, "the dirty rate", vm->dirty_mibps, 0, PLAN_RATE_MAX) ||
	    !check_number(reading, "the forecast", vm->forecast_mib, 0, PLAN_MEM_MAX_MIB) ||
	    !check_count(reading, "the priority", vm->priority, 0, PLAN_PRIORITY_MAX) ||
	    !add_optional(reading, "the group", &cluster->group_names, vm->group, &ids->group) ||
	    !add_optional(reading, "the affinity", &cluster->affinity_names, vm->affinity,
			  &ids->affinity) ||
	    !add_labels(reading, &vm->requires, &ids->requires) ||
	    !add_labels(reading, &vm->forbids, &ids->forbids) ||
	    !add_labels(reading, &vm->prefers, &ids->prefers) ||
	    !add_pins(reading, &vm->pins, &ids->pins))
		return false;
	ids->host = plan_find_host(cluster, vm->host);
	if (ids->host == PLAN_NOWHERE)
		return REFUSE(reading, "on the host '%.100s', which does not exist", vm->host);
	ids->has_wishes = ids->group != PLAN_NOWHERE || ids->affinity != PLAN_NOWHERE ||
			  ids->prefers.count > 0;
	if (intern_add(&cluster->vm_names, vm->name, NULL) != reading->index)
		return REFUSE(reading, "a VM before it has the same name");
	return true;
}

/* ---- all ------------------------------------------------------------------- */

static bool check_limits(const struct plan_limits *limits, struct err *err)
{
	if (!(limits->vcpu_ratio > 0 && limits->vcpu_ratio <= PLAN_RATE_MAX))
		return err_set(err, ERR_INVALID,
			       "/limits/vcpu_ratio is %g: more than 0 is wanted, at most %g",
			       limits->vcpu_ratio, PLAN_RATE_MAX);
	if (limits->out_per_host < 1 || limits->out_per_host > PLAN_PER_HOST_MAX ||
	    limits->in_per_host < 1 || limits->in_per_host > PLAN_PER_HOST_MAX)
		return err_set(err, ERR_INVALID,
			       "/limits: moves of a host at a time are %u out and %u in: 1 to %d "
			       "are allowed",
			       limits->out_per_host, limits->in_per_host, PLAN_PER_HOST_MAX);
	return true;
}

static bool check_counts(const struct plan_input *input, struct err *err)
{
	if (input->host_count < 1 || input->host_count > PLAN_HOSTS_MAX)
		return err_set(err, ERR_INVALID, "/hosts has %zu: 1 to %d are allowed",
			       input->host_count, PLAN_HOSTS_MAX);
	if (input->vm_count > PLAN_VMS_MAX)
		return err_set(err, ERR_INVALID, "/vms has %zu: at most %d are allowed",
			       input->vm_count, PLAN_VMS_MAX);
	return true;
}

/* How many numbers all lists have; false: one is too long. */
static bool count_ids(const struct plan_input *input, size_t *ret_count, struct err *err)
{
	size_t count = 0;

	for (size_t i = 0; i < input->host_count; i++) {
		if (input->hosts[i].labels.count > PLAN_LABELS_MAX)
			return err_set(err, ERR_INVALID, "/hosts/%zu has %zu labels: at most %d", i,
				       input->hosts[i].labels.count, PLAN_LABELS_MAX);
		count += input->hosts[i].labels.count;
	}
	for (size_t i = 0; i < input->vm_count; i++) {
		const struct plan_vm *vm = &input->vms[i];

		if (vm->requires.count > PLAN_LABELS_MAX || vm->forbids.count > PLAN_LABELS_MAX ||
		    vm->prefers.count > PLAN_LABELS_MAX)
			return err_set(err, ERR_INVALID,
				       "/vms/%zu has a list of more than %d labels", i,
				       PLAN_LABELS_MAX);
		if (vm->pins.count > PLAN_PINS_MAX)
			return err_set(err, ERR_INVALID,
				       "/vms/%zu is pinned to %zu hosts: at most %d", i,
				       vm->pins.count, PLAN_PINS_MAX);
		count +=
			vm->requires.count + vm->forbids.count + vm->prefers.count + vm->pins.count;
	}
	*ret_count = count;
	return true;
}

static bool add_all(struct reading *reading)
{
	struct plan_cluster *cluster = reading->cluster;

	reading->list = "hosts";
	for (reading->index = 0; reading->index < cluster->host_count; reading->index++) {
		reading->name = cluster->hosts[reading->index].name;
		if (!add_host(reading, &cluster->hosts[reading->index]))
			return false;
	}
	reading->list = "vms";
	for (reading->index = 0; reading->index < cluster->vm_count; reading->index++) {
		reading->name = cluster->vms[reading->index].name;
		if (!add_vm(reading, &cluster->vms[reading->index]))
			return false;
	}
	return true;
}

struct plan_cluster *plan_cluster_new(const struct plan_input *input, struct err *err)
{
	struct reading reading = { .err = err };
	struct plan_cluster *cluster;
	size_t id_count;

	if (!check_counts(input, err) || !check_limits(&input->limits, err) ||
	    !count_ids(input, &id_count, err))
		return NULL;
	cluster = xnew(struct plan_cluster);
	*cluster = (struct plan_cluster){
		.hosts = input->hosts,
		.vms = input->vms,
		.host_count = (uint32_t)input->host_count,
		.vm_count = (uint32_t)input->vm_count,
		.limits = input->limits,
		.host_ids = xcalloc(input->host_count, sizeof(*cluster->host_ids)),
		.vm_ids = xcalloc(input->vm_count + 1, sizeof(*cluster->vm_ids)),
		.ids = xcalloc(id_count + 1, sizeof(*cluster->ids)),
	};
	reading.cluster = cluster;
	if (add_all(&reading))
		return cluster;
	plan_cluster_free(cluster);
	return NULL;
}

void plan_cluster_free(struct plan_cluster *cluster)
{
	if (!cluster)
		return;
	intern_fini(&cluster->host_names);
	intern_fini(&cluster->vm_names);
	intern_fini(&cluster->label_names);
	intern_fini(&cluster->rack_names);
	intern_fini(&cluster->group_names);
	intern_fini(&cluster->affinity_names);
	free(cluster->host_ids);
	free(cluster->vm_ids);
	free(cluster->ids);
	free(cluster);
}

uint32_t plan_find_host(const struct plan_cluster *cluster, const char *name)
{
	return intern_find(&cluster->host_names, name, NULL);
}

uint32_t plan_find_vm(const struct plan_cluster *cluster, const char *name)
{
	return intern_find(&cluster->vm_names, name, NULL);
}

/* ---- what follows from the input ------------------------------------------- */

enum plan_pages plan_pages_of(uint64_t page_mib)
{
	static const uint64_t sizes[PLAN_PAGES_COUNT] = { 0, 2, 1024 };
	unsigned pages = 0;

	while (pages < PLAN_PAGES_COUNT && sizes[pages] != page_mib)
		pages++;
	return (enum plan_pages)pages;
}

unsigned plan_pages_over(const struct plan_host *host, const struct plan_use *use)
{
	unsigned count = 0;

	if (!host->knows_pages)
		return use->mem_mib > plan_capacity_mib(host);
	for (unsigned pages = 0; pages < PLAN_PAGES_COUNT; pages++)
		count += use->pages_mib[pages] > host->pages_mib[pages];
	return count;
}

double plan_send_mib(const struct plan_vm *vm)
{
	return vm->forecast_mib > 0 ? vm->forecast_mib : (double)vm->mem_mib;
}

const char *plan_why_fixed(const struct plan_cluster *cluster, uint32_t vm)
{
	const struct plan_host *host = &cluster->hosts[cluster->vm_ids[vm].host];

	if (host->state == PLAN_HOST_OFFLINE)
		return "its host is offline: nothing can be moved from there while it runs";
	if (host->hold)
		return host->hold;
	if (!cluster->vms[vm].is_movable)
		return "it is marked as not movable";
	return cluster->vms[vm].hold;
}
