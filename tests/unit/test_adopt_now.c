/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has changed since QEMU was started: its definition is that of now. */
#include "adopt_rig.h"

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

Suite *suite(void)
{
	Suite *s = suite_create("adopt_now");
	TCase *tc = tcase_create("now");

	tcase_add_checked_fixture(tc, setup, teardown);
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
	suite_add_tcase(s, tc);
	return s;
}
