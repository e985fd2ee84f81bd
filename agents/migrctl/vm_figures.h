/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/vm_figures.h -- what guests use, as items of GET /v1/stats: sums over their drives and
 * NICs, and their order.  Thread: any. */
#ifndef MIGRD_MIGRCTL_VM_FIGURES_H
#define MIGRD_MIGRCTL_VM_FIGURES_H

#include "base/json.h"

/* Ended by NULL; the first one is the usual one. */
extern const char *const vm_figures_sorts[];

/* Adds to ROW the sums `read', `write', `rx' and `tx', as far as they are known, and
 * `shown_note'. */
void vm_figures_sum(struct json_object *row);
/* {"items": those of LIST, which have sums, the one that uses most first}; the caller puts it. */
struct json_object *vm_figures_sorted(struct json_object *list, const char *sort);

#endif
