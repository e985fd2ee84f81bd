/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/block.h -- a block device's name in the world, and what a file holds.
 * Thread: a worker. */
#ifndef MIGRD_PREFLIGHT_BLOCK_H
#define MIGRD_PREFLIGHT_BLOCK_H

#include <sys/types.h>

#include "wire/evidence.h"

/* device and size of FILE: sysfs of the device RDEV. */
void block_look_blocking(dev_t rdev, struct evidence_file *file);

#endif
