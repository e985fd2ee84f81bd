/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/stats_take.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "vm/disk_limits.h"
#include "wire/extra_arg.h"

/* ---- vCPUs --------------------------------------------------------------------------------- */

static void add_thread(struct stats_process *process, int64_t thread)
{
	if (thread <= 0 || thread > INT32_MAX || process->vcpu_count == STATS_THREADS_MAX)
		return;
	for (size_t i = 0; i < process->vcpu_count; i++)
		if (process->vcpus[i] == (pid_t)thread)
			return;
	process->vcpus[process->vcpu_count++] = (pid_t)thread;
}

void stats_take_cpus(struct json_object *result, struct stats_process *ret)
{
	ret->vcpu_count = 0;
	for (size_t i = 0; i < json_count(result); i++)
		add_thread(ret, json_get_int(json_object_array_get_idx(result, i), "thread-id", 0));
}

/* ---- disks --------------------------------------------------------------------------------- */

static uint64_t counter(struct json_object *stats, const char *key)
{
	int64_t value = json_get_int(stats, key, 0);

	return value > 0 ? (uint64_t)value : 0;
}

/* What it is called: by the definition, by its -drive, by the path of its device. */
static void name_disk(struct json_object *item, const struct vm_def *def,
		      char ret_id[VM_STATS_ID_SIZE])
{
	const char *qdev = json_get_str(item, "qdev"), *device = json_get_str(item, "device");
	const char *id = def && qdev ? disk_limits_drive(def, qdev) : NULL;

	if (!id && device && *device)
		id = device;
	if (!id && qdev)
		id = strrchr(qdev, '/') ? strrchr(qdev, '/') + 1 : qdev;
	if (!id)
		id = json_get_str(item, "node-name");
	snprintf(ret_id, VM_STATS_ID_SIZE, "%s", id ? id : "");
	utf8_trim(ret_id);
}

static void take_disk(struct json_object *item, const struct vm_def *def, struct vm_stats_disk *ret)
{
	struct json_object *stats = json_get_obj(item, "stats");

	*ret = (struct vm_stats_disk){
		.read = { .bytes = counter(stats, "rd_bytes"),
			  .ops = counter(stats, "rd_operations"),
			  .time_ns = counter(stats, "rd_total_time_ns"),
			  .failed = counter(stats, "failed_rd_operations") },
		.write = { .bytes = counter(stats, "wr_bytes"),
			   .ops = counter(stats, "wr_operations"),
			   .time_ns = counter(stats, "wr_total_time_ns"),
			   .failed = counter(stats, "failed_wr_operations") },
		.flushes = counter(stats, "flush_operations"),
		.flush_time_ns = counter(stats, "flush_total_time_ns"),
	};
	name_disk(item, def, ret->id);
}

void stats_take_disks(struct json_object *result, const struct vm_def *def, struct vm_stats *ret)
{
	size_t count = json_count(result);

	ret->disk_count = count < VM_STATS_DISK_MAX ? count : VM_STATS_DISK_MAX;
	for (size_t i = 0; i < ret->disk_count; i++)
		take_disk(json_object_array_get_idx(result, i), def, &ret->disks[i]);
}

void stats_take_balloon(struct json_object *result, struct vm_stats_memory *ret)
{
	ret->balloon_bytes = counter(result, "actual");
	ret->has_balloon = ret->balloon_bytes > 0;
}

/* ---- NICs ----------------------------------------------------------------------------------- */

static void add_nic(struct vm_stats *stats, bool *is_tap, const char *id, const char *ifname,
		    bool tap)
{
	struct vm_stats_nic *nic = &stats->nics[stats->nic_count];

	if (stats->nic_count == VM_STATS_NIC_MAX)
		return;
	*nic = (struct vm_stats_nic){ 0 };
	snprintf(nic->id, sizeof(nic->id), "%s", id);
	utf8_trim(nic->id);
	snprintf(nic->interface, sizeof(nic->interface), "%s", ifname);
	if (!*ifname)
		snprintf(nic->note, sizeof(nic->note),
			 "it is a NIC of type user: QEMU itself is its network, and counts "
			 "nothing");
	is_tap[stats->nic_count++] = tap;
}

void stats_take_nics(const struct vm_def *def, struct vm_stats *ret,
		     bool ret_is_tap[VM_STATS_NIC_MAX])
{
	struct extra_arg arg;
	size_t at = 0;

	ret->nic_count = 0;
	for (size_t i = 0; i < def->nic_count; i++)
		add_nic(ret, ret_is_tap, def->nics[i].id, def->nics[i].ifname,
			def->nics[i].type == VM_DEF_NIC_TYPE_TAP);
	while (extra_arg_next(def, &at, &arg)) {
		const char *id = optlist_get(&arg.opts, "id"), *ifname = extra_arg_tap(&arg);

		if (ifname && strlen(ifname) < IF_NAMESIZE)
			add_nic(ret, ret_is_tap, id ? id : ifname, ifname, true);
		extra_arg_fini(&arg);
	}
}

/* ---- rates ----------------------------------------------------------- */

static double per_s(uint64_t before, uint64_t now, double seconds)
{
	return (double)(now - before) / seconds;
}

static void rate_cpu(const struct vm_stats_cpu *before, struct vm_stats_cpu *now, double seconds)
{
	now->has_rate = now->time_ms >= before->time_ms;
	if (now->has_rate)
		now->percent = per_s(before->time_ms, now->time_ms, seconds) / 10;
	now->has_vcpu_rate =
		before->has_vcpus && now->has_vcpus && now->vcpu_wait_ms >= before->vcpu_wait_ms;
	if (now->has_vcpu_rate)
		now->vcpu_wait_percent =
			per_s(before->vcpu_wait_ms, now->vcpu_wait_ms, seconds) / 10;
}

static void rate_frames(const struct vm_stats_frames *before, struct vm_stats_frames *now,
			double seconds)
{
	now->has_rate = now->bytes >= before->bytes && now->packets >= before->packets;
	if (!now->has_rate)
		return;
	now->bytes_per_s = per_s(before->bytes, now->bytes, seconds);
	now->packets_per_s = per_s(before->packets, now->packets, seconds);
}

static void rate_io(const struct vm_stats_io *before, struct vm_stats_io *now, double seconds)
{
	now->has_rate = now->bytes >= before->bytes && now->ops >= before->ops &&
			now->time_ns >= before->time_ns;
	if (!now->has_rate)
		return;
	now->bytes_per_s = per_s(before->bytes, now->bytes, seconds);
	now->ops_per_s = per_s(before->ops, now->ops, seconds);
	if (now->ops > before->ops)
		now->latency_ms = (double)(now->time_ns - before->time_ns) /
				  (double)(now->ops - before->ops) / 1e6;
}

static void rate_nic(const struct vm_stats *before, struct vm_stats_nic *nic, double seconds)
{
	for (size_t i = 0; i < before->nic_count; i++) {
		const struct vm_stats_nic *old = &before->nics[i];

		if (strcmp(old->id, nic->id) != 0 || !old->is_counted || !nic->is_counted)
			continue;
		rate_frames(&old->rx, &nic->rx, seconds);
		rate_frames(&old->tx, &nic->tx, seconds);
		return;
	}
}

static void rate_disk(const struct vm_stats *before, struct vm_stats_disk *disk, double seconds)
{
	for (size_t i = 0; i < before->disk_count; i++) {
		const struct vm_stats_disk *old = &before->disks[i];

		if (strcmp(old->id, disk->id) != 0)
			continue;
		rate_io(&old->read, &disk->read, seconds);
		rate_io(&old->write, &disk->write, seconds);
		return;
	}
}

/* 0: none. */
static uint64_t window_us(uint64_t before_us, uint64_t now_us)
{
	return before_us && now_us > before_us ? now_us - before_us : 0;
}

void stats_take_rates(const struct vm_stats *before, struct vm_stats *now)
{
	uint64_t us = window_us(before->at_us, now->at_us);
	uint64_t disks_us = window_us(before->disks_at_us, now->disks_at_us);

	now->has_window = us >= 1000;
	now->window_ms = us / 1000;
	if (now->has_window) {
		rate_cpu(&before->cpu, &now->cpu, (double)us / 1e6);
		for (size_t i = 0; i < now->nic_count; i++)
			rate_nic(before, &now->nics[i], (double)us / 1e6);
	}
	now->has_disks_window = disks_us >= 1000;
	now->disks_window_ms = disks_us / 1000;
	for (size_t i = 0; now->has_disks_window && i < now->disk_count; i++)
		rate_disk(before, &now->disks[i], (double)disks_us / 1e6);
}
