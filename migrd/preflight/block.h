/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/block.h -- the world-wide name of a block device, and its size.
 * Thread: a worker. */
#ifndef MIGRD_PREFLIGHT_BLOCK_H
#define MIGRD_PREFLIGHT_BLOCK_H

#include <sys/types.h>

#include "wire/evidence.h"

/* Sets `device' and `size' of FILE from sysfs of the device RDEV. */
void block_look_blocking(dev_t rdev, struct evidence_file *file);

#endif
