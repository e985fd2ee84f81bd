/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/plug.h -- what QEMU is told so that it has a device.
 *
 * The same JSON on its command line and while it runs, so that a device that
 * was plugged in is the same after a move and after a start.  Most devices have
 * a backend (the image, the network, the memory) that is made before them and
 * is taken away after them.  A pure function.  Thread: any.
 * Source: QEMU qapi/block-core.json, net.json, qom.json, qdev.json.
 */
#ifndef MIGRD_CMDLINE_PLUG_H
#define MIGRD_CMDLINE_PLUG_H

#include "wire/vm_def_device.h"

/* In place of the descriptor of a macvtap: no name of one, so that QEMU refuses it
 * where nobody has put the real one. */
#define PLUG_FD_UNKNOWN "not-open"

struct plug_backend {
	const char *option; /* of the command line: "-blockdev" */
	const char *add, *del;
	const char *key; /* names it in the arguments of both */
};

struct plug {
	const struct plug_backend *backend; /* NULL: the device has none */
	char backend_id[VM_DEF_ID_SIZE + 8];
	struct json_object *controller_args; /* of a -device before it; NULL: none; owned */
	struct json_object *backend_args; /* of the option and of add; owned */
	struct json_object *device_args;  /* of -device and of device_add; owned */
};

void plug_init(struct plug *plug, const struct vm_def *def, struct vm_def_device dev);
/* Only the block node of a medium, to be deleted. */
void plug_init_medium(struct plug *plug, const char *node);
void plug_fini(struct plug *plug);
/* The id of the block node of a CD drive's medium: there are two names, so that a new
 * medium can be opened while the former is in the drive. */
#define PLUG_MEDIUM_NODES 2
void plug_medium_node(char *ret_id, size_t size, const char *cdrom, unsigned which);
/* The arguments of blockdev-add that open the medium as NODE; the caller's. */
struct json_object *plug_medium(const char *node, const char *path, int format);
/* The arguments of backend->del; the caller's. */
struct json_object *plug_backend_del_args(const struct plug *plug);
/* The id of a hot-plug port and of the bus behind it, from 1. */
void plug_port_id(char *ret_id, size_t size, unsigned port);

#endif
