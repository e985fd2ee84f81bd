/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/cmdline.h -- makes a QEMU command line of a VM definition.
 *
 * A pure function: the same definition gives the same guest on every host and every
 * version of QEMU, with every PCI address pinned (an extra device would shift the
 * automatic slots).  Thread: any.  Source: qemu-system-x86_64(1).
 */
#ifndef MIGRD_CMDLINE_CMDLINE_H
#define MIGRD_CMDLINE_CMDLINE_H

#include <stdbool.h>

#include "cmdline/features.h"
#include "wire/vm_def.h"

/* Descriptors that QEMU inherits, listening sockets but for NIC; -1: none. */
struct cmdline_fds {
	int monitor[2];
	int agent;
	int console;
	int extra[VM_DEF_MONITOR_MAX]; /* of the monitors of the definition */
	int nic[VM_DEF_NIC_MAX];       /* of its macvtaps, and of taps that another QEMU has open */
	int tpm;                       /* connected to its swtpm */
};
#define CMDLINE_FDS_INIT                                                                       \
	{                                                                                      \
		{ -1, -1 }, -1, -1, { -1, -1, -1, -1 }, { -1, -1, -1, -1, -1, -1, -1, -1 }, -1 \
	}

/* The -sandbox of every QEMU of migrd. */
#define CMDLINE_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

enum cmdline_incoming {
	CMDLINE_INCOMING_NONE,
	CMDLINE_INCOMING_DEFER, /* it waits for migrate-incoming */
	/* The same, after it was given the memory of an older QEMU of this host at CPR_PATH
	 * (cpr-transfer): until then it has no monitor.  Source: QEMU docs/devel/migration/CPR.rst.
	 */
	CMDLINE_INCOMING_CPR,
	CMDLINE_INCOMING_COUNT
};

struct cmdline_args {
	const struct vm_def *def;
	const char *binary;
	const struct qemu_features *features; /* of BINARY */
	const char *pid_file;
	const struct cmdline_fds *fds;
	enum cmdline_incoming incoming;
	const char *cpr_path; /* of a socket that QEMU makes; INCOMING_CPR only */
	const char *vnc_path; /* the same for `graphics' */
};

struct cmdline;

/* QEMU starts with the guest stopped (-S): migrd decides when the guest runs. */
struct cmdline *cmdline_build(const struct cmdline_args *args);
/* Ended by NULL; owned by CMDLINE. */
const char *const *cmdline_argv(const struct cmdline *cmdline);
void cmdline_free(struct cmdline *cmdline);

#endif
