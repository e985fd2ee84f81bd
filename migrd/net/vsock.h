/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/vsock.h -- checks whether a guest may have a vsock CID on this host.  QEMU claims the CID
 * when it starts, also for a guest that is to arrive (hw/virtio/vhost-vsock.c), so a CID that a
 * guest has on a host cannot arrive there once more. */
#ifndef MIGRD_NET_VSOCK_H
#define MIGRD_NET_VSOCK_H

#include <stdint.h>

#include "base/err.h"

#define NET_VSOCK_DEVICE "/dev/vhost-vsock"

/* Claims CID by DEVICE, and gives it back.  NOT_FOUND: the host has no such device; CONFLICT: the
 * CID is in use; INTERNAL: the kernel refuses it otherwise.  Thread: any; it does not wait. */
bool net_vsock_check(const char *device, uint64_t cid, struct err *err);

#endif
