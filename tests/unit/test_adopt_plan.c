/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of a QEMU as the definition of a VM, and what cannot be repeated. */
#include "adopt_rig.h"

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
	suite_add_tcase(s, tc);
	return s;
}
