/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/stats.h -- what a guest uses of its host: looked at when somebody asks, once a second at most
 * for each VM, whoever asks and how often.
 *
 * A look asks QEMU (query-cpus-fast, query-blockstats, query-balloon; the sync slot of the VM is
 * held for these), and reads the kernel's files by a worker.  QEMU is not asked while a job has the
 * VM and bears no pause of its guest, such as a move in its handover; nor within STATS_DEAF_MS of a
 * question that it has not answered.  Then the figures of the disks are those of an earlier look,
 * with the reason, and all others are new.
 *
 * All of it is in memory: a restart of the daemon begins without windows for rates.
 * Thread: loop.
 */
#ifndef MIGRD_VM_STATS_H
#define MIGRD_VM_STATS_H

#include "vm/vm.h"
#include "wire/vm_stats.h"

#define STATS_FRESH_MS 1000
/* Rates are over the time since the look before, unless that was longer ago. */
#define STATS_WINDOW_MAX_MS 60000
#define STATS_DEAF_MS       10000

/* Called once, on the loop, never from inside: vm_stats_show() has what there is to know. */
typedef void vm_stats_fn(void *data);
void vm_stats_ask(struct vm *vm, vm_stats_fn *fn, void *data);
/* RET is large.  `host' is left to the caller; pointers are good until the callback returns. */
void vm_stats_show(struct vm *vm, struct vm_stats *ret);

/* Hooks of vm/parts.c. */
void vm_stats_gone(struct vm *vm);
void vm_stats_let_go(struct vm *vm, const struct err *why);
void vm_stats_fini(struct vm *vm);

#endif
