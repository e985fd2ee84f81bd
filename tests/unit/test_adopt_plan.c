/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt/changes.h"
#include "adopt/plan.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "guard/refused.h"

/* The facts of a QEMU 7.2 with -nodefaults and one virtio disk at slot 1. */
static struct adopt_facts *facts;
static struct adopt_result result;
static struct adopt_wishes wishes;

static void add_device(enum adopt_place place, const char *name, const char *type, int devfn,
		       const char *bus)
{
	struct adopt_device *device = &facts->devices[facts->device_count++];

	*device = (struct adopt_device){ .place = place, .devfn = devfn, .vectors = -1 };
	snprintf(device->bus_owner, sizeof(device->bus_owner), "/machine/unattached/device[3]");
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->type, sizeof(device->type), "%s", type);
	snprintf(device->bus, sizeof(device->bus), "%s", bus);
	if (strncmp(name, "device[", 7) == 0)
		device->number = (unsigned)strtoul(name + 7, NULL, 10);
}

/* Adds the image that a drive has open: DEVICE of -drive, or NODE of -blockdev in the device
 * at QDEV. */
static struct adopt_block *add_block(const char *device, const char *qdev, const char *node,
				     const char *file, const char *format)
{
	struct adopt_block *block = &facts->blocks.list[facts->blocks.count++];
	struct adopt_node *at = &facts->blocks.nodes[facts->blocks.node_count++];

	*block = (struct adopt_block){ .has_medium = *file != '\0' };
	snprintf(block->device, sizeof(block->device), "%s", device);
	snprintf(block->qdev, sizeof(block->qdev), "%s", qdev);
	snprintf(block->node, sizeof(block->node), "%s", node);
	snprintf(block->file, sizeof(block->file), "%s", file);
	snprintf(block->format, sizeof(block->format), "%s", format);
	*at = (struct adopt_node){ { 0 }, { 0 }, { 0 } };
	snprintf(at->name, sizeof(at->name), "%s", node);
	snprintf(at->file, sizeof(at->file), "%s", file);
	snprintf(at->driver, sizeof(at->driver), "%s", format);
	return block;
}

static void add_backend(struct adopt_backends *backends, const char *id, const char *type,
			const char *ifname)
{
	struct adopt_backend *backend = &backends->list[backends->count++];

	snprintf(backend->id, sizeof(backend->id), "%s", id);
	snprintf(backend->type, sizeof(backend->type), "%s", type);
	snprintf(backend->ifname, sizeof(backend->ifname), "%s", ifname);
}

static void setup(void)
{
	facts = xnew(struct adopt_facts);
	*facts = (struct adopt_facts){ .name = "vm0",
				       .uuid = "3f2b0000-0000-4000-8000-000000000001",
				       .machine = "pc-q35-7.2",
				       .run_state = QMP_RUN_RUNNING,
				       .memory_bytes = 128u << 20,
				       .vcpus = 1 };
	wishes = (struct adopt_wishes){ .uuid = "3f2b0000-0000-8000-8000-0000000000ff" };
	add_device(ADOPT_BOARD, "device[0]", "qemu64-x86_64-cpu", ADOPT_NO_PCI, "");
	add_device(ADOPT_BOARD, "device[2]", "ICH9-LPC", 248, "pcie.0");
}

static void teardown(void)
{
	adopt_result_fini(&result);
	free(facts);
}

/* Plans the adoption of a QEMU with these words, split at blanks; '~' is a blank within a
 * word. */
static void plan(const char *words)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	adopt_result_fini(&result);
	strbuf_adds(&sb, "/usr/bin/qemu-system-x86_64 ");
	strbuf_adds(&sb, words);
	if (*words)
		strbuf_adds(&sb, " ");
	for (size_t i = 0; i < sb.len; i++)
		sb.data[i] = sb.data[i] == ' ' ? '\0' : sb.data[i] == '~' ? ' ' : sb.data[i];
	adopt_plan(sb.data, sb.len, facts, &wishes, &result);
}

static void assert_taken(void)
{
	ck_assert_msg(result.refused->count == 0, "%s: %s", result.refused->list[0].pointer,
		      result.refused->list[0].detail);
}

static bool says(const struct faults *faults, const char *option, const char *words)
{
	for (size_t i = 0; i < faults->count && i < FAULT_MAX; i++) {
		if (strcmp(faults->list[i].pointer, option) == 0 &&
		    strstr(faults->list[i].detail, words))
			return true;
	}
	return false;
}

static void assert_refused(const char *option, const char *words)
{
	ck_assert_msg(says(result.refused, option, words), "%zu refused, not %s with '%s'; %s: %s",
		      result.refused->count, option, words, result.refused->list[0].pointer,
		      result.refused->list[0].detail);
}

static void assert_extra(const char *expected)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < result.def->extra_arg_count; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "", result.def->extra_args[i]);
	ck_assert_str_eq(strbuf_str(&sb), expected);
}

/* ---- the machine ------------------------------------------------------------ */

START_TEST(machine_is_what_qemu_says)
{
	plan("-M q35,accel=kvm,usb=on -name vm0,debug-threads=on -m 128 -nodefaults -daemonize "
	     "-pidfile /run/x -qmp unix:/run/q,server=on,wait=off -display none -S");
	assert_taken();
	ck_assert_str_eq(result.def->name, "vm0");
	ck_assert_str_eq(result.def->machine, "pc-q35-7.2");
	ck_assert_str_eq(result.def->machine_options, "usb=on");
	ck_assert_int_eq(result.def->accel, VM_DEF_ACCEL_TCG);
	ck_assert_str_eq(result.def->cpu_model, "qemu64");
	ck_assert_uint_eq(result.def->memory_mib, 128);
	ck_assert_uint_eq(result.notes->count, 0);
	assert_extra("");
}
END_TEST

START_TEST(disagreements_are_named_and_qemu_counts)
{
	plan("-name other -uuid 3f2b0000-0000-4000-8000-000000000002 -cpu host");
	assert_taken();
	ck_assert_str_eq(result.def->name, "vm0");
	ck_assert(says(result.notes, "-name", "'other', and QEMU 'vm0'"));
	ck_assert(says(result.notes, "-uuid", "QEMU counts"));
	ck_assert(says(result.notes, "-cpu", "QEMU 'qemu64'"));
	ck_assert_str_eq(result.def->cpu_model, "qemu64");
}
END_TEST

START_TEST(qemu_without_uuid_or_name_gets_them)
{
	snprintf(facts->uuid, sizeof(facts->uuid), "00000000-0000-0000-0000-000000000000");
	facts->name[0] = '\0';
	plan("");
	assert_refused("-name", "has no name");
	wishes.name = "given";
	plan("");
	assert_taken();
	ck_assert_str_eq(result.def->name, "given");
	ck_assert_str_eq(result.def->uuid, wishes.uuid);
	ck_assert(says(result.notes, "-uuid", "is given one"));
}
END_TEST

START_TEST(room_for_more_cpus_and_memory_is_kept)
{
	facts->vcpus = 2;
	plan("-smp 2,maxcpus=4 -m size=128M,slots=3,maxmem=2G -cpu qemu64,+ssse3");
	assert_taken();
	ck_assert_uint_eq(result.def->max_vcpus, 4);
	ck_assert_uint_eq(result.def->memory_slots, 3);
	ck_assert_uint_eq(result.def->max_memory_mib, 2048);
	ck_assert_str_eq(result.def->cpu_model, "qemu64,+ssse3");
	plan("-smp 2,sockets=2,cores=1");
	assert_taken();
	ck_assert_str_eq(result.def->machine_options, "smp.sockets=2,smp.cores=1");
	plan("-smp 1");
	assert_refused("-smp", "plugged in or out");
	plan("-smp 2,maxcpus=4,sockets=2");
	assert_refused("-smp", "maxcpus");
}
END_TEST

START_TEST(actions_become_members)
{
	plan("-no-reboot -action shutdown=pause,panic=none -watchdog-action poweroff");
	assert_taken();
	ck_assert_int_eq(result.def->actions.reboot, VM_DEF_REBOOT_SHUTDOWN);
	ck_assert_int_eq(result.def->actions.shutdown, VM_DEF_SHUTDOWN_PAUSE);
	ck_assert_int_eq(result.def->actions.panic, VM_DEF_PANIC_NONE);
	ck_assert_int_eq(result.def->actions.watchdog, VM_DEF_WATCHDOG_POWEROFF);
	ck_assert(says(result.notes, "-action", "until it is stopped"));
	plan("-no-shutdown");
	ck_assert(says(result.notes, "-no-shutdown", "until it is stopped"));
	plan("-action melt=down");
	assert_refused("-action", "melt");
}
END_TEST

/* ---- disks and NICs --------------------------------------------------------------- */

START_TEST(virtio_drive_becomes_a_disk_at_its_slot)
{
	add_device(ADOPT_ANONYMOUS, "device[0]", "virtio-blk-pci", 40, "pcie.0");
	*add_block("virtio0", "", "#block1", "/a,b", "raw") =
		(struct adopt_block){ .device = "virtio0",
				      .has_medium = true,
				      .file = "/a,b",
				      .format = "raw",
				      .readonly = true,
				      .direct = true };
	wishes.disks_shared = true;
	plan("-drive file=/a,,b,if=virtio,readonly=on,cache=none");
	assert_taken();
	ck_assert_uint_eq(result.def->disk_count, 1);
	ck_assert_str_eq(result.def->disks[0].path, "/a,b");
	ck_assert_str_eq(result.def->disks[0].pci_address, "0x5");
	ck_assert_int_eq(result.def->disks[0].cache, VM_DEF_DISK_CACHE_NONE);
	ck_assert(result.def->disks[0].readonly && result.def->disks[0].shared);
	ck_assert(says(result.notes, "-drive", "guessed by QEMU"));
	assert_extra("");
}
END_TEST

START_TEST(named_device_over_blockdev_becomes_a_disk)
{
	add_device(ADOPT_NAMED, "root", "virtio-blk-pci", 32, "pcie.0");
	add_block("", "/machine/peripheral/root/virtio-backend", "n", "/x", "qcow2");
	plan("-blockdev {\"driver\":\"qcow2\",\"node-name\":\"n\",\"file\":{\"driver\":\"file\","
	     "\"filename\":\"/x\"}} -device virtio-blk-pci,drive=n,id=root,bootindex=2");
	assert_taken();
	ck_assert_str_eq(result.def->disks[0].id, "root");
	ck_assert_int_eq(result.def->disks[0].format, VM_DEF_DISK_FORMAT_QCOW2);
	ck_assert_uint_eq(result.def->disks[0].boot_index, 2);
	assert_extra("");
}
END_TEST

START_TEST(disk_with_more_than_members_stays_as_arguments_and_is_pinned)
{
	add_device(ADOPT_ANONYMOUS, "device[0]", "virtio-blk-pci", 24, "pcie.0");
	add_block("d", "/machine/peripheral-anon/device[0]/virtio-backend", "", "/x", "raw");
	plan("-drive if=none,id=d,file=/x,format=raw -device virtio-blk,drive=d,serial=abc");
	assert_refused("-drive", "--disks-shared");
	wishes.disks_shared = true;
	plan("-drive if=none,id=d,file=/x,format=raw -device virtio-blk,drive=d,serial=abc");
	assert_taken();
	assert_extra("-drive if=none,id=d,file=/x,format=raw "
		     "-device driver=virtio-blk,drive=d,serial=abc,addr=0x3");
}
END_TEST

static void add_tap(const char *master, bool is_up)
{
	struct adopt_backend *tap;

	add_device(ADOPT_NAMED, "n", "virtio-net-pci", 16, "pcie.0");
	snprintf(facts->devices[facts->device_count - 1].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:57");
	add_backend(&facts->nets, "t", "tap", "tap7");
	tap = &facts->nets.list[facts->nets.count - 1];
	tap->has_link = true;
	tap->link.is_up = is_up;
	snprintf(tap->link.master, sizeof(tap->link.master), "%s", master);
}

#define TAP                                                     \
	"-netdev tap,id=t,ifname=tap7,script=no,downscript=no " \
	"-device virtio-net-pci,netdev=t,id=n"

/* No option of QEMU names the bridge: this host tells it, and the next host must repeat it. */
START_TEST(tap_has_the_bridge_that_it_is_in_now)
{
	add_tap("br0", true);
	plan(TAP);
	assert_taken();
	ck_assert_str_eq(result.def->nics[0].bridge, "br0");
	ck_assert(says(result.notes, "-netdev", "up and in bridge 'br0'"));
}
END_TEST

START_TEST(tap_that_is_down_and_in_no_bridge_is_said)
{
	add_tap("", false);
	plan(TAP);
	assert_taken();
	ck_assert_str_eq(result.def->nics[0].bridge, "");
	ck_assert(says(result.notes, "-netdev", "'tap7' is down now"));
	ck_assert(says(result.notes, "-netdev", "'tap7' is in no bridge now"));
}
END_TEST

START_TEST(nics_of_all_kinds_keep_slot_and_mac)
{
	add_device(ADOPT_NAMED, "n", "virtio-net-pci", 16, "pcie.0");
	add_backend(&facts->nets, "t", "tap", "tap7");
	snprintf(facts->devices[2].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:57");
	add_device(ADOPT_BOARD, "device[9]", "e1000e", 8, "pcie.0");
	snprintf(facts->devices[3].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:56");
	add_backend(&facts->forwards, "", "tcp:22-22", "");
	plan("-netdev tap,id=t,ifname=tap7,script=no,downscript=no -device "
	     "virtio-net-pci,netdev=t,id=n "
	     "-nic user,hostfwd=tcp::22-:22");
	assert_taken();
	ck_assert_str_eq(result.def->nics[0].ifname, "tap7");
	ck_assert_str_eq(result.def->nics[0].pci_address, "0x2");
	ck_assert_str_eq(result.def->nics[0].mac, "52:54:00:12:34:57");
	assert_extra("-netdev type=user,hostfwd=tcp::22-:22,id=net0 "
		     "-device e1000e,netdev=net0,mac=52:54:00:12:34:56,addr=0x1");
}
END_TEST

/* -nic makes a virtio NIC without MSI-X: on another host the NIC must have none either. */
START_TEST(virtio_nic_without_vectors_stays_without)
{
	add_device(ADOPT_BOARD, "device[9]", "virtio-net-pci", 16, "pcie.0");
	snprintf(facts->devices[2].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:56");
	facts->devices[2].vectors = 0;
	plan("-nic user,model=virtio");
	assert_taken();
	assert_extra("-netdev type=user,id=net0 "
		     "-device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,addr=0x2,vectors=0");
}
END_TEST

/* ---- what is so now ---------------------------------------------------------------- */

/* After a snapshot the command line names the base, which lacks the latest writes. */
START_TEST(drive_with_a_snapshot_since_is_its_overlay)
{
	add_device(ADOPT_NAMED, "vd0", "virtio-blk-pci", 24, "pcie.0");
	add_block("d0", "/machine/peripheral/vd0/virtio-backend", "#block7", "/o.qcow2", "qcow2");
	plan("-drive if=none,id=d0,file=/base.raw,format=raw -device "
	     "virtio-blk-pci,id=vd0,drive=d0");
	assert_taken();
	ck_assert_str_eq(result.def->disks[0].path, "/o.qcow2");
	ck_assert_int_eq(result.def->disks[0].format, VM_DEF_DISK_FORMAT_QCOW2);
	ck_assert(says(result.notes, "-drive", "'/base.raw', and QEMU has '/o.qcow2' open now"));
}
END_TEST

/* The same with -blockdev, as libvirt writes it: the nodes of the base are dropped with it. */
START_TEST(blockdev_with_a_snapshot_since_is_its_overlay)
{
	add_device(ADOPT_NAMED, "vd0", "virtio-blk-pci", 24, "pcie.0");
	add_block("", "/machine/peripheral/vd0/virtio-backend", "over", "/o.qcow2", "qcow2");
	plan("-blockdev driver=file,filename=/base.qcow2,node-name=l1s "
	     "-blockdev driver=qcow2,node-name=l1f,file=l1s -device "
	     "virtio-blk-pci,id=vd0,drive=l1f,bootindex=1");
	assert_taken();
	ck_assert_str_eq(result.def->disks[0].path, "/o.qcow2");
	ck_assert_int_eq(result.def->disks[0].boot_index, 1);
	assert_extra("");
}
END_TEST

/* A device that was unplugged and added again under its id may have another image. */
START_TEST(device_added_again_has_the_image_of_now)
{
	add_device(ADOPT_NAMED, "vd0", "virtio-blk-pci", 24, "pcie.0");
	add_block("", "/machine/peripheral/vd0/virtio-backend", "new", "/new.raw", "raw");
	facts->devices[2].has[ADOPT_SERIAL_NOW] = true;
	snprintf(facts->devices[2].now[ADOPT_SERIAL_NOW], 64, "s2");
	wishes.disks_shared = true;
	plan("-drive if=none,id=d0,file=/old.raw,format=raw "
	     "-device virtio-blk-pci,id=vd0,drive=d0,serial=s1");
	assert_taken();
	assert_extra("-device driver=virtio-blk-pci,id=vd0,drive=now0,serial=s2,addr=0x3 "
		     "-blockdev driver=raw,node-name=now0,read-only=off,file.driver=file,"
		     "file.filename=/new.raw,cache.direct=off,cache.no-flush=off");
}
END_TEST

START_TEST(image_that_no_path_opens_again_is_refused)
{
	add_device(ADOPT_NAMED, "vd0", "virtio-blk-pci", 24, "pcie.0");
	add_block("d0", "/machine/peripheral/vd0/virtio-backend", "#b", "json:{\"backing\":{}}",
		  "qcow2");
	plan("-drive if=none,id=d0,file=/a.raw,format=raw -device virtio-blk-pci,id=vd0,drive=d0");
	assert_refused("-drive", "a path alone");
	facts->blocks.jobs = 1;
	plan("");
	assert_refused("-drive", "1 block jobs");
}
END_TEST

/* Adds a CD drive with its tray; the node of a medium stands on the node of its file. */
static struct adopt_block *add_cd(const char *device, const char *qdev, const char *file)
{
	struct adopt_block *block = add_block(device, qdev, *file ? "#m" : "", file, "raw");
	struct adopt_node *at = &facts->blocks.nodes[facts->blocks.node_count++];

	block->has_tray = true;
	block->readonly = true;
	snprintf(at->file, sizeof(at->file), "%s", file);
	snprintf(at->driver, sizeof(at->driver), "file");
	return block;
}

static void assert_cd(size_t index, const char *id, int bus, const char *path)
{
	ck_assert_uint_lt(index, result.def->cdrom_count);
	ck_assert_str_eq(result.def->cdroms[index].id, id);
	ck_assert_int_eq(result.def->cdroms[index].bus, bus);
	ck_assert_str_eq(result.def->cdroms[index].path, path);
}

/* The CD may have been changed or taken out, also in the drive that QEMU adds by itself. */
START_TEST(medium_is_that_of_now)
{
	static const char *const lines[] = { "-cdrom /one.iso", "-cdrom one.iso", "",
					     "-drive file=/one.iso,if=none,id=cd,format=raw" };
	struct adopt_block *block;

	add_device(ADOPT_BOARD, "device[18]", "ide-cd", ADOPT_NO_PCI, "ide.2");
	block = add_cd("ide2-cd0", "/machine/unattached/device[18]", "/two.iso");
	for (int taken_out = 0; taken_out < 2; taken_out++) {
		block->has_medium = !taken_out;
		block->is_open = taken_out;
		for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
			plan(lines[i]);
			assert_taken();
			assert_cd(0, "ide2-cd0", VM_DEF_CDROM_BUS_SATA,
				  taken_out ? "" : "/two.iso");
			ck_assert_uint_eq(result.def->cdroms[0].unit, 2);
			ck_assert_int_eq(result.def->cdroms[0].tray, taken_out);
			ck_assert_int_eq(says(result.notes, "-drive", "QEMU counts"),
					 i < 2 || !taken_out);
			assert_extra("");
		}
	}
}
END_TEST

/* The IDE of i440fx has two channels of two units; the disk beside the CD keeps its place. */
START_TEST(cd_of_i440fx_keeps_its_unit_and_so_does_the_disk)
{
	snprintf(facts->machine, sizeof(facts->machine), "pc-i440fx-7.2");
	add_device(ADOPT_BOARD, "device[18]", "ide-cd", ADOPT_NO_PCI, "ide.0");
	add_device(ADOPT_BOARD, "device[19]", "ide-hd", ADOPT_NO_PCI, "ide.0");
	add_device(ADOPT_NAMED, "c", "ide-cd", ADOPT_NO_PCI, "ide.1");
	facts->devices[4].units[ADOPT_UNIT] = 1;
	facts->devices[4].has[ADOPT_BOOTINDEX_NOW] = true;
	snprintf(facts->devices[4].now[ADOPT_BOOTINDEX_NOW], 64, "1");
	add_cd("ide0-cd0", "/machine/unattached/device[18]", "/one.iso");
	add_block("ide0-hd1", "", "#d", "/d", "raw")->readonly = true;
	add_cd("", "c", "/two.iso");
	plan("-drive file=/one.iso,media=cdrom -drive file=/d,format=raw,readonly=on "
	     "-blockdev driver=file,filename=/two.iso,node-name=p -blockdev "
	     "driver=raw,node-name=#m,file=p -device ide-cd,bus=ide.1,unit=1,drive=#m,id=c,"
	     "bootindex=1");
	assert_taken();
	assert_cd(0, "ide0-cd0", VM_DEF_CDROM_BUS_IDE, "/one.iso");
	assert_cd(1, "c", VM_DEF_CDROM_BUS_IDE, "/two.iso");
	ck_assert_uint_eq(result.def->cdroms[0].unit, 0);
	ck_assert_uint_eq(result.def->cdroms[1].unit, 3);
	ck_assert(result.def->cdroms[1].has_boot_index && !result.def->cdroms[0].has_boot_index);
	assert_extra("-drive file=/d,format=raw,readonly=on,index=1");
}
END_TEST

#define SCSI                                    \
	"-device virtio-scsi-pci,id=s0 -drive " \
	"if=none,id=d,file=/one.iso,media=cdrom -device "

static void add_scsi_cd(const char *owner)
{
	struct adopt_device *cd;

	add_device(ADOPT_NAMED, "s0", "virtio-scsi-pci", 40, "pcie.0");
	add_device(ADOPT_NAMED, "c", "scsi-cd", ADOPT_NO_PCI, "s0.0");
	cd = &facts->devices[facts->device_count - 1];
	snprintf(cd->bus_owner, sizeof(cd->bus_owner), "%s", owner);
	snprintf(cd->device_id, sizeof(cd->device_id), "d");
	add_cd("d", "c", "/one.iso");
}

/* The guest calls the drive by its device_id, which QEMU makes of the name of a -drive. */
START_TEST(cd_of_scsi_brings_its_controller)
{
	add_scsi_cd("/machine/peripheral/s0/virtio-backend");
	plan(SCSI "scsi-cd,drive=d,id=c,bus=s0.0");
	assert_taken();
	assert_cd(0, "c", VM_DEF_CDROM_BUS_SCSI, "/one.iso");
	ck_assert_str_eq(result.def->cdroms[0].pci_address, "0x5");
	ck_assert_str_eq(result.def->cdroms[0].device_id, "d");
	assert_extra("");
	add_device(ADOPT_NAMED, "other", "scsi-hd", ADOPT_NO_PCI, "s0.0");
	facts->devices[4] = facts->devices[3];
	snprintf(facts->devices[4].name, 64, "other");
	snprintf(facts->devices[4].type, 64, "scsi-hd");
	plan(SCSI "scsi-cd,drive=d,id=c,bus=s0.0 -device scsi-hd,id=other,bus=s0.0");
	assert_refused("-device", "not alone");
}
END_TEST

/* query-block lists drives without a name in the order in which QEMU made them. */
START_TEST(cds_without_names_are_in_the_order_of_qemu)
{
	add_device(ADOPT_ANONYMOUS, "device[0]", "ide-cd", ADOPT_NO_PCI, "ide.4");
	add_device(ADOPT_ANONYMOUS, "device[1]", "ide-cd", ADOPT_NO_PCI, "ide.1");
	add_cd("", "/machine/peripheral-anon/device[1]", "");
	add_cd("", "/machine/peripheral-anon/device[0]", "/one.iso");
	plan("-device ide-cd,bus=ide.4 -device ide-cd,bus=ide.1");
	assert_taken();
	assert_cd(0, "cd0", VM_DEF_CDROM_BUS_SATA, "");
	assert_cd(1, "cd1", VM_DEF_CDROM_BUS_SATA, "/one.iso");
	ck_assert_uint_eq(result.def->cdroms[0].unit, 1);
	ck_assert_uint_eq(result.def->cdroms[1].unit, 4);
}
END_TEST

/* A refusal names the drive, and says what is wrong or what to do. */
START_TEST(cd_that_cannot_be_repeated_is_refused)
{
	static const struct {
		const char *file, *bus, *owner, *more, *why;
	} cases[] = {
		{ "nbd://h/x", "ide.2", "", "", "eject it" },
		{ "rel.iso", "ide.2", "", "", "eject it" },
		{ "/proc/7/fd/3", "ide.2", "", "", "eject it" },
		{ "/a.iso", "ahci0.2", "/machine/peripheral/ahci0", "", "is on 'ahci0.2'" },
		{ "/a.iso", "ide.2", "", ",wwn=7", "has 'wwn'" },
		{ "/a.iso", "ide.2", "", ",rerror=stop", "rerror" },
		{ "/a.iso", "ide.2", "", ",serial=QM00009", "serial number ('QM00009')" },
		{ "/a.iso", "ide.2", "", ",serial=QM00005", NULL },
	};

	add_device(ADOPT_NAMED, "c", "ide-cd", ADOPT_NO_PCI, "ide.2");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct adopt_device *cd = &facts->devices[facts->device_count - 1];
		CLEANUP(free_charp) char *line = NULL;

		facts->blocks.count = facts->blocks.node_count = 0;
		add_cd("", "c", cases[i].file);
		snprintf(cd->bus, sizeof(cd->bus), "%s", cases[i].bus);
		snprintf(cd->bus_owner, sizeof(cd->bus_owner), "%s", cases[i].owner);
		line = xasprintf("-device ide-cd,id=c,bus=%s%s", cases[i].bus, cases[i].more);
		cd->has[ADOPT_SERIAL_NOW] = strncmp(cases[i].more, ",serial=", 8) == 0;
		if (cd->has[ADOPT_SERIAL_NOW])
			snprintf(cd->now[ADOPT_SERIAL_NOW], 64, "%s", cases[i].more + 8);
		plan(line);
		if (!cases[i].why) { /* a serial number as QEMU makes it */
			assert_taken();
			continue;
		}
		assert_refused("-device", "the CD drive 'c'");
		assert_refused("-device", cases[i].why);
		ck_assert_uint_eq(result.refused->count, 1);
	}
	facts->blocks.node_count = 1; /* /a.iso is no file: a device of the host */
	plan("-device ide-cd,id=c,bus=ide.2");
	assert_refused("-device", "no raw or qcow2 image in a file");
}
END_TEST

START_TEST(limits_cache_and_readonly_are_those_of_now)
{
	struct adopt_block *block;

	add_device(ADOPT_NAMED, "vd0", "virtio-blk-pci", 24, "pcie.0");
	block = add_block("d0", "/machine/peripheral/vd0/virtio-backend", "#b", "/a", "raw");
	block->limits[0] = 1000000;
	block->direct = block->readonly = true;
	snprintf(block->group, sizeof(block->group), "d0");
	plan("-drive if=none,id=d0,file=/a,format=raw,iops=5 "
	     "-device virtio-blk-pci,id=vd0,drive=d0");
	assert_taken();
	assert_extra("-drive if=none,id=d0,file=/a,format=raw,readonly=on,cache=none,"
		     "throttling.bps-total=1000000 "
		     "-device driver=virtio-blk-pci,id=vd0,drive=d0,addr=0x3");
	block->device[0] = '\0';
	snprintf(block->node, sizeof(block->node), "n");
	plan("-blockdev driver=raw,node-name=n,file.driver=file,file.filename=/a "
	     "-device virtio-blk-pci,id=vd0,drive=n");
	assert_refused("-blockdev", "throttled");
}
END_TEST

START_TEST(network_and_character_device_are_those_of_now)
{
	add_device(ADOPT_NAMED, "n", "virtio-net-pci", 16, "pcie.0");
	snprintf(facts->devices[2].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:99");
	facts->devices[2].has[ADOPT_NETDEV_NOW] = true;
	snprintf(facts->devices[2].now[ADOPT_NETDEV_NOW], 64, "t");
	add_backend(&facts->nets, "t", "tap", "tap8");
	add_backend(&facts->chardevs, "c", "unix:/run/other,server=on", "");
	plan("-netdev tap,id=t,ifname=tap7,script=no,downscript=no "
	     "-device virtio-net-pci,netdev=t,id=n,mac=52:54:00:12:34:57");
	assert_taken();
	ck_assert_str_eq(result.def->nics[0].ifname, "tap8");
	ck_assert(says(result.notes, "-netdev", "'tap8' is not among the interfaces"));
	ck_assert_str_eq(result.def->nics[0].bridge, "");
	ck_assert_str_eq(result.def->nics[0].mac, "52:54:00:12:34:99");
	plan("-netdev user,id=t -netdev user,id=u -device virtio-net-pci,netdev=u,id=n");
	assert_refused("-netdev", "of type 'user' on the command line, and of 'tap' now");
	assert_refused("-netdev", "no network 'u'");
	snprintf(facts->devices[2].now[ADOPT_NETDEV_NOW], 64, "late");
	plan("-netdev tap,id=t,ifname=tap8,script=no,downscript=no "
	     "-device virtio-net-pci,netdev=t,id=n");
	assert_refused("-device", "'late' now");
	plan("-chardev socket,id=c,path=/run/c,server=on,wait=off");
	assert_refused("-chardev", "'unix:/run/other,server=on' now");
}
END_TEST

/* ---- what QEMU adds by itself ------------------------------------------------------- */

START_TEST(default_devices_are_written_out)
{
	add_device(ADOPT_BOARD, "device[20]", "VGA", 8, "pcie.0");
	add_device(ADOPT_BOARD, "device[21]", "e1000e", 16, "pcie.0");
	snprintf(facts->devices[3].mac, VM_DEF_MAC_SIZE, "52:54:00:12:34:56");
	add_device(ADOPT_BOARD, "device[10]", "isa-serial", ADOPT_NO_PCI, "isa.0");
	add_device(ADOPT_BOARD, "device[11]", "isa-parallel", ADOPT_NO_PCI, "isa.0");
	add_device(ADOPT_BOARD, "device[18]", "ide-cd", ADOPT_NO_PCI, "ide.2");
	add_cd("ide2-cd0", "/machine/unattached/device[18]", "");
	plan("-display none");
	assert_taken();
	assert_extra("-netdev type=user,id=net0 "
		     "-device e1000e,netdev=net0,mac=52:54:00:12:34:56,addr=0x2 "
		     "-device VGA,addr=0x1 -serial null -parallel null");
	assert_cd(0, "ide2-cd0", VM_DEF_CDROM_BUS_SATA, "");
}
END_TEST

START_TEST(device_that_no_option_explains_is_refused)
{
	add_device(ADOPT_NAMED, "hot", "virtio-rng-pci", 48, "pcie.0");
	plan("");
	assert_refused("-device", "'hot' (virtio-rng-pci)");
	plan("-device virtio-rng-pci,id=hot -device virtio-rng-pci,id=gone");
	assert_refused("-device", "taken out later");
	facts->device_count--;
	add_device(ADOPT_BOARD, "device[7]", "exotic", 48, "pcie.0");
	plan("");
	assert_refused("-machine", "'exotic' at PCI slot 0x6");
	facts->device_count--;
	add_device(ADOPT_BOARD, "device[7]", "ide-cd", ADOPT_NO_PCI, "ide.2");
	add_device(ADOPT_BOARD, "device[8]", "ide-hd", ADOPT_NO_PCI, "ide.1");
	plan("");
	assert_refused("-drive", "explains 0");
}
END_TEST

/* ---- consoles and monitors ------------------------------------------------------------- */

START_TEST(serial_lines_become_members_or_stay)
{
	add_device(ADOPT_BOARD, "device[10]", "isa-serial", ADOPT_NO_PCI, "isa.0");
	add_backend(&facts->chardevs, "c", "disconnected:unix:/run/c", "");
	plan("-chardev socket,id=c,path=/run/c,reconnect=1 -serial chardev:c");
	assert_taken();
	ck_assert_int_eq(result.def->serial.type, VM_DEF_SERIAL_TYPE_SOCKET);
	ck_assert_str_eq(result.def->serial.path, "/run/c");
	assert_extra("");
	plan("-serial file:/var/log/c");
	ck_assert_int_eq(result.def->serial.type, VM_DEF_SERIAL_TYPE_FILE);
	plan("-serial mon:stdio");
	assert_taken();
	assert_extra("-serial null");
	ck_assert(says(result.notes, "-serial", "goes nowhere"));
	plan("-serial unix:/run/s,server=on,wait=off");
	assert_extra("-serial unix:/run/s,server=on,wait=off");
	plan("-serial chardev:c -serial chardev:d");
	assert_refused("-serial", "explains 2");
}
END_TEST

START_TEST(chardev_of_a_monitor_goes_with_it)
{
	add_backend(&facts->chardevs, "m", "unix:/run/m,server=on", "");
	plan("-chardev socket,id=m,path=/run/m,server=on,wait=off -mon chardev=m,mode=control "
	     "-monitor unix:/run/h,server=on,wait=off");
	assert_taken();
	assert_extra("");
	ck_assert(says(result.notes, "-monitor", "2 monitors"));
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------ */

START_TEST(option_that_cannot_be_repeated_is_refused_by_name)
{
	static const struct {
		const char *words, *option, *why;
	} cases[] = {
		{ "-snapshot", "-snapshot", "temporary file" },
		{ "-frobnicate 3", "-frobnicate", "does not know" },
		{ "--gdb tcp::1", "-gdb", "debugger" },
		{ "-device vfio-pci,host=1", "-device", "this host" },
		{ "-device nvme,drive=x", "-device", "cannot move" },
		{ "-device frob", "-device", "'frob'" },
		{ "-device", "-device", "missing" },
		{ "-drive file=x.img,format=raw", "-drive", "relative" },
		{ "-drive file=/x,if=pflash,format=raw", "-drive", "if=pflash" },
		{ "-drive file=/x,format=raw,snapshot=on", "-drive", "temporary" },
		{ "-drive file=/x", "-drive", "no drive 'ide0-hd0'" },
		{ "x.img", "-hda", "relative" },
		{ "-netdev tap,id=x", "-netdev", "script=no" },
		{ "-netdev tap,id=x,fd=3", "-netdev", "'fd'" },
		{ "-netdev bridge,id=x", "-netdev", "'bridge'" },
		{ "-nic user,smb=/x", "-nic", "'smb'" },
		{ "-net user", "-net", "use -nic" },
		{ "-machine q35,nvdimm=on", "-machine", "'nvdimm'" },
		{ "-machine q35,pflash0=code,pflash1=vars", "-machine", "'pflash0'" },
		{ "-object secret,id=s,data=x", "-object", "'secret'" },
		{ "-chardev spicevmc,id=s", "-chardev", "'spicevmc'" },
		{ "-chardev socket,id=s,fd=3", "-chardev", "descriptor" },
		{ "-serial msmouse", "-serial", "'msmouse'" },
		{ "-display gtk", "-display", "-vnc" },
		{ "-kernel bzImage", "-kernel", "relative" },
		{ "-m 128,slots=2", "-m", "slots and maxmem" },
		{ "-m 128,maxmem=1000b,slots=1", "-m", "slots and maxmem" },
		{ "-smp cpus=1,books=2", "-smp", "'books'" },
		{ "-device {\"driver\":", "-device", "JSON" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		plan(cases[i].words);
		assert_refused(cases[i].option, cases[i].why);
	}
}
END_TEST

/* A hot-plugged object would be on the command line only until the next start. */
START_TEST(objects_added_or_removed_later_are_refused)
{
	add_backend(&facts->objects, "pc.ram", "memory-backend-ram", "");
	add_backend(&facts->objects, "compat_monitor0", "monitor-qmp", "");
	add_backend(&facts->objects, "io0", "iothread", "");
	plan("-object iothread,id=io0");
	assert_taken();
	add_backend(&facts->objects, "tg0", "throttle-group", "");
	plan("-object {\"qom-type\":\"iothread\",\"id\":\"io0\"} -object iothread,id=io1");
	assert_refused("-object", "'tg0' (throttle-group) was added");
	assert_refused("-object", "'io1' was removed");
}
END_TEST

/* The objects keep their names, and so do the blocks of memory that a move sends. */
START_TEST(numa_nodes_are_kept_as_they_are)
{
	add_backend(&facts->objects, "ram-node0", "memory-backend-memfd", "");
	plan("-object memory-backend-memfd,id=ram-node0,size=134217728 "
	     "-numa node,nodeid=0,cpus=0,memdev=ram-node0");
	assert_taken();
	assert_extra("-object memory-backend-memfd,id=ram-node0,size=134217728 "
		     "-numa node,nodeid=0,cpus=0,memdev=ram-node0");
}
END_TEST

START_TEST(vnc_on_another_port_than_at_its_start_is_refused)
{
	add_backend(&facts->vnc, "default", "5977", "");
	add_backend(&facts->vnc, "second", "5999", "");
	plan("-vnc 127.0.0.1:77,password=on -vnc :99,id=second,websocket=on -vnc unix:/run/v");
	assert_taken();
	plan("-vnc 127.0.0.1:78");
	assert_refused("-vnc", "port 5978");
	/* With to= QEMU chose the port. */
	plan("-vnc 127.0.0.1:76,to=9 -vnc none");
	assert_taken();
}
END_TEST

START_TEST(ports_opened_or_closed_later_are_refused)
{
	add_backend(&facts->nets, "n0", "user", "");
	add_backend(&facts->forwards, "", "tcp:2222-22", "");
	add_backend(&facts->forwards, "", "udp:5353-53", "");
	plan("-netdev user,id=n0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::5353-10.0.2.15:53 "
	     "-device e1000,netdev=n0,id=e0");
	ck_assert(!says(result.refused, "-netdev", ""));
	plan("-netdev user,id=n0,hostfwd=tcp::2223-:22,hostfwd=udp::5353-:53");
	assert_refused("-netdev", "hostfwd=tcp::2223-:22 was removed");
	plan("-netdev user,id=n0,hostfwd=tcp::2222-:22");
	assert_refused("-netdev", "2 ports of the host lead to the guest");
}
END_TEST

/* All refusals come at once: an operator should not have to try again for each. */
START_TEST(refusals_come_together)
{
	plan("-snapshot -usbdevice tablet -frobnicate");
	ck_assert_uint_eq(result.refused->count, 3);
}
END_TEST

START_TEST(other_machine_is_refused)
{
	snprintf(facts->machine, sizeof(facts->machine), "microvm");
	facts->memory_bytes += 1;
	facts->plugged_bytes = 1u << 20;
	plan("");
	assert_refused("-machine", "'microvm'");
	assert_refused("-m", "whole number");
	assert_refused("-m", "plugged in later");
}
END_TEST

START_TEST(program_that_is_no_qemu_is_refused)
{
	static const char socat[] = "/usr/bin/socat\0-\0unix:/x";
	static const char loader[] = "/lib64/ld-linux-x86-64.so.2\0--library-path\0/l\0--argv0\0q\0"
				     "/opt/qemu-system-x86_64\0-L\0/share\0-snapshot";

	adopt_plan(socat, sizeof(socat), facts, &wishes, &result);
	assert_refused("", "'socat'");
	adopt_result_fini(&result);
	adopt_plan("", 0, facts, &wishes, &result);
	assert_refused("", "no QEMU");
	adopt_result_fini(&result);
	adopt_plan(loader, sizeof(loader), facts, &wishes, &result);
	ck_assert_uint_eq(result.refused->count, 1);
	assert_refused("-snapshot", "");
}
END_TEST

START_TEST(more_than_a_definition_holds_is_refused)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	for (int i = 0; i < 300; i++)
		strbuf_adds(&sb, i ? " -k de" : "-k de");
	plan(strbuf_str(&sb));
	assert_refused("-k", "more than 256");
	assert_refused("-k", "room for 64");
}
END_TEST

/* ---- facts --------------------------------------------------------------------------------- */

static bool take(const char *command, const char *path, const char *json, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(json);

	return adopt_facts_take(facts, command, path, obj, err);
}

START_TEST(answers_are_taken_as_they_are)
{
	struct err err;

	facts->device_count = 0;
	ck_assert(take("query-name", NULL, "{}", &err));
	ck_assert_str_eq(facts->name, "");
	ck_assert(take("qom-get", "/machine", "\"pc-i440fx-7.2-machine\"", &err));
	ck_assert_str_eq(facts->machine, "pc-i440fx-7.2");
	ck_assert(take("query-migrate", NULL, "{\"status\":\"active\"}", &err));
	ck_assert_int_eq(facts->migration, QMP_MIG_ACTIVE);
	ck_assert(take("qom-list", "/machine/unattached",
		       "[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"irq[0]\",\"type\":"
		       "\"child<irq>\"},{\"name\":\"device[12]\",\"type\":\"child<VGA>\"}]",
		       &err));
	ck_assert_uint_eq(facts->device_count, 1);
	ck_assert_str_eq(facts->devices[0].type, "VGA");
	ck_assert_uint_eq(facts->devices[0].number, 12);
	ck_assert(!take("qom-get", "/machine", "\"nonsense\"", &err));
	ck_assert(!take("query-cpus-fast", NULL, "{}", &err) || facts->vcpus);
	ck_assert(!take("query-memory-size-summary", NULL, "[]", &err));
	ck_assert(take("query-block", NULL,
		       "[{\"device\":\"\",\"qdev\":\"/machine/peripheral/a/x\",\"inserted\":{"
		       "\"file\":\"/f\",\"drv\":\"raw\",\"ro\":true,\"bps\":7,\"cache\":{"
		       "\"direct\":true}}},{\"device\":\"cd\"}]",
		       &err));
	ck_assert_uint_eq(facts->blocks.count, 2);
	ck_assert(facts->blocks.list[0].readonly && facts->blocks.list[0].direct);
	ck_assert_uint_eq(facts->blocks.list[0].limits[0], 7);
	ck_assert(!facts->blocks.list[1].has_medium);
	ck_assert(take("human-monitor-command", "info network",
		       "\"hub 0\\r\\n \\\\ n0: index=0,type=tap,ifname=tap3,script=no\\r\\n"
		       "c: index=0,type=nic,model=e1000e\\r\\n\"",
		       &err));
	ck_assert_uint_eq(facts->nets.count, 1);
	ck_assert_str_eq(adopt_backend_find(facts, "n0")->ifname, "tap3");
	ck_assert(take("human-monitor-command", "info usernet",
		       "\"Hub -1 (n0):\\r\\n  Protocol[State]    FD  Source Address  Port\\r\\n"
		       "  TCP[HOST_FORWARD]  14       127.0.0.1 2222  10.0.2.15    22     0     0"
		       "\\r\\n  TCP[ESTABLISHED]   15       10.0.2.15 44444  1.2.3.4    80    0   0"
		       "\\r\\n  UDP[HOST_FORWARD]  16               * 5353  10.0.2.15    53     0  "
		       "   0"
		       "\\r\\n\"",
		       &err));
	ck_assert_uint_eq(facts->forwards.count, 2);
	ck_assert_str_eq(facts->forwards.list[0].type, "tcp:2222-22");
	ck_assert_str_eq(facts->forwards.list[1].type, "udp:5353-53");
	ck_assert(take("query-vnc-servers", NULL,
		       "[{\"id\":\"default\",\"server\":[{\"service\":\"5977\"}]}]", &err));
	ck_assert(adopt_vnc_listens(facts, "default", "5977"));
	ck_assert(take("qom-list", "/objects",
		       "[{\"name\":\"type\",\"type\":\"string\"},"
		       "{\"name\":\"io0\",\"type\":\"child<iothread>\"}]",
		       &err));
	ck_assert_str_eq(adopt_object_find(facts, "io0")->type, "iothread");
}
END_TEST

/* ---- what can have changed -------------------------------------------------------- */

static bool is_question(bool is_hmp, const char *command)
{
	struct refused_verdict verdict;

	if (is_hmp)
		refused_judge_hmp(command, &verdict);
	else
		refused_judge_qmp(command, NULL, &verdict);
	return verdict.class == REFUSED_CLASS_QUERY;
}

static char *read_text(const char *name)
{
	const char *dir = getenv("srcdir");
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir ? dir : ".", name);
	struct err err = { 0 };
	char *text = NULL;
	size_t len;

	ck_assert_msg(file_read(path, 1 << 20, &text, &len, &err), "%s", err.msg);
	return text;
}

/* A change that adopt/changes.c does not list would be lost: the VM would be adopted without
 * it. */
START_TEST(what_qemu_can_change_has_a_row)
{
	static const char *const files[] = { "7.2/commands-qmp",  "7.2/commands-hmp",
					     "10.0/commands-qmp", "10.0/commands-hmp",
					     "11.1/commands-qmp", "11.1/commands-hmp" };
	CLEANUP(free_charp) char *name = xasprintf("tests/data/qmp/%s.txt", files[_i]);
	CLEANUP(free_charp) char *text = read_text(name);
	char *at = text;

	for (char *command; (command = strsep(&at, "\n"));) {
		if (*command && !is_question(_i % 2, command))
			ck_assert_msg(adopt_change_find(command),
				      "%s has '%s': give it a row in adopt/changes.c", files[_i],
				      command);
	}
}
END_TEST

/* Each row of adopt/changes.c names the question that reads the change, or why none does, and
 * the documentation says the same. */
START_TEST(each_change_is_read_or_explained_and_documented)
{
	CLEANUP(free_charp) char *doc = read_text("doc/api.md");

	for (size_t i = 0; i < adopt_change_count; i++) {
		const struct adopt_change *change = &adopt_changes[i];
		CLEANUP(free_charp) char *row = NULL;

		ck_assert_msg(!change->now == (change->why != NULL), "%s", change->commands);
		ck_assert_msg(!change->now || adopt_facts_asks(change->now), "%s", change->now);
		if (!change->what)
			continue;
		row = change->now ? xasprintf("| %s | `%s` |", change->what, change->now)
				  : xasprintf("| %s | %s |", change->what, change->why);
		ck_assert_msg(strstr(doc, row), "doc/api.md lacks: %s", row);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("adopt_plan");
	TCase *tc = tcase_create("plan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, machine_is_what_qemu_says);
	tcase_add_test(tc, disagreements_are_named_and_qemu_counts);
	tcase_add_test(tc, qemu_without_uuid_or_name_gets_them);
	tcase_add_test(tc, room_for_more_cpus_and_memory_is_kept);
	tcase_add_test(tc, actions_become_members);
	tcase_add_test(tc, virtio_drive_becomes_a_disk_at_its_slot);
	tcase_add_test(tc, named_device_over_blockdev_becomes_a_disk);
	tcase_add_test(tc, disk_with_more_than_members_stays_as_arguments_and_is_pinned);
	tcase_add_test(tc, tap_has_the_bridge_that_it_is_in_now);
	tcase_add_test(tc, tap_that_is_down_and_in_no_bridge_is_said);
	tcase_add_test(tc, nics_of_all_kinds_keep_slot_and_mac);
	tcase_add_test(tc, virtio_nic_without_vectors_stays_without);
	tcase_add_test(tc, drive_with_a_snapshot_since_is_its_overlay);
	tcase_add_test(tc, blockdev_with_a_snapshot_since_is_its_overlay);
	tcase_add_test(tc, device_added_again_has_the_image_of_now);
	tcase_add_test(tc, image_that_no_path_opens_again_is_refused);
	tcase_add_test(tc, medium_is_that_of_now);
	tcase_add_test(tc, cd_of_i440fx_keeps_its_unit_and_so_does_the_disk);
	tcase_add_test(tc, cd_of_scsi_brings_its_controller);
	tcase_add_test(tc, cds_without_names_are_in_the_order_of_qemu);
	tcase_add_test(tc, cd_that_cannot_be_repeated_is_refused);
	tcase_add_test(tc, limits_cache_and_readonly_are_those_of_now);
	tcase_add_test(tc, network_and_character_device_are_those_of_now);
	tcase_add_test(tc, default_devices_are_written_out);
	tcase_add_test(tc, device_that_no_option_explains_is_refused);
	tcase_add_test(tc, serial_lines_become_members_or_stay);
	tcase_add_test(tc, chardev_of_a_monitor_goes_with_it);
	tcase_add_test(tc, option_that_cannot_be_repeated_is_refused_by_name);
	tcase_add_test(tc, objects_added_or_removed_later_are_refused);
	tcase_add_test(tc, numa_nodes_are_kept_as_they_are);
	tcase_add_test(tc, vnc_on_another_port_than_at_its_start_is_refused);
	tcase_add_test(tc, ports_opened_or_closed_later_are_refused);
	tcase_add_test(tc, refusals_come_together);
	tcase_add_test(tc, other_machine_is_refused);
	tcase_add_test(tc, program_that_is_no_qemu_is_refused);
	tcase_add_test(tc, more_than_a_definition_holds_is_refused);
	tcase_add_test(tc, answers_are_taken_as_they_are);
	tcase_add_loop_test(tc, what_qemu_can_change_has_a_row, 0, 6);
	tcase_add_test(tc, each_change_is_read_or_explained_and_documented);
	suite_add_tcase(s, tc);
	return s;
}
