/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/disk_limits.h -- limits of I/O that somebody has set on drives of a running guest
 * (block_set_io_throttle).  A definition has no member for them, so the next QEMU, such
 * as the one a move starts, would not have them.
 *
 * Pure function on an answer of query-block that may be missing or of any shape.
 * Thread: any.  Source: QEMU qapi/block-core.json (BlockDeviceInfo).
 */
#ifndef MIGRD_VM_DISK_LIMITS_H
#define MIGRD_VM_DISK_LIMITS_H

#include "wire/vm_def.h"

/* The id of the disk or CD drive of DEF whose device is QDEV
 * ("/machine/peripheral/ID/virtio-backend" or "ID"); NULL: it is none of them. */
const char *disk_limits_drive(const struct vm_def *def, const char *qdev);

/* True: no disk or CD drive of DEF is limited; else CONFLICT, naming the first that is.
 * Drives of extra_args are not looked at: their limits are in the arguments. */
bool disk_limits_check(struct json_object *blocks, const struct vm_def *def, struct err *err);

#endif
