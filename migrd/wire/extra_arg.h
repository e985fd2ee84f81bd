/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/extra_arg.h -- a raw option of QEMU that names something of the host, taken apart.
 *
 * One table for all readers of extra_args: what may not move (vm_def_local.h), what
 * a host must have (preflight/needs.h), and its taps (vm/taps.h).  Pure; thread: any.
 * Source: qemu-system-x86_64(1); softmmu/vl.c for the options whose whole value is a path.
 */
#ifndef MIGRD_WIRE_EXTRA_ARG_H
#define MIGRD_WIRE_EXTRA_ARG_H

#include "wire/optlist.h"
#include "wire/vm_def.h"

enum extra_kind {
	EXTRA_IMAGE,   /* storage of a disk */
	EXTRA_MEDIUM,  /* medium of a CD drive, which is only read */
	EXTRA_OBJECT,  /* may be memory in a file */
	EXTRA_BOOT,    /* read when the guest boots: a kernel */
	EXTRA_VNC,     /* listens */
	EXTRA_CHARDEV, /* may listen, or make a file */
	EXTRA_NETDEV,  /* may have an interface of the host */
};

struct extra_arg {
	const char *option; /* "drive": without its '-' */
	enum extra_kind kind;
	struct optlist opts; /* "file" is the whole value, if that is a path */
};

/* Behind the '-' or "--" of OPTION; NULL: it is no option. */
const char *extra_arg_name(const char *option);
/* OPTION: with its '-' or "--"; VALUE: the argument behind it.  False: the option names
 * nothing of the host, or QEMU does not understand it either. */
bool extra_arg_read(const char *option, const char *value, struct extra_arg *ret);
/* Takes apart DEF's next raw option, from *AT on, that extra_arg_read() knows, and moves *AT
 * behind it.  False: there is none. */
bool extra_arg_next(const struct vm_def *def, size_t *at, struct extra_arg *ret);
void extra_arg_fini(struct extra_arg *arg);

/* The file that the option names, in any of QEMU's spellings; NULL: none. */
const char *extra_arg_file(const struct extra_arg *arg);
/* The host's interface that the option opens as a tap; NULL: none. */
const char *extra_arg_tap(const struct extra_arg *arg);
/* The first raw option of DEF that names an image to which the guest may write, without its '-';
 * NULL: there is none. */
const char *extra_arg_written(const struct vm_def *def);
/* KEY is on, in any of QEMU's spellings. */
bool extra_arg_is_on(const struct extra_arg *arg, const char *key);

#endif
