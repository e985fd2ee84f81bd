/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/gauge.h -- what the loop and a worker know of a push that is under way: how far it is,
 * and that it is to end.
 *
 * Thread: any; each of the two has a reference.
 */
#ifndef MIGRD_VMBACKUP_GAUGE_H
#define MIGRD_VMBACKUP_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

struct vmbackup_gauge;

struct vmbackup_gauge *vmbackup_gauge_new(void);                         /* one reference */
struct vmbackup_gauge *vmbackup_gauge_ref(struct vmbackup_gauge *gauge); /* NULL for NULL */
void vmbackup_gauge_unref(struct vmbackup_gauge *gauge);                 /* accepts NULL */

/* Of the worker.  False: it was stopped before. */
bool vmbackup_gauge_begin(struct vmbackup_gauge *gauge);
void vmbackup_gauge_add(struct vmbackup_gauge *gauge, uint64_t bytes);
bool vmbackup_gauge_is_stopped(const struct vmbackup_gauge *gauge);

/* Of the loop.  True: it has not begun, and will not. */
bool vmbackup_gauge_stop(struct vmbackup_gauge *gauge);
bool vmbackup_gauge_has_begun(const struct vmbackup_gauge *gauge);
uint64_t vmbackup_gauge_bytes(const struct vmbackup_gauge *gauge);

#endif
