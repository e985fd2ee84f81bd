/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/stats_take.h -- what QEMU's answers tell of a guest, and rates of two looks.
 *
 * Pure functions on answers that may be missing or of any shape.  Thread: any.
 * Sources: QEMU qapi/machine.json (CpuInfoFast, BalloonInfo), qapi/block-core.json (BlockStats).
 */
#ifndef MIGRD_VM_STATS_TAKE_H
#define MIGRD_VM_STATS_TAKE_H

#include "vm/stats_read.h"
#include "wire/vm_def.h"

/* From query-cpus-fast.  With one thread for all vCPUs (TCG without multi-threading) QEMU names it
 * for each. */
void stats_take_cpus(struct json_object *result, struct stats_process *ret);
/* From query-blockstats; DEF may be NULL. */
void stats_take_disks(struct json_object *result, const struct vm_def *def, struct vm_stats *ret);
/* From query-balloon. */
void stats_take_balloon(struct json_object *result, struct vm_stats_memory *ret);
/* The NICs of DEF that a host may count, and whether each is a tap. */
void stats_take_nics(const struct vm_def *def, struct vm_stats *ret,
		     bool ret_is_tap[VM_STATS_NIC_MAX]);
/* Rates of NOW over the time since BEFORE, of the same QEMU.  A counter that is smaller now began
 * anew, as that of a tap that was made again: it has no rate. */
void stats_take_rates(const struct vm_stats *before, struct vm_stats *now);

#endif
