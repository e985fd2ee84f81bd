/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/disk_limits.h -- limits of I/O that somebody set on a running guest's drives
 * (block_set_io_throttle).  A definition has no member for them, so that the next QEMU,
 * also that of a move, would have none.
 *
 * Pure function on an answer of query-block that may be missing or of any shape.  Thread:
 * any.  Source: QEMU qapi/block-core.json (BlockDeviceInfo).
 */
#ifndef MIGRD_VM_DISK_LIMITS_H
#define MIGRD_VM_DISK_LIMITS_H

#include "wire/vm_def.h"

/* No disk or CD drive of DEF is limited.  CONFLICT, naming the first that is.  Drives of
 * extra_args are not looked at: their limits are in the arguments. */
bool disk_limits_check(struct json_object *blocks, const struct vm_def *def, struct err *err);

#endif
