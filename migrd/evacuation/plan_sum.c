/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan depends on, as a number that is told with it. */
#include <inttypes.h>
#include <stdio.h>

#include "evacuation/priv.h"

/* FNV-1a of 64 bits: it tells what has changed from what has not, and keeps nobody out. */
struct sum {
	uint64_t value;
};

static void sum_text(struct sum *sum, const char *text)
{
	for (const char *at = text ? text : "-"; *at; at++)
		sum->value = (sum->value ^ (unsigned char)*at) * UINT64_C(1099511628211);
	sum->value = (sum->value ^ 0x1f) * UINT64_C(1099511628211);
}

static void sum_uint(struct sum *sum, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	sum_text(sum, text);
}

static void sum_labels(struct sum *sum, const struct plan_labels *labels)
{
	sum_uint(sum, labels->count);
	for (size_t i = 0; i < labels->count; i++) {
		sum_text(sum, labels->list[i].key);
		sum_text(sum, labels->list[i].value);
	}
}

/* This host's own state follows from the evacuation.  What others than guests have of memory and
 * huge pages changes all the time, and is no reason to plan anew. */
static void sum_host(struct sum *sum, const struct plan_host *host, bool is_own)
{
	sum_text(sum, host->name);
	sum_uint(sum, host->mem_mib);
	sum_uint(sum, host->cpus);
	sum_text(sum, host->rack);
	sum_uint(sum, is_own ? 0 : host->state);
	sum_labels(sum, &host->labels);
	sum_text(sum, host->hold ? "held" : NULL);
}

static void sum_vm(struct sum *sum, const struct plan_vm *vm, const struct capacity_vm *told)
{
	sum_text(sum, told->uuid);
	sum_text(sum, vm->host);
	sum_uint(sum, vm->mem_mib);
	sum_uint(sum, vm->pages);
	sum_uint(sum, vm->vcpus);
	sum_text(sum, vm->group);
	sum_text(sum, vm->affinity);
	sum_uint(sum, vm->is_movable);
	sum_text(sum, vm->hold ? "held" : NULL);
	sum_labels(sum, &vm->requires);
	sum_labels(sum, &vm->forbids);
	sum_labels(sum, &vm->prefers);
	for (size_t i = 0; i < vm->pins.count; i++)
		sum_text(sum, vm->pins.list[i]);
	sum_uint(sum, vm->priority);
	sum_uint(sum, told->on_evacuation);
}

/* Stopped VMs take nothing of the hosts, and are moved too. */
static void sum_stopped(struct sum *sum, const struct evac_seen *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->list[i].is_stopped)
			sum_text(sum, seen->list[i].uuid);
}

void evac_plan_sum(const struct evac_making *making)
{
	const struct plan_input *input = &making->input;
	struct sum sum = { UINT64_C(14695981039346656037) };

	for (size_t i = 0; i < input->host_count; i++)
		sum_host(&sum, &input->hosts[i], i == EVAC_OWN);
	for (size_t i = 0; i < input->vm_count; i++)
		sum_vm(&sum, &input->vms[i], &making->vms[i]);
	sum_stopped(&sum, making->seen);
	snprintf(making->ret->state_id, sizeof(making->ret->state_id), "%016" PRIx64, sum.value);
}
