/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "cmdline/cmdline.h"

static struct vm_def *def;
static const struct cmdline_fds fds = {
	{ 7, 8 }, 9, 15, { 10, 11, 12, 13 }, { -1, -1, -1, -1, -1, -1, -1, -1 }, 14
};

static void load(const char *json)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(json, strlen(json), &json_limits_default, faults);
	struct err err;

	ck_assert_ptr_nonnull(obj);
	ck_assert_msg(vm_def_decode(obj, def, faults), "%s: %s", faults->list[0].pointer,
		      faults->list[0].detail);
	ck_assert(vm_def_normalize(def, &err));
	faults_free(faults);
}

static void setup(void)
{
	def = xnew(struct vm_def);
}

static void teardown(void)
{
	free(def);
}

/* Is OPTION VALUE in the command line?  A NULL value: OPTION with any value or none. */
static bool has(const struct cmdline *cl, const char *option, const char *value)
{
	for (const char *const *arg = cmdline_argv(cl); *arg; arg++) {
		if (strcmp(arg[0], option) == 0 &&
		    (!value || (arg[1] && strcmp(arg[1], value) == 0)))
			return true;
	}
	return false;
}

static struct qemu_features features;

static struct cmdline *build_with(const struct cmdline_fds *inherited, bool incoming)
{
	return cmdline_build(&(struct cmdline_args){
		.def = def,
		.binary = "qemu",
		.features = &features,
		.pid_file = "/run/pid",
		.vnc_path = "/run/a,b/vnc.sock",
		.fds = inherited,
		.incoming = incoming ? CMDLINE_INCOMING_DEFER : CMDLINE_INCOMING_NONE,
	});
}

static struct cmdline *build(bool incoming)
{
	return build_with(&fds, incoming);
}

/* It gets its memory before anything else, at a socket of its own. */
START_TEST(qemu_that_takes_memory_over_waits_for_it_first)
{
	struct cmdline *cl;

	load("{\"name\":\"v\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64}");
	cl = cmdline_build(&(struct cmdline_args){
		.def = def,
		.binary = "qemu",
		.features = &features,
		.pid_file = "/run/pid",
		.vnc_path = "/run/a,b/vnc.sock",
		.fds = &fds,
		.incoming = CMDLINE_INCOMING_CPR,
		.cpr_path = "/run/cpr",
	});
	ck_assert(has(cl, "-incoming", "defer"));
	ck_assert(has(cl, "-incoming",
		      "{\"channel-type\":\"cpr\",\"addr\":{\"transport\":\"socket\",\"type\":"
		      "\"unix\",\"path\":\"/run/cpr\"}}"));
	ck_assert(has(cl, "-S", NULL));
	cmdline_free(cl);
}
END_TEST

#define SMALL "{\"name\":\"v\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64"

/* The node of the variables is found again by its name when they are copied. */
START_TEST(firmware_is_two_flash_memories)
{
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"tcg\",\"machine_options\":\"smm=on\","
		   "\"firmware\":{\"code\":\"/c,d\",\"vars\":\"/v\"}}");
	cl = build(true);
	ck_assert(has(cl, "-machine",
		      "pc-q35-7.2,accel=tcg,smm=on,pflash0=firmware-code-node,"
		      "pflash1=firmware-vars-node"));
	ck_assert(has(cl, "-blockdev",
		      "{\"driver\":\"raw\",\"node-name\":\"firmware-code-node\",\"read-only\":true,"
		      "\"file\":{\"driver\":\"file\",\"filename\":\"/c,d\"}}"));
	ck_assert(
		has(cl, "-blockdev",
		    "{\"driver\":\"raw\",\"node-name\":\"firmware-vars-node\",\"read-only\":false,"
		    "\"file\":{\"driver\":\"file\",\"filename\":\"/v\"}}"));
	cmdline_free(cl);
	load(SMALL "}");
	cl = build(false);
	ck_assert(!has(cl, "-blockdev", NULL));
	cmdline_free(cl);
}
END_TEST

START_TEST(tpm_is_at_the_other_end_of_a_descriptor)
{
	struct cmdline *cl;

	load(SMALL ",\"tpm\":{\"model\":\"tpm-crb\"}}");
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=migrd-tpm,fd=14"));
	ck_assert(has(cl, "-tpmdev", "emulator,id=migrd-tpm,chardev=migrd-tpm"));
	ck_assert(has(cl, "-device", "tpm-crb,tpmdev=migrd-tpm"));
	cmdline_free(cl);
	load(SMALL ",\"tpm\":{\"model\":\"none\"}}");
	cl = build(false);
	ck_assert(!has(cl, "-tpmdev", NULL));
	cmdline_free(cl);
}
END_TEST

/* The daemon lets the guest run: QEMU must not do it by itself, on either side of a move. */
START_TEST(any_vm_starts_stopped)
{
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"tcg\"}");
	cl = build(false);
	ck_assert_str_eq(cmdline_argv(cl)[0], "qemu");
	ck_assert(has(cl, "-S", NULL));
	ck_assert(!has(cl, "-incoming", NULL));
	ck_assert(has(cl, "-machine", "pc-q35-7.2,accel=tcg"));
	ck_assert(has(cl, "-m", "64M"));
	ck_assert(has(cl, "-pidfile", "/run/pid"));
	cmdline_free(cl);
}
END_TEST

/* Both sides of a move must be the same machine, except for -incoming. */
START_TEST(incoming_vm_differs_only_by_incoming)
{
	struct cmdline *out, *in;
	const char *const *a, *const *b;

	load(SMALL "}");
	out = build(false);
	in = build(true);
	a = cmdline_argv(out);
	b = cmdline_argv(in);
	for (; *a; a++, b++)
		ck_assert_str_eq(*a, *b);
	ck_assert_str_eq(b[0], "-incoming");
	ck_assert_str_eq(b[1], "defer");
	ck_assert_ptr_null(b[2]);
	cmdline_free(out);
	cmdline_free(in);
}
END_TEST

/* An empty drive has no backend, and each bus has its own way to name a drive's place. */
START_TEST(cd_drives_are_connected_where_they_are)
{
	struct cmdline *cl;

	load(SMALL ",\"cdroms\":[{\"id\":\"a\",\"bus\":\"sata\",\"unit\":2,\"path\":\"/a,b.iso\","
		   "\"boot_index\":1},{\"id\":\"b\",\"bus\":\"scsi\"}]}");
	cl = build(false);
	ck_assert(has(cl, "-blockdev",
		      "{\"node-name\":\"a-node\",\"driver\":\"raw\",\"read-only\":true,\"file\":{"
		      "\"driver\":\"file\",\"filename\":\"/a,b.iso\"}}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"ide-cd\",\"id\":\"a\",\"bus\":\"ide.2\",\"unit\":0,"
		      "\"bootindex\":1,\"drive\":\"a-node\"}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"virtio-scsi-pci\",\"id\":\"migrd-b-scsi\",\"addr\":\"0x2\"}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"scsi-cd\",\"id\":\"b\",\"bus\":\"migrd-b-scsi.0\"}"));
	cmdline_free(cl);
	load("{\"name\":\"v\",\"machine\":\"pc-i440fx-7.2\",\"memory_mib\":64,"
	     "\"cdroms\":[{\"id\":\"a\",\"bus\":\"ide\",\"unit\":3}]}");
	cl = build(false);
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"ide-cd\",\"id\":\"a\",\"bus\":\"ide.1\",\"unit\":1}"));
	cmdline_free(cl);
}
END_TEST

/* The monitors of the definition come after the daemon's own. */
START_TEST(monitors_of_the_definition_are_added)
{
	struct cmdline *cl;

	load(SMALL ",\"monitors\":[{\"id\":\"a\",\"protocol\":\"hmp\",\"type\":\"unix\","
		   "\"path\":\"/a\"},{\"id\":\"b\",\"protocol\":\"qmp\",\"type\":\"tcp\","
		   "\"port\":1},{\"id\":\"c\",\"protocol\":\"hmp\",\"type\":\"stdio\"}]}");
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=monitor-a,fd=10,server=on,wait=off"));
	ck_assert(has(cl, "-monitor", "chardev:monitor-a"));
	ck_assert(has(cl, "-chardev", "socket,id=monitor-b,fd=11,server=on,wait=off"));
	ck_assert(has(cl, "-qmp", "chardev:monitor-b"));
	ck_assert(has(cl, "-chardev", "pty,id=monitor-c"));
	ck_assert(has(cl, "-monitor", "chardev:monitor-c"));
	cmdline_free(cl);
}
END_TEST

/* The daemon bound both monitors' sockets itself, so no other process can be there first. */
START_TEST(monitors_are_inherited_descriptors)
{
	struct cmdline *cl;

	load(SMALL "}");
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=mon0,fd=7,server=on,wait=off"));
	ck_assert(has(cl, "-chardev", "socket,id=mon1,fd=8,server=on,wait=off"));
	ck_assert(has(cl, "-qmp", "chardev:mon1"));
	cmdline_free(cl);
}
END_TEST

/* A comma in a path must not add options. */
START_TEST(path_with_comma_is_a_path)
{
	struct cmdline *cl;

	load(SMALL ",\"disks\":[{\"id\":\"d\",\"path\":\"/a,readonly=off/b\",\"format\":\"raw\","
		   "\"readonly\":true,\"boot_index\":0}]}");
	cl = build(false);
	ck_assert(has(cl, "-blockdev",
		      "{\"node-name\":\"d-node\",\"driver\":\"raw\",\"read-only\":true,"
		      "\"cache\":{\"direct\":false,\"no-flush\":false},"
		      "\"file\":{\"driver\":\"file\",\"filename\":\"/a,readonly=off/b\","
		      "\"cache\":{\"direct\":false,\"no-flush\":false}}}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"virtio-blk-pci\",\"id\":\"d\",\"drive\":\"d-node\","
		      "\"write-cache\":\"on\",\"bootindex\":0,\"addr\":\"0x2\"}"));
	cmdline_free(cl);
}
END_TEST

/* Every device has its address, so that an additional device does not move the others. */
START_TEST(devices_are_pinned)
{
	struct cmdline *cl;

	load(SMALL ",\"guest_agent\":true,\"nics\":[{\"id\":\"n\",\"type\":\"tap\","
		   "\"ifname\":\"tap0\",\"mac\":\"52:54:00:00:00:01\"}],"
		   "\"shared_memory\":[{\"id\":\"s\",\"path\":\"/dev/shm/s\",\"size_mib\":4}]}");
	cl = build(false);
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"virtio-net-pci\",\"id\":\"n\",\"netdev\":\"n-net\","
		      "\"mac\":\"52:54:00:00:00:01\",\"addr\":\"0x2\"}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"ivshmem-plain\",\"id\":\"s\",\"memdev\":\"s-mem\","
		      "\"master\":\"on\",\"addr\":\"0x3\"}"));
	ck_assert(has(cl, "-device", "virtio-serial-pci,id=agent-bus,addr=0x1e"));
	ck_assert(has(cl, "-chardev", "socket,id=agent0,fd=9,server=on,wait=off"));
	cmdline_free(cl);
}
END_TEST

/* A device that was plugged in has the same place on the other side. */
START_TEST(plugged_devices_are_where_they_were)
{
	struct cmdline *cl;

	load(SMALL ",\"memory_slots\":2,\"max_memory_mib\":512,\"max_vcpus\":4,\"hotplug_ports\":9,"
		   "\"nics\":[{\"id\":\"n\",\"type\":\"user\",\"mac\":\"52:54:00:00:00:01\","
		   "\"pci_address\":\"port9\"}],"
		   "\"memory_devices\":[{\"id\":\"m\",\"size_mib\":128,\"slot\":1,"
		   "\"address\":4294967296}],\"vcpu_devices\":[{\"id\":\"c\",\"index\":3}],"
		   "\"devices\":[{\"id\":\"r\",\"driver\":\"virtio-rng-pci\","
		   "\"properties\":{\"max-bytes\":64,\"rombar\":0},\"pci_address\":\"port1\"}]}");
	cl = build(true);
	ck_assert(has(cl, "-m", "64M,slots=2,maxmem=512M"));
	ck_assert(has(cl, "-smp", "cpus=1,maxcpus=4,sockets=1,cores=4,threads=1"));
	ck_assert(has(cl, "-device",
		      "pcie-root-port,id=migrd-port1,bus=pcie.0,addr=0x1d.0,multifunction=on,"
		      "chassis=1,port=1,pref64-reserve=64M"));
	ck_assert(has(cl, "-device",
		      "pcie-root-port,id=migrd-port9,bus=pcie.0,addr=0x1c.0,multifunction=on,"
		      "chassis=9,port=9,pref64-reserve=64M"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"virtio-net-pci\",\"id\":\"n\",\"netdev\":\"n-net\","
		      "\"mac\":\"52:54:00:00:00:01\",\"bus\":\"migrd-port9\",\"addr\":\"0x0\"}"));
	ck_assert(has(cl, "-object",
		      "{\"id\":\"m-mem\",\"qom-type\":\"memory-backend-ram\",\"size\":134217728}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"pc-dimm\",\"id\":\"m\",\"memdev\":\"m-mem\",\"slot\":1,"
		      "\"addr\":4294967296}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"qemu64-x86_64-cpu\",\"id\":\"c\",\"socket-id\":0,"
		      "\"core-id\":3,\"thread-id\":0}"));
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"virtio-rng-pci\",\"id\":\"r\",\"max-bytes\":64,"
		      "\"rombar\":0,\"bus\":\"migrd-port1\",\"addr\":\"0x0\"}"));
	cmdline_free(cl);
}
END_TEST

/* Frames of a macvtap go through its device, which QEMU inherits. */
START_TEST(macvtap_is_an_inherited_descriptor)
{
	struct cmdline_fds more = CMDLINE_FDS_INIT;
	struct cmdline *cl;

	load(SMALL ",\"nics\":[{\"id\":\"u\",\"type\":\"user\"},{\"id\":\"n\","
		   "\"type\":\"macvtap\",\"ifname\":\"mvt0\"}]}");
	more.nic[1] = 17;
	cl = build_with(&more, false);
	ck_assert(has(cl, "-netdev", "{\"id\":\"n-net\",\"type\":\"tap\",\"fd\":\"17\"}"));
	ck_assert(has(cl, "-netdev", "{\"id\":\"u-net\",\"type\":\"user\"}"));
	cmdline_free(cl);
}
END_TEST

/* QEMU refuses a name beside a descriptor. */
START_TEST(tap_that_another_qemu_has_is_an_inherited_descriptor)
{
	struct cmdline_fds more = CMDLINE_FDS_INIT;
	struct cmdline *cl;

	load(SMALL ",\"nics\":[{\"id\":\"n\",\"type\":\"tap\",\"ifname\":\"tap0\"}]}");
	more.nic[0] = 17;
	cl = build_with(&more, false);
	ck_assert(has(cl, "-netdev", "{\"id\":\"n-net\",\"type\":\"tap\",\"fd\":\"17\"}"));
	cmdline_free(cl);
}
END_TEST

/* QEMU's defaults could change, so each reaction to a guest's event is given explicitly. */
START_TEST(actions_are_said_in_full)
{
	struct cmdline *cl;

	load(SMALL "}");
	cl = build(false);
	ck_assert(
		has(cl, "-action", "reboot=reset,shutdown=poweroff,panic=shutdown,watchdog=reset"));
	cmdline_free(cl);
	load(SMALL ",\"actions\":{\"reboot\":\"shutdown\",\"shutdown\":\"pause\","
		   "\"panic\":\"exit-failure\",\"watchdog\":\"inject-nmi\"}}");
	cl = build(false);
	ck_assert(has(cl, "-action",
		      "reboot=shutdown,shutdown=pause,panic=exit-failure,watchdog=inject-nmi"));
	cmdline_free(cl);
}
END_TEST

/* QEMU 10.0 under TCG needs the main memory as its first block. */
START_TEST(emulated_guest_has_its_main_memory_first)
{
	const char *const *arg;
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"tcg\",\"shared_memory\":[{\"id\":\"s\",\"path\":\"/"
		   "s\",\"size_mib\":4}]}");
	cl = build(true);
	ck_assert(has(cl, "-machine", "pc-q35-7.2,accel=tcg,memory-backend=pc.ram"));
	for (arg = cmdline_argv(cl); strcmp(*arg, "-object") != 0;)
		arg++;
	ck_assert_str_eq(arg[1],
			 "{\"id\":\"pc.ram\",\"qom-type\":\"memory-backend-ram\",\"size\":67108864,"
			 "\"x-use-canonical-path-for-ramblock-id\":false}");
	cmdline_free(cl);
}
END_TEST

static const struct {
	const char *more, *object;
} backends[] = {
	{ "\"memory_backend\":{\"type\":\"memfd\"}",
	  "\"qom-type\":\"memory-backend-memfd\",\"size\":67108864,\"share\":true" },
	{ "\"memory_backend\":{\"type\":\"memfd\",\"huge_page_mib\":2}",
	  "\"qom-type\":\"memory-backend-memfd\",\"size\":67108864,\"share\":true,"
	  "\"hugetlb\":true,\"hugetlbsize\":2097152" },
	{ "\"memory_backend\":{\"type\":\"file\",\"path\":\"/h\",\"huge_page_mib\":2}",
	  "\"qom-type\":\"memory-backend-file\",\"size\":67108864,\"mem-path\":\"/h/.\"" },
	{ "\"memory_backend\":{\"prealloc\":true}",
	  "\"qom-type\":\"memory-backend-ram\",\"size\":67108864,\"prealloc\":true" },
	{ "\"memory_backend\":{\"host_nodes\":\"0-1,3\"}",
	  "\"qom-type\":\"memory-backend-ram\",\"size\":67108864,\"host-nodes\":[0,1,3],"
	  "\"policy\":\"bind\"" },
	/* A node that lacks them would end QEMU later. */
	{ "\"memory_backend\":{\"type\":\"memfd\",\"huge_page_mib\":2,\"host_nodes\":\"1\"}",
	  "\"qom-type\":\"memory-backend-memfd\",\"size\":67108864,\"share\":true,"
	  "\"hugetlb\":true,\"hugetlbsize\":2097152,\"prealloc\":true,\"host-nodes\":[1],"
	  "\"policy\":\"bind\"" },
};

/* The block of memory has the same name whatever holds it, so that a guest could go from one
 * backend to another. */
START_TEST(main_memory_is_in_its_backend)
{
	CLEANUP(free_charp)
	char *definition = xasprintf(SMALL ",\"accel\":\"kvm\",%s}", backends[_i].more);
	CLEANUP(free_charp)
	char *object = xasprintf("{\"id\":\"pc.ram\",%s,"
				 "\"x-use-canonical-path-for-ramblock-id\":false}",
				 backends[_i].object);
	struct cmdline *cl;

	load(definition);
	cl = build(true);
	ck_assert(has(cl, "-machine", "pc-q35-7.2,accel=kvm,memory-backend=pc.ram"));
	ck_assert(has(cl, "-object", object));
	ck_assert(has(cl, "-m", "64M"));
	cmdline_free(cl);
}
END_TEST

START_TEST(memory_device_is_in_the_backend_too)
{
	struct cmdline *cl;

	load(SMALL ",\"memory_backend\":{\"type\":\"memfd\",\"huge_page_mib\":2},"
		   "\"memory_slots\":1,\"max_memory_mib\":512,"
		   "\"memory_devices\":[{\"id\":\"m\",\"size_mib\":128}]}");
	cl = build(false);
	ck_assert(has(cl, "-object",
		      "{\"id\":\"m-mem\",\"qom-type\":\"memory-backend-memfd\",\"size\":134217728,"
		      "\"share\":true,\"hugetlb\":true,\"hugetlbsize\":2097152}"));
	cmdline_free(cl);
}
END_TEST

START_TEST(each_numa_node_has_its_memory)
{
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"kvm\",\"vcpus\":4,\"memory_backend\":{\"type\":\"memfd\"},"
		   "\"numa_nodes\":[{\"memory_mib\":40,\"cpus\":\"0,2-3\",\"host_nodes\":\"1\"},"
		   "{\"memory_mib\":24},{\"memory_mib\":0,\"cpus\":\"1\"}]}");
	cl = build(false);
	ck_assert(has(cl, "-machine", "pc-q35-7.2,accel=kvm"));
	ck_assert(has(cl, "-object",
		      "{\"id\":\"ram-node0\",\"qom-type\":\"memory-backend-memfd\","
		      "\"size\":41943040,\"share\":true,\"host-nodes\":[1],\"policy\":\"bind\"}"));
	ck_assert(has(cl, "-object",
		      "{\"id\":\"ram-node1\",\"qom-type\":\"memory-backend-memfd\","
		      "\"size\":25165824,\"share\":true}"));
	ck_assert(has(cl, "-numa", "node,nodeid=0,cpus=0,cpus=2-3,memdev=ram-node0"));
	ck_assert(has(cl, "-numa", "node,nodeid=1,memdev=ram-node1"));
	ck_assert(has(cl, "-numa", "node,nodeid=2,cpus=1"));
	cmdline_free(cl);
}
END_TEST

/* The CID is the guest's address: it has the same on each host. */
START_TEST(vsock_has_its_cid)
{
	struct cmdline *cl;

	load(SMALL ",\"vsocks\":[{\"id\":\"vs0\",\"cid\":42}]}");
	cl = build(true);
	ck_assert(has(cl, "-device",
		      "{\"driver\":\"vhost-vsock-pci\",\"id\":\"vs0\",\"guest-cid\":42,"
		      "\"addr\":\"0x2\"}"));
	cmdline_free(cl);
}
END_TEST

/* Without any one of the three, QEMU refuses to give the memory to another QEMU. */
START_TEST(shared_memory_is_shared_in_all_its_parts)
{
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"kvm\",\"memory_share\":true,\"memory_slots\":1,"
		   "\"max_memory_mib\":512,\"memory_devices\":[{\"id\":\"m\",\"size_mib\":128}]}");
	features.has_aux_ram_share = true;
	cl = build(true);
	ck_assert(
		has(cl, "-machine", "pc-q35-7.2,accel=kvm,memory-backend=pc.ram,aux-ram-share=on"));
	ck_assert(has(cl, "-object",
		      "{\"id\":\"pc.ram\",\"qom-type\":\"memory-backend-ram\",\"size\":67108864,"
		      "\"share\":true,\"x-use-canonical-path-for-ramblock-id\":false}"));
	ck_assert(has(cl, "-object",
		      "{\"id\":\"m-mem\",\"qom-type\":\"memory-backend-ram\",\"size\":134217728,"
		      "\"share\":true}"));
	cmdline_free(cl);
}
END_TEST

/* QEMU before 10.0 ends itself at an option that it does not know. */
START_TEST(shared_memory_of_an_old_qemu_has_no_newer_option)
{
	struct cmdline *cl;

	load(SMALL ",\"accel\":\"kvm\",\"memory_share\":true}");
	features.has_aux_ram_share = false;
	cl = build(false);
	ck_assert(has(cl, "-machine", "pc-q35-7.2,accel=kvm,memory-backend=pc.ram"));
	cmdline_free(cl);
}
END_TEST

/* QEMU 7.2 knows only `reconnect', 11.1 only `reconnect-ms'. */
START_TEST(serial_console_listens_at_the_socket_that_was_made)
{
	struct cmdline *cl;

	load(SMALL ",\"serial\":{\"type\":\"console\"}}");
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=serial0,fd=15,server=on,wait=off"));
	ck_assert(has(cl, "-serial", "chardev:serial0"));
	cmdline_free(cl);
}
END_TEST

/* Slot 1 is where firmware and guests look for the first adapter; the comma is the path's own. */
START_TEST(display_is_shown_at_a_socket)
{
	struct cmdline *cl;

	load(SMALL ",\"videos\":[{\"id\":\"video0\",\"model\":\"vga\"}],\"graphics\":{\"type\":"
		   "\"vnc\"}}");
	cl = build(false);
	ck_assert(has(cl, "-device", "{\"driver\":\"VGA\",\"id\":\"video0\",\"addr\":\"0x1\"}"));
	ck_assert(has(cl, "-vnc", "unix:/run/a,,b/vnc.sock,share=ignore"));
	ck_assert(has(cl, "-display", "none"));
	cmdline_free(cl);
}
END_TEST

START_TEST(serial_line_reconnects_in_the_words_of_each_qemu)
{
	struct cmdline *cl;

	load(SMALL ",\"serial\":{\"type\":\"socket\",\"path\":\"/s\"}}");
	features.has_reconnect_ms = false;
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=serial0,path=/s,server=off,reconnect=1"));
	cmdline_free(cl);
	features.has_reconnect_ms = true;
	cl = build(false);
	ck_assert(has(cl, "-chardev", "socket,id=serial0,path=/s,server=off,reconnect-ms=1000"));
	cmdline_free(cl);
}
END_TEST

/* An option without a field of its own is passed on as it was written. */
START_TEST(extra_args_stay_as_they_are)
{
	struct cmdline *cl;

	load(SMALL ",\"extra_args\":[\"-device\",\"virtio-rng-pci,addr=0x9\"]}");
	cl = build(false);
	ck_assert(has(cl, "-device", "virtio-rng-pci,addr=0x9"));
	cmdline_free(cl);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cmdline");
	TCase *tc = tcase_create("cmdline");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tpm_is_at_the_other_end_of_a_descriptor);
	tcase_add_test(tc, any_vm_starts_stopped);
	tcase_add_test(tc, firmware_is_two_flash_memories);
	tcase_add_test(tc, incoming_vm_differs_only_by_incoming);
	tcase_add_test(tc, qemu_that_takes_memory_over_waits_for_it_first);
	tcase_add_test(tc, cd_drives_are_connected_where_they_are);
	tcase_add_test(tc, monitors_are_inherited_descriptors);
	tcase_add_test(tc, monitors_of_the_definition_are_added);
	tcase_add_test(tc, path_with_comma_is_a_path);
	tcase_add_test(tc, devices_are_pinned);
	tcase_add_test(tc, plugged_devices_are_where_they_were);
	tcase_add_test(tc, emulated_guest_has_its_main_memory_first);
	tcase_add_test(tc, macvtap_is_an_inherited_descriptor);
	tcase_add_test(tc, tap_that_another_qemu_has_is_an_inherited_descriptor);
	tcase_add_test(tc, actions_are_said_in_full);
	tcase_add_loop_test(tc, main_memory_is_in_its_backend, 0, ARRAY_LEN(backends));
	tcase_add_test(tc, memory_device_is_in_the_backend_too);
	tcase_add_test(tc, each_numa_node_has_its_memory);
	tcase_add_test(tc, vsock_has_its_cid);
	tcase_add_test(tc, serial_console_listens_at_the_socket_that_was_made);
	tcase_add_test(tc, display_is_shown_at_a_socket);
	tcase_add_test(tc, serial_line_reconnects_in_the_words_of_each_qemu);
	tcase_add_test(tc, shared_memory_is_shared_in_all_its_parts);
	tcase_add_test(tc, shared_memory_of_an_old_qemu_has_no_newer_option);
	tcase_add_test(tc, extra_args_stay_as_they_are);
	suite_add_tcase(s, tc);
	return s;
}
