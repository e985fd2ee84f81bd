/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/facts.h -- what a QEMU that somebody else started says of itself.
 *
 * The questions are asked one after the other, and none changes anything.  Sources: QEMU
 * qapi/{misc,machine,block,qom}.json.  Thread: loop; the struct: any.
 */
#ifndef MIGRD_ADOPT_FACTS_H
#define MIGRD_ADOPT_FACTS_H

#include "adopt/block.h"
#include "net/link.h"
#include "qemu/qemu.h"

#define ADOPT_DEVICE_MAX  256
#define ADOPT_BACKEND_MAX 64
#define ADOPT_NO_PCI      (-1)

/* Where a device hangs in QEMU's object tree tells where it comes from. */
enum adopt_place {
	ADOPT_NAMED,     /* -device with an id, or hot-plugged */
	ADOPT_ANONYMOUS, /* -device without one, or -drive if=virtio */
	ADOPT_BOARD,     /* made by the machine: its own, -nic, -vga, default devices */
	ADOPT_PLACE_COUNT
};

/* Properties of a device whose present value may differ from the command line. */
enum adopt_now {
	ADOPT_NETDEV_NOW,
	ADOPT_CHARDEV_NOW,
	ADOPT_BOOTINDEX_NOW,
	ADOPT_SERIAL_NOW,
	ADOPT_NOW_COUNT
};

/* Where a CD drive is connected (hw/ide/ide-dev.c, hw/scsi/scsi-bus.c). */
enum adopt_unit {
	ADOPT_UNIT,    /* IDE: unit of a channel */
	ADOPT_CHANNEL, /* SCSI, like the two below */
	ADOPT_SCSI_ID,
	ADOPT_LUN,
	ADOPT_UNIT_COUNT
};

struct adopt_device {
	enum adopt_place place;
	char name[64];   /* NAMED: the id; else "device[7]" */
	unsigned number; /* the 7 of "device[7]": the order of creation */
	char type[64];
	int devfn;                 /* PCI slot * 8 + function; ADOPT_NO_PCI */
	char bus[64];              /* last part of the path of its bus: "pcie.0", "ide.2"; "" */
	char bus_owner[192];       /* the rest of that path: "/machine/unattached/device[5]"; "" */
	char mac[VM_DEF_MAC_SIZE]; /* "" */
	int vectors;               /* interrupt vectors; -1: it has no such property */
	bool has[ADOPT_NOW_COUNT]; /* which of now[] are known; none of a BOARD device */
	char now[ADOPT_NOW_COUNT][64];
	int units[ADOPT_UNIT_COUNT]; /* CD drives only; -1: it has no such property */
	char device_id[64];          /* SCSI CD drives: the id that the guest reads; "" */
};

/* The host's side of a network (TYPE: "tap"), or a character device (TYPE: what
 * query-chardev calls its filename). */
struct adopt_backend {
	char id[64];
	char type[256];
	char ifname[IF_NAMESIZE]; /* "" */
	bool has_link;            /* the host has that interface; LINK describes it */
	struct net_link link;
};

struct adopt_backends {
	struct adopt_backend list[ADOPT_BACKEND_MAX];
	size_t count;
};

struct adopt_facts {
	char name[256]; /* "": none */
	char uuid[ID_UUID_SIZE];
	char machine[64]; /* versioned */
	bool is_kvm;
	enum qmp_run_state run_state;
	enum qmp_mig_state migration;
	uint64_t memory_bytes, plugged_bytes;
	uint64_t vcpus;
	struct adopt_device devices[ADOPT_DEVICE_MAX];
	size_t device_count;
	struct adopt_blocks blocks;
	struct adopt_backends nets, chardevs;
	struct adopt_backends objects;  /* those of -object, and QEMU's own */
	struct adopt_backends vnc;      /* id: the display; type: a port on which it listens */
	struct adopt_backends forwards; /* type: "tcp:2222-22" */
};

/* Called once, on the loop, never from inside the call. */
typedef void adopt_facts_fn(void *data, const struct adopt_facts *facts, const struct err *err);

struct adopt_inquiry;
/* QEMU must be ready, and outlive the inquiry.  Errors: LIMIT (more devices, drives or
 * backends than there is room for), else those of the monitor. */
struct adopt_inquiry *adopt_facts_ask(struct qemu *qemu, adopt_facts_fn *fn, void *data);
/* FN is not called after this.  INQUIRY is gone once FN was called.  Accepts NULL. */
void adopt_facts_cancel(struct adopt_inquiry *inquiry);

/* NULL: QEMU has none of this id. */
const struct adopt_backend *adopt_backend_find(const struct adopt_facts *facts, const char *id);
const struct adopt_backend *adopt_chardev_find(const struct adopt_facts *facts, const char *id);
/* The tap IFNAME; NULL: QEMU has none of this name. */
const struct adopt_backend *adopt_tap_find(const struct adopt_facts *facts, const char *ifname);
const struct adopt_backend *adopt_object_find(const struct adopt_facts *facts, const char *id);
bool adopt_vnc_listens(const struct adopt_facts *facts, const char *display, const char *port);
bool adopt_is_cdrom(const struct adopt_device *device);
/* "/machine/peripheral/vd0"; the caller frees it. */
char *adopt_object_path(const struct adopt_device *device);

/* ---- the parts, for tests: one answer each -------------------------------- */

/* COMMAND is one of the questions. */
bool adopt_facts_asks(const char *command);
/* Puts an answer into FACTS; false: it is not what QEMU's schema promises, or does not fit. */
bool adopt_facts_take(struct adopt_facts *facts, const char *command, const char *path,
		      struct json_object *result, struct err *err);

#endif
