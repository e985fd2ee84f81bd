/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/stats_read.h -- what the kernel has counted of a QEMU and of the interfaces of its guest.
 *
 * Sources: proc(5) for stat and status; Documentation/scheduler/sched-stats.rst of Linux for
 * schedstat; Documentation/accounting/psi.rst.  Thread: a worker.
 */
#ifndef MIGRD_VM_STATS_READ_H
#define MIGRD_VM_STATS_READ_H

#include "base/proc.h"
#include "wire/vm_stats.h"

/* Where the kernel's files are; other directories in tests. */
struct stats_roots {
	const char *proc, *cgroup;
};
extern const struct stats_roots stats_roots_default;

/* As many as a guest may have (wire/vm_def.c). */
#define STATS_THREADS_MAX 1024

struct stats_process {
	struct proc_id id;
	pid_t vcpus[STATS_THREADS_MAX]; /* threads that run vCPUs, each once */
	size_t vcpu_count;              /* 0: not known */
};

/* Time, start, CPU, memory and pressure.  NOT_FOUND: the process has ended. */
bool stats_read_process(const struct stats_roots *roots, const struct stats_process *process,
			struct vm_stats *ret, struct err *err);
/* Fills the counters of the NICs in STATS, which have id and interface; a note is left where one
 * cannot be read.  IS_TAP: of a tap what it receives is what the guest sends; of a macvtap the
 * counters are the guest's own, since it sends by that interface (drivers/net/macvtap.c). */
void stats_read_nics(struct vm_stats *stats, const bool is_tap[VM_STATS_NIC_MAX]);

#endif
