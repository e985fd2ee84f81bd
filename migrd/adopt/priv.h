/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/priv.h -- shared by the files that make a definition (adopt/plan.h). */
#ifndef MIGRD_ADOPT_PRIV_H
#define MIGRD_ADOPT_PRIV_H

#include "adopt/plan.h"
#include "wire/optlist.h"

#define ADOPT_ITEM_MAX 256

enum adopt_kind {
	ADOPT_PLAIN, /* nobody looks into it */
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
	const struct adopt_device *fact; /* of DEVICE: QEMU has it as that; NULL: not found */
	bool is_changed;     /* opts, not text, is what counts */
	bool is_gone;
};

struct adopt_plan {
	const struct adopt_facts *facts;
	const struct adopt_wishes *wishes;
	struct vm_def *def;
	struct faults *refused, *notes;
	struct adopt_item items[ADOPT_ITEM_MAX];
	size_t item_count;
	unsigned serials, parallels; /* that were given */
	unsigned monitors;
	unsigned made; /* ids that we made up */
	size_t default_cdroms; /* that QEMU added by itself, without an option */
};

/* How an option is taken; WHY is of its row. */
struct adopt_option {
	const char *name; /* "-device" */
	bool has_value;
	void (*take)(struct adopt_plan *plan, const struct adopt_option *option, const char *value);
	const char *why;
};
/* NULL: no option that we know. */
const struct adopt_option *adopt_option_find(const char *name);

#define ADOPT_REFUSE(plan, option, ...) faults_add((plan)->refused, option, __VA_ARGS__)
#define ADOPT_NOTE(plan, option, ...)   faults_add((plan)->notes, option, __VA_ARGS__)

/* ---- items (adopt/plan.c) ---------------------------------------------- */

/* NULL when there are too many, which is refused then. */
struct adopt_item *adopt_add(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
			     const char *text);
/* Parses TEXT for IMPLIED; refuses what cannot be. */
struct adopt_item *adopt_add_list(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
				  const char *text, const char *implied);
struct adopt_item *adopt_addf(struct adopt_plan *plan, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void adopt_change(struct adopt_item *item, const char *key, const char *value);
/* An item of KIND whose KEY says VALUE; NULL, also for a VALUE that is none. */
struct adopt_item *adopt_find(struct adopt_plan *plan, enum adopt_kind kind, const char *key,
			      const char *value);
/* An id for a member of the definition: WANTED if it may be one (or NULL). */
void adopt_make_id(struct adopt_plan *plan, const char *wanted, const char *prefix,
		   char ret_id[VM_DEF_ID_SIZE]);

/* ---- facts ------------------------------------------------------------------ */

/* The device of PLACE that was made as the N-th (from 0) of those whose type is one
 * of TYPES (ended by NULL; NULL: any). */
const struct adopt_device *adopt_device_nth(const struct adopt_facts *facts, enum adopt_place place,
					    const char *const *types, size_t n);
size_t adopt_device_count(const struct adopt_facts *facts, enum adopt_place place,
			  const char *const *types);
/* On the root bus of its machine. */
bool adopt_is_on_root(const struct adopt_device *device);
/* As "0x4" or "0x4.0x1". */
void adopt_print_addr(const struct adopt_device *device, char ret_text[16]);

/* ---- the parts ---------------------------------------------------------------- */

typedef void adopt_take_fn(struct adopt_plan *plan, const struct adopt_option *option,
			   const char *value);
/* adopt/machine.c */
adopt_take_fn adopt_take_name, adopt_take_uuid, adopt_take_machine, adopt_take_memory,
	adopt_take_smp, adopt_take_cpu, adopt_take_switch, adopt_take_action;
void adopt_machine_begin(struct adopt_plan *plan);
/* Key and value behind the machine type; refused when there are too many. */
void adopt_add_machine_option(struct adopt_plan *plan, const char *key, const char *value);
/* adopt/chardev.c: character devices, serial and parallel lines, monitors */
adopt_take_fn adopt_take_chardev, adopt_take_serial, adopt_take_parallel, adopt_take_monitor,
	adopt_take_mon;
void adopt_chardevs_end(struct adopt_plan *plan);
/* adopt/drive.c */
adopt_take_fn adopt_take_drive, adopt_take_old_drive, adopt_take_blockdev;
/* The disk of the definition, if nothing of it would be lost by that; OPTS of the
 * device, or NULL for `if=virtio'. */
bool adopt_map_disk(struct adopt_plan *plan, struct adopt_item *backend,
		    const struct optlist *device, const struct adopt_device *fact);
/* A path that names an image on another host too; refused if it does not. */
void adopt_check_file(struct adopt_plan *plan, const char *option, const char *file);
/* FIRST: the number of the first anonymous device that is no -device. */
void adopt_drives_end(struct adopt_plan *plan, size_t first);
/* adopt/cdrom.c: the CD drives, with what is in them now */
bool adopt_is_cd_drive(const struct adopt_item *item);
void adopt_cdroms_end(struct adopt_plan *plan);
/* adopt/net.c */
adopt_take_fn adopt_take_netdev, adopt_take_nic, adopt_take_net;
bool adopt_map_nic(struct adopt_plan *plan, const struct optlist *device,
		   const struct adopt_device *fact);
void adopt_nets_end(struct adopt_plan *plan);
/* adopt/follow.c: what QEMU has now counts, and changes the items */
void adopt_follow_drive(struct adopt_plan *plan, struct adopt_item *item);
void adopt_follow_drives(struct adopt_plan *plan);
/* Read-only, cache and limits of a drive. */
void adopt_follow_flags(struct adopt_plan *plan, struct adopt_item *item,
			const struct adopt_block *block);
void adopt_refuse_graph(struct adopt_plan *plan, const struct adopt_item *item,
			const struct adopt_block *block);
void adopt_note_now(struct adopt_plan *plan, const struct adopt_item *item, const char *said,
		    const char *now);
/* Without "file:". */
const char *adopt_bare_file(const char *file);
/* As QEMU names a drive that was given none; the caller frees it. */
char *adopt_drive_name(const struct adopt_plan *plan, const struct adopt_item *item);
/* -drive of an interface that counts: its place is said, whatever else is on the command line. */
void adopt_pin_place(struct adopt_plan *plan, struct adopt_item *item);
/* adopt/follow_device.c */
/* A node of -blockdev that nothing refers to any more, with those that only it had. */
void adopt_drop_node(struct adopt_plan *plan, const char *node);
void adopt_follow_netdevs(struct adopt_plan *plan);
/* An item of -device, and what QEMU has as it. */
void adopt_follow_device(struct adopt_plan *plan, struct adopt_item *device,
			 const struct adopt_device *fact);
/* Before it is changed for the other host. */
void adopt_follow_chardev(struct adopt_plan *plan, const struct adopt_item *item);
/* adopt/device.c */
adopt_take_fn adopt_take_device, adopt_take_object;
/* Matches, pins and maps; the number of those without an id. */
size_t adopt_devices_end(struct adopt_plan *plan);
void adopt_board_end(struct adopt_plan *plan);
/* adopt/running.c: objects, VNC's port and hostfwd, which have to be as they were given */
void adopt_refuse_changed(struct adopt_plan *plan);

#endif
