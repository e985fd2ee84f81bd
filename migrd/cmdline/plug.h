/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/plug.h -- the arguments by which QEMU gets a device.
 *
 * They are the same JSON on the command line and while QEMU runs, so that a device that
 * was plugged in is the same after a move and after a start.  Most devices have a
 * backend (the image, the network, the memory) that is made before them and removed
 * after them.  A pure function.  Thread: any.  Source: QEMU qapi/block-core.json,
 * net.json, qom.json, qdev.json.
 */
#ifndef MIGRD_CMDLINE_PLUG_H
#define MIGRD_CMDLINE_PLUG_H

#include "wire/vm_def_device.h"

/* Stands for the descriptor of a macvtap until somebody puts the real one in its place.
 * It names no descriptor, so QEMU refuses it if nobody has. */
#define PLUG_FD_UNKNOWN "not-open"

struct plug_backend {
	const char *option; /* of the command line: "-blockdev" */
	const char *add, *del;
	const char *key; /* names the backend in the arguments of both */
};

struct plug {
	const struct plug_backend *backend; /* NULL: the device has none */
	char backend_id[VM_DEF_ID_SIZE + 8];
	struct json_object *controller_args; /* of a -device before the device; NULL: none; owned */
	struct json_object *backend_args; /* of the option and of add; owned */
	struct json_object *device_args;  /* of -device and of device_add; owned */
};

void plug_init(struct plug *plug, const struct vm_def *def, struct vm_def_device dev);
/* Fills PLUG with the block node of a medium only, to be deleted. */
void plug_init_medium(struct plug *plug, const char *node);
void plug_fini(struct plug *plug);
/* The id of the block node of a disk's image. */
void plug_disk_node(char *ret_id, size_t size, const char *disk);
/* The id of the block node of a CD drive's medium.  There are two names, so that a new
 * medium can be opened while the former is in the drive. */
#define PLUG_MEDIUM_NODES 2
void plug_medium_node(char *ret_id, size_t size, const char *cdrom, unsigned which);
/* The arguments of blockdev-add that open the medium as NODE; the caller's. */
struct json_object *plug_medium(const char *node, const char *path, int format);
/* The arguments of backend->del; the caller's. */
struct json_object *plug_backend_del_args(const struct plug *plug);
/* The id of hot-plug port PORT (counted from 1) and of the bus behind it. */
void plug_port_id(char *ret_id, size_t size, unsigned port);

#endif
