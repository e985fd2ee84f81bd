/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/qcow2.h -- which other files a qcow2 image needs, read from its first bytes.
 * Source: docs/interop/qcow2.txt of QEMU.  Pure.  Thread: any.
 */
#ifndef MIGRD_PREFLIGHT_QCOW2_H
#define MIGRD_PREFLIGHT_QCOW2_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define QCOW2_NAME_SIZE 1024 /* the format allows 1023 bytes for a backing file's name */
/* How much of an image is read: header, extensions and the backing file's name are in its
 * first cluster. */
#define QCOW2_HEAD_MAX 65536

struct qcow2_head {
	char backing[QCOW2_NAME_SIZE];   /* "": none */
	char data_file[QCOW2_NAME_SIZE]; /* "": none */
	bool backing_is_raw;             /* the image says so */
};

/* INVALID: it is no qcow2 image, or its header leads out of HEAD. */
bool qcow2_head_read(const void *head, size_t len, struct qcow2_head *ret, struct err *err);

#endif
