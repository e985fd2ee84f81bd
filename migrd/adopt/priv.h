/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/priv.h -- shared by the files that make a definition (adopt/plan.h). */
#ifndef MIGRD_ADOPT_PRIV_H
#define MIGRD_ADOPT_PRIV_H

#include "adopt/plan.h"
#include "wire/optlist.h"

#define ADOPT_ITEM_MAX 256

enum adopt_kind {
	ADOPT_PLAIN, /* kept as text */
	ADOPT_DEVICE,
	ADOPT_DRIVE,
	ADOPT_BLOCKDEV,
	ADOPT_NETDEV,
	ADOPT_NIC,
	ADOPT_NET,
	ADOPT_CHARDEV,
	ADOPT_MON,
	ADOPT_OBJECT,
};

/* An option that is repeated, unless a member of the definition takes its place. */
struct adopt_item {
	enum adopt_kind kind;
	const char *option;  /* "-device" */
	char *text;          /* as it was given; NULL: it has no value */
	struct optlist opts; /* empty for PLAIN */
	const struct adopt_device *fact; /* DEVICE: the same device in QEMU; NULL: not found */
	bool is_changed;     /* OPTS counts, no longer TEXT */
	bool is_gone;
};

struct adopt_plan {
	const struct adopt_facts *facts;
	const struct adopt_wishes *wishes;
	struct vm_def *def;
	struct faults *refused, *notes;
	struct adopt_item items[ADOPT_ITEM_MAX];
	size_t item_count;
	unsigned serials, parallels; /* on the command line */
	unsigned monitors;
	unsigned made; /* ids that we made up */
	size_t default_cdroms; /* CD drives that QEMU added without an option */
};

/* How an option is taken.  WHY, for TAKE: the reason of a refusal, or what it stands for. */
struct adopt_option {
	const char *name; /* "-device" */
	bool has_value;
	void (*take)(struct adopt_plan *plan, const struct adopt_option *option, const char *value);
	const char *why;
};
/* NULL: migrd does not know the option. */
const struct adopt_option *adopt_option_find(const char *name);

#define ADOPT_REFUSE(plan, option, ...) faults_add((plan)->refused, option, __VA_ARGS__)
#define ADOPT_NOTE(plan, option, ...)   faults_add((plan)->notes, option, __VA_ARGS__)

/* ---- items (adopt/plan.c) ---------------------------------------------- */

/* NULL: there are too many items, and OPTION was refused. */
struct adopt_item *adopt_add(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
			     const char *text);
/* Parses TEXT, whose first word may stand without its key IMPLIED (wire/optlist.h); NULL: that
 * failed, and OPTION was refused. */
struct adopt_item *adopt_add_list(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
				  const char *text, const char *implied);
struct adopt_item *adopt_addf(struct adopt_plan *plan, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void adopt_change(struct adopt_item *item, const char *key, const char *value);
/* The first item of KIND whose KEY is VALUE; NULL: none, or VALUE is NULL or "". */
struct adopt_item *adopt_find(struct adopt_plan *plan, enum adopt_kind kind, const char *key,
			      const char *value);
/* An id for a member of the definition: WANTED (or NULL) if it can be one, else PREFIX and a
 * number. */
void adopt_make_id(struct adopt_plan *plan, const char *wanted, const char *prefix,
		   char ret_id[VM_DEF_ID_SIZE]);

/* ---- facts ------------------------------------------------------------------ */

/* The N-th device (from 0) of PLACE whose type is one of TYPES (ended by NULL; NULL: any), in
 * the order of creation; the board's PCI devices are in the order of their addresses. */
const struct adopt_device *adopt_device_nth(const struct adopt_facts *facts, enum adopt_place place,
					    const char *const *types, size_t n);
size_t adopt_device_count(const struct adopt_facts *facts, enum adopt_place place,
			  const char *const *types);
/* The device is on the root bus of its machine. */
bool adopt_is_on_root(const struct adopt_device *device);
/* Prints its PCI address: "0x4" or "0x4.0x1". */
void adopt_print_addr(const struct adopt_device *device, char ret_text[16]);

/* ---- the parts ---------------------------------------------------------------- */

typedef void adopt_take_fn(struct adopt_plan *plan, const struct adopt_option *option,
			   const char *value);
/* adopt/machine.c */
adopt_take_fn adopt_take_name, adopt_take_uuid, adopt_take_machine, adopt_take_memory,
	adopt_take_smp, adopt_take_cpu, adopt_take_switch, adopt_take_action;
void adopt_machine_begin(struct adopt_plan *plan);
/* adopt/chardev.c: character devices, serial and parallel lines, monitors */
adopt_take_fn adopt_take_chardev, adopt_take_serial, adopt_take_parallel, adopt_take_monitor,
	adopt_take_mon;
void adopt_chardevs_end(struct adopt_plan *plan);
/* adopt/drive.c */
adopt_take_fn adopt_take_drive, adopt_take_old_drive, adopt_take_blockdev;
/* Makes BACKEND a disk of the definition; false: a disk could not express all of it, and it
 * stays an option.  DEVICE: options of the device; NULL for `if=virtio'. */
bool adopt_map_disk(struct adopt_plan *plan, struct adopt_item *backend,
		    const struct optlist *device, const struct adopt_device *fact);
/* Refuses a relative path, which would not name the image on another host. */
void adopt_check_file(struct adopt_plan *plan, const char *option, const char *file);
/* FIRST: the number of the first anonymous device that no -device made. */
void adopt_drives_end(struct adopt_plan *plan, size_t first);
/* adopt/cdrom.c: the CD drives, with what is in them now */
bool adopt_is_cd_drive(const struct adopt_item *item);
void adopt_cdroms_end(struct adopt_plan *plan);
/* adopt/net.c */
adopt_take_fn adopt_take_netdev, adopt_take_nic, adopt_take_net;
bool adopt_map_nic(struct adopt_plan *plan, const struct optlist *device,
		   const struct adopt_device *fact);
void adopt_nets_end(struct adopt_plan *plan);
/* adopt/follow.c: changes the items to what QEMU has now */
void adopt_follow_drive(struct adopt_plan *plan, struct adopt_item *item);
void adopt_follow_drives(struct adopt_plan *plan);
/* Read-only, cache and limits of a drive. */
void adopt_follow_flags(struct adopt_plan *plan, struct adopt_item *item,
			const struct adopt_block *block);
void adopt_refuse_graph(struct adopt_plan *plan, const struct adopt_item *item,
			const struct adopt_block *block);
void adopt_note_now(struct adopt_plan *plan, const struct adopt_item *item, const char *said,
		    const char *now);
/* FILE without its prefix "file:" or "host_device:". */
const char *adopt_bare_file(const char *file);
/* The id of a drive, or the name that QEMU makes up without one; the caller frees it. */
char *adopt_drive_name(const struct adopt_plan *plan, const struct adopt_item *item);
/* Writes the place of a -drive into it (index), so that the place does not depend on the other
 * drives of its interface. */
void adopt_pin_place(struct adopt_plan *plan, struct adopt_item *item);
/* adopt/follow_device.c */
/* Drops a -blockdev that nothing refers to any more, and the nodes below that only it used. */
void adopt_drop_node(struct adopt_plan *plan, const char *node);
void adopt_follow_netdevs(struct adopt_plan *plan);
/* Changes an item of -device to what QEMU has now; FACT: the same device in QEMU. */
void adopt_follow_device(struct adopt_plan *plan, struct adopt_item *device,
			 const struct adopt_device *fact);
/* Refuses a -chardev that QEMU has changed; called before ITEM is changed for the other host. */
void adopt_follow_chardev(struct adopt_plan *plan, const struct adopt_item *item);
/* adopt/device.c */
adopt_take_fn adopt_take_device, adopt_take_object;
/* Matches each -device with one of QEMU, then pins or maps it; returns how many have no id. */
size_t adopt_devices_end(struct adopt_plan *plan);
void adopt_board_end(struct adopt_plan *plan);
/* adopt/running.c: refuses objects, VNC's port and hostfwd that changed since the start */
void adopt_refuse_changed(struct adopt_plan *plan);

#endif
