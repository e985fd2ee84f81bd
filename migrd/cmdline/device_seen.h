/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/device_seen.h -- which devices a QEMU has, and where, from what it answers.
 *
 * Pure functions on answers that may be missing or of any shape.  Thread: any.
 * Source: QEMU qapi/pci.json, qom.json, machine.json, block-core.json.
 */
#ifndef MIGRD_CMDLINE_DEVICE_SEEN_H
#define MIGRD_CMDLINE_DEVICE_SEEN_H

#include "wire/vm_def_device.h"

enum seen_query { SEEN_QOM, SEEN_PCI, SEEN_MEMORY, SEEN_VCPUS, SEEN_BLOCK, SEEN_COUNT };

struct seen {
	struct json_object *answers[SEEN_COUNT]; /* owned; NULL: no answer */
};

const char *seen_command(enum seen_query query);
struct json_object *seen_arguments(enum seen_query query); /* a new object or NULL */
/* DEF has devices that this query tells of. */
bool seen_is_wanted(enum seen_query query, const struct vm_def *def);
void seen_fini(struct seen *seen);

/* The list of devices with an id was answered: without it nothing can be said. */
bool seen_is_known(const struct seen *seen);
/* The queries about its kind were answered, and have neither the id of DEV nor anything
 * in its place.  A device that somebody else started need not have our id. */
bool seen_is_gone(const struct seen *seen, const struct vm_def *def, struct vm_def_device dev);
/* The answer about media of CD drives; NULL: there is none. */
struct json_object *seen_media(const struct seen *seen);
/* Takes over the place of DEV into DEF. */
void seen_take_place(const struct seen *seen, struct vm_def *def, struct vm_def_device dev);

#endif
