/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_local.h -- raw options of QEMU that name what only one process has.
 *
 * A temporary overlay, an inherited descriptor or a directory shown as a disk does
 * not exist on the other host of a move: what the guest wrote there would be lost.
 * The rule holds for every definition: one that is created or offered by a peer
 * (vm_def_decode()), and one that adoption makes.  Pure; thread: any.
 * Source: qemu-system-x86_64(1), -drive, -blockdev, -snapshot, -set.
 */
#ifndef MIGRD_WIRE_VM_DEF_LOCAL_H
#define MIGRD_WIRE_VM_DEF_LOCAL_H

#include "base/err.h"

/* OPTION with its '-' or "--"; VALUE may be NULL.  False: INVALID with the reason. */
bool vm_def_check_local(const char *option, const char *value, struct err *err);

#endif
