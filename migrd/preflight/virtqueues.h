/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/virtqueues.h -- does another QEMU take the virtqueues of the guest?  One that has more
 * entries than that QEMU has made room for ends it when the guest is loaded.  Pure.
 */
#ifndef MIGRD_PREFLIGHT_VIRTQUEUES_H
#define MIGRD_PREFLIGHT_VIRTQUEUES_H

#include "base/strbuf.h"
#include "wire/evidence.h"

/* Adds to RET the devices of THERE that have a queue which is larger than that of ROOM, of the same
 * order; each once, by its first such queue.  WHERE: a word for the QEMU of ROOM. */
void virtqueues_list_larger(const struct evidence *there, const struct evidence *room,
			    const char *where, struct strbuf *ret);

#endif
