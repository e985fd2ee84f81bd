/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of the host and of what it has. */
#include "base/mem.h"
#include "metrics/priv.h"

static const struct capacity_figures *figures_of(const struct metrics *metrics)
{
	return &capacity_own(metrics->env.capacity)->figures;
}

void metrics_read_host_info(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, 1, LABELS(metrics->env.host_id));
}

static void add_mib(struct metrics_out *out, const char *kind, uint64_t mib)
{
	metrics_add(out, (double)mib * (1 << 20), LABELS(kind));
}

void metrics_read_host_memory(struct metrics_out *out, const struct metrics *metrics)
{
	const struct capacity_memory *mib = &figures_of(metrics)->memory_mib;

	add_mib(out, "total", mib->total);
	add_mib(out, "available", mib->available);
	add_mib(out, "reserved", mib->reserved);
	add_mib(out, "guests", mib->guests);
	add_mib(out, "incoming", mib->incoming);
}

void metrics_read_host_cores(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)figures_of(metrics)->cores, NULL);
}

void metrics_read_host_cores_used(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, figures_of(metrics)->load, NULL);
}

void metrics_read_host_vcpus(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)figures_of(metrics)->vcpus, NULL);
}

void metrics_read_host_guests(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)figures_of(metrics)->guests, NULL);
}

void metrics_read_host_pressure(struct metrics_out *out, const struct metrics *metrics)
{
	const struct capacity_figures *figures = figures_of(metrics);
	const struct capacity_pressure *percent = &figures->pressure;

	if (!figures->has_pressure)
		return;
	metrics_add(out, percent->cpu / 100, LABELS("cpu"));
	metrics_add(out, percent->memory / 100, LABELS("memory"));
	metrics_add(out, percent->io / 100, LABELS("io"));
}

void metrics_read_host_cordoned(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, cordon_is_on(metrics->env.holds, NULL), NULL);
}

void metrics_read_vms(struct metrics_out *out, const struct metrics *metrics)
{
	for (size_t i = 0; i < LOOK_VM_STATES; i++)
		metrics_add(out, (double)metrics->look.vms[i], LABELS(look_vm_states[i]));
}
