/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "wire/vm_def.h"

static struct vm_def *def, *again; /* too large for the stack */
static struct faults *faults;

static void set_up(void)
{
	def = xnew(struct vm_def);
	again = xnew(struct vm_def);
	faults = faults_new();
}

static void tear_down(void)
{
	free(def);
	free(again);
	faults_free(faults);
}

/* Decodes the smallest definition, with MORE members. */
static bool decode(const char *more)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{'name':'vm1','machine':'pc-q35-7.2','memory_mib':512%s%s}",
			       *more ? "," : "", more);
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);

	faults->count = 0;
	return vm_def_decode(obj, def, faults);
}

#define FULL                                                                                 \
	"'uuid':'0193e6b2-0000-7000-8000-000000000001','accel':'tcg',"                       \
	"'cpu_model':'qemu64,+ssse3','vcpus':2,'disks':[{'id':'root','path':'/srv/a,b',"     \
	"'format':'qcow2','shared':true,'boot_index':0,'cache':'none','pci_address':'0x4'}," \
	"{'id':'data','path':'/srv/d','format':'raw','readonly':true}],"                     \
	"'nics':[{'id':'net0','type':'user'},{'id':'net1','type':'tap','ifname':'tap0',"     \
	"'mac':'52:54:00:12:34:56','pci_address':'0x2'},"                                    \
	"{'id':'net2','type':'macvtap','ifname':'mvt0','rx_filter':true}],"                  \
	"'serial':{'type':'file','path':'/run/serial.log'},'guest_agent':true,"              \
	"'shared_memory':[{'id':'shm0','path':'/dev/shm/x','size_mib':4}],"                  \
	"'monitors':[{'id':'ops','protocol':'hmp','type':'unix','path':'/run/ops.sock'},"    \
	"{'id':'tool','protocol':'qmp','type':'tcp','port':4444},"                           \
	"{'id':'tty','protocol':'hmp','type':'stdio'}],"                                     \
	"'memory_slots':3,'max_memory_mib':2048,'max_vcpus':4,'hotplug_ports':9,"            \
	"'memory_devices':[{'id':'m0','size_mib':128,'slot':1,'address':4294967296},"        \
	"{'id':'m1','size_mib':256}],'vcpu_devices':[{'id':'c0'},{'id':'c1','index':2}],"    \
	"'devices':[{'id':'r0','driver':'virtio-rng-pci','properties':{'max-bytes':1024,"    \
	"'rombar':0,'x':'a/b','multifunction':true},'pci_address':'port9'}],"                \
	"'actions':{'reboot':'shutdown','panic':'pause','watchdog':'inject-nmi'},"           \
	"'cdroms':[{'id':'cd0','bus':'sata','path':'/srv/a,b.iso','boot_index':3},"          \
	"{'id':'cd1','bus':'sata','unit':0,'path':'/srv/x','format':'qcow2','tray':'open'}," \
	"{'id':'cd2','bus':'scsi','device_id':'drive-0'}],"                                  \
	"'firmware':{'code':'/fw/code','vars':'/srv/vm1.vars','vars_template':'/fw/vars'},"  \
	"'tpm':{'model':'tpm-tis'},"                                                         \
	"'memory_backend':{'type':'file','huge_page_mib':2,'path':'/huge','prealloc':true}," \
	"'vsocks':[{'id':'vs0','cid':4294967294}],"                                          \
	"'videos':[{'id':'v0','model':'virtio'}],'graphics':{'type':'vnc'},"                 \
	"'numa_nodes':[{'memory_mib':512,'cpus':'0,2-3','host_nodes':'0'},"                  \
	"{'memory_mib':0,'cpus':'1'}],"                                                      \
	"'extra_args':['-device','virtio-rng-pci'],'memory_share':true"

static void assert_round_trip(void)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);

	ck_assert(vm_def_decode(obj, again, faults));
	ck_assert_mem_eq(def, again, sizeof(*def));
}

START_TEST(least_definition_gets_its_defaults)
{
	ck_assert(decode(""));
	ck_assert_int_eq(def->accel, VM_DEF_ACCEL_KVM);
	ck_assert_str_eq(def->cpu_model, "qemu64");
	ck_assert_uint_eq(def->vcpus, 1);
	ck_assert_int_eq(def->serial.type, VM_DEF_SERIAL_TYPE_NONE);
	ck_assert_uint_eq(def->disk_count + def->nic_count + def->extra_arg_count, 0);
	assert_round_trip();
}
END_TEST

START_TEST(full_definition_arrives)
{
	ck_assert(decode(FULL));
	ck_assert_int_eq(def->accel, VM_DEF_ACCEL_TCG);
	ck_assert_uint_eq(def->disk_count, 2);
	ck_assert_str_eq(def->disks[0].path, "/srv/a,b");
	ck_assert_int_eq(def->disks[0].format, VM_DEF_DISK_FORMAT_QCOW2);
	ck_assert_int_eq(def->disks[0].cache, VM_DEF_DISK_CACHE_NONE);
	ck_assert(def->disks[0].has_boot_index && def->disks[0].shared);
	ck_assert(!def->disks[1].has_boot_index && def->disks[1].readonly);
	ck_assert_int_eq(def->disks[1].cache, VM_DEF_DISK_CACHE_WRITEBACK);
	ck_assert_int_eq(def->nics[1].type, VM_DEF_NIC_TYPE_TAP);
	ck_assert_int_eq(def->serial.type, VM_DEF_SERIAL_TYPE_FILE);
	ck_assert_uint_eq(def->shared_memory[0].size_mib, 4);
	ck_assert_str_eq(def->extra_args[1], "virtio-rng-pci");
	ck_assert_uint_eq(def->monitor_count, 3);
	ck_assert_int_eq(def->monitors[0].protocol, VM_DEF_MONITOR_PROTOCOL_HMP);
	ck_assert_str_eq(def->monitors[0].path, "/run/ops.sock");
	ck_assert_uint_eq(def->monitors[1].port, 4444);
	ck_assert_int_eq(def->monitors[2].type, VM_DEF_MONITOR_TYPE_STDIO);
	ck_assert_int_eq(def->memory_backend.type, VM_DEF_MEMORY_TYPE_FILE);
	ck_assert_uint_eq(def->memory_backend.huge_page_mib, 2);
	ck_assert_uint_eq(def->numa_node_count, 2);
	ck_assert_str_eq(def->numa_nodes[0].cpus, "0,2-3");
	ck_assert_uint_eq(def->cdrom_count, 3);
	ck_assert_str_eq(def->cdroms[0].path, "/srv/a,b.iso");
	ck_assert(def->cdroms[0].has_boot_index && !def->cdroms[0].has_unit);
	ck_assert_int_eq(def->cdroms[1].tray, VM_DEF_TRAY_OPEN);
	ck_assert_str_eq(def->cdroms[2].path, "");
}
END_TEST

/* The store and the destination read the encoded definition, so it must not change. */
START_TEST(encoded_definition_decodes_to_the_same)
{
	struct err err;

	ck_assert(decode(FULL));
	assert_round_trip();
	ck_assert(vm_def_normalize(def, &err));
	assert_round_trip();
}
END_TEST

static const struct {
	const char *more, *pointer, *words;
} wrong[] = {
	{ "'disk':[]", "/disk", "is 'disks' meant?" },
	{ "'uuid':'x'", "/uuid", "32 lower-case" },
	{ "'accel':'xen'", "/accel", "none of 'kvm', 'tcg'" },
	{ "'cpu_model':'host;x'", "/cpu_model", "have only" },
	{ "'cpu_model':''", "/cpu_model", "empty" },
	{ "'vcpus':0", "/vcpus", "1 to 1024" },
	{ "'vcpus':1.5", "/vcpus", "not written as an integer" },
	{ "'guest_agent':1", "/guest_agent", "true or false" },
	{ "'serial':{'type':'file'}", "/serial/path", "required for type file" },
	{ "'serial':{'type':'none','path':'/x'}", "/serial/path", "only for" },
	{ "'serial':{'type':'pty','path':'/x'}", "/serial/type", "none of" },
	{ "'serial':{'path':'/x'}", "/serial/type", "required" },
	{ "'serial':{'type':'file','path':'x'}", "/serial/path", "absolute" },
	{ "'serial':{'type':'socket','path':'/0123456789012345678901234567890123456789012345678901"
	  "2345678901234567890123456789012345678901234567890123456789'}",
	  "/serial/path", "at most 107" },
	{ "'nics':[{'id':'n','type':'tap'}]", "/nics/0/ifname", "required for type tap" },
	{ "'nics':[{'id':'n','type':'user','ifname':'t'}]", "/nics/0/ifname", "only for" },
	{ "'nics':[{'id':'n','type':'macvtap'}]", "/nics/0/ifname", "required for type macvtap" },
	{ "'nics':[{'id':'n','type':'user','rx_filter':true}]", "/nics/0/rx_filter", "only for" },
	{ "'nics':[{'id':'n','type':'tap','ifname':'a/b'}]", "/nics/0/ifname", "1 to 15" },
	{ "'nics':[{'id':'n','type':'user','mac':'52:54:00:12:34'}]", "/nics/0/mac", "six pairs" },
	{ "'nics':[{'id':'n','type':'user','mac':'01:00:5e:00:00:01'}]", "/nics/0/mac", "even" },
	{ "'nics':[{'id':'a','type':'user','mac':'52:54:00:00:00:aa'},"
	  "{'id':'b','type':'user','mac':'52:54:00:00:00:AA'}]",
	  "/nics/1/mac", "/nics/0" },
	{ "'nics':[{'id':'a','type':'tap','ifname':'t'},{'id':'b','type':'tap','ifname':'t'}]",
	  "/nics/1/ifname", "/nics/0" },
	{ "'nics':[{'id':'1','type':'user'}]", "/nics/0/id", "begins with a letter" },
	{ "'nics':[{'id':'n','type':'user','pci_address':'0x1f'}]", "/nics/0/pci_address",
	  "machine itself" },
	{ "'nics':[{'id':'n','type':'user','pci_address':'0x20'}]", "/nics/0/pci_address",
	  "0x1 to 0x1f" },
	{ "'nics':[{'id':'n','type':'user','pci_address':'4'}]", "/nics/0/pci_address",
	  "0x1 to 0x1f" },
	{ "'guest_agent':true,'nics':[{'id':'n','type':'user','pci_address':'0x1e'}]",
	  "/nics/0/pci_address", "guest agent" },
	{ "'disks':[{'id':'d','path':'/x'}]", "/disks/0/format", "required" },
	{ "'disks':[{'id':'d','path':'x','format':'raw'}]", "/disks/0/path", "absolute" },
	{ "'disks':[{'id':'d','path':'/a\\nb','format':'raw'}]", "/disks/0/path", "control" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw'},{'id':'d','path':'/y','format':'raw'}]",
	  "/disks/1/id", "'d' is the id of /disks/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw'}],'nics':[{'id':'d','type':'user'}]",
	  "/nics/0/id", "'d' is the id of /disks/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw'},{'id':'e','path':'/x','format':'raw',"
	  "'readonly':true}]",
	  "/disks/1/path", "the same file as /disks/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw','shared_base':true}]",
	  "/disks/0/shared_base", "only a qcow2 image" },
	{ "'disks':[{'id':'d','path':'/x','format':'qcow2','shared_base':true,'shared':true}]",
	  "/disks/0/shared_base", "only for a disk that is copied" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw','boot_index':1},{'id':'e','path':'/y',"
	  "'format':'raw','boot_index':1}]",
	  "/disks/1/boot_index", "/disks/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw','pci_address':'0x4'}],'shared_memory':"
	  "[{'id':'s','path':'/s','size_mib':1,'pci_address':'0x4'}]",
	  "/shared_memory/0/pci_address", "taken by /disks/0" },
	{ "'shared_memory':[{'id':'s','path':'/s','size_mib':3}]", "/shared_memory/0/size_mib",
	  "power of two" },
	{ "'cdroms':[{'id':'c'}]", "/cdroms/0/bus", "required" },
	{ "'cdroms':[{'id':'c','bus':'usb'}]", "/cdroms/0/bus", "none of 'ide', 'sata', 'scsi'" },
	{ "'cdroms':[{'id':'c','bus':'ide'}]", "/cdroms/0/bus", "use sata or scsi" },
	{ "'cdroms':[{'id':'c','bus':'sata','unit':6}]", "/cdroms/0/unit", "0 to 5" },
	{ "'cdroms':[{'id':'c','bus':'scsi','unit':0}]", "/cdroms/0/unit", "only for bus ide" },
	{ "'cdroms':[{'id':'c','bus':'sata','device_id':'x'}]", "/cdroms/0/device_id",
	  "only for bus scsi" },
	{ "'cdroms':[{'id':'c','bus':'scsi','device_id':'a,b'}]", "/cdroms/0/device_id", "only" },
	{ "'cdroms':[{'id':'c','bus':'sata','pci_address':'0x4'}]", "/cdroms/0/pci_address",
	  "only for bus scsi" },
	{ "'cdroms':[{'id':'c','bus':'scsi','pci_address':'0x1f'}]", "/cdroms/0/pci_address",
	  "machine itself" },
	{ "'cdroms':[{'id':'c','bus':'sata','path':'x.iso'}]", "/cdroms/0/path", "absolute" },
	{ "'cdroms':[{'id':'c','bus':'sata','format':'qcow2'}]", "/cdroms/0/format",
	  "only with a medium" },
	{ "'cdroms':[{'id':'c','bus':'sata','tray':'ajar'}]", "/cdroms/0/tray",
	  "none of 'closed', 'open'" },
	{ "'cdroms':[{'id':'c','bus':'sata','unit':1},{'id':'d','bus':'sata','unit':1}]",
	  "/cdroms/1/unit", "taken by /cdroms/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw','boot_index':1}],"
	  "'cdroms':[{'id':'c','bus':'sata','boot_index':1}]",
	  "/cdroms/0/boot_index", "/disks/0" },
	{ "'cdroms':[{'id':'c','bus':'sata','boot_index':1},"
	  "{'id':'d','bus':'sata','boot_index':1}]",
	  "/cdroms/1/boot_index", "/cdroms/0" },
	{ "'disks':[{'id':'d','path':'/x','format':'raw'}],"
	  "'cdroms':[{'id':'c','bus':'sata','path':'/x'}]",
	  "/cdroms/0/path", "can write" },
	{ "'disks':[{'id':'c','path':'/x','format':'raw'}],'cdroms':[{'id':'c','bus':'sata'}]",
	  "/cdroms/0/id", "/disks/0" },
	{ "'extra_args':['a\\nb']", "/extra_args/0", "control" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'unix'}]", "/monitors/0/path",
	  "required for type unix" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'unix','path':'m'}]", "/monitors/0/path",
	  "absolute" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'unix','path':'/012345678901234567890123"
	  "4567890123456789012345678901234567890123456789012345678901234567890123456789012345678'}"
	  "]",
	  "/monitors/0/path", "at most 107" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'tcp'}]", "/monitors/0/port",
	  "required for type tcp" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'tcp','port':65536}]", "/monitors/0/port",
	  "1 to 65535" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'stdio','path':'/m'}]", "/monitors/0/path",
	  "only for type unix" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'stdio','port':1}]", "/monitors/0/port",
	  "only for type tcp" },
	{ "'monitors':[{'id':'m','protocol':'vnc','type':'stdio'}]", "/monitors/0/protocol",
	  "none of 'qmp', 'hmp'" },
	{ "'monitors':[{'id':'m,x','protocol':'hmp','type':'stdio'}]", "/monitors/0/id",
	  "begins with a letter" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'stdio'},"
	  "{'id':'m','protocol':'qmp','type':'stdio'}]",
	  "/monitors/1/id", "/monitors/0" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'unix','path':'/m'},"
	  "{'id':'n','protocol':'qmp','type':'unix','path':'/m'}]",
	  "/monitors/1/path", "/monitors/0" },
	{ "'monitors':[{'id':'m','protocol':'hmp','type':'tcp','port':1},"
	  "{'id':'n','protocol':'qmp','type':'tcp','port':1}]",
	  "/monitors/1/port", "/monitors/0" },
	{ "'nics':[{'id':'migrd-port1','type':'user'}]", "/nics/0/id", "migrd's own" },
	{ "'vsocks':[{'id':'v'}]", "/vsocks/0/cid", "required" },
	{ "'vsocks':[{'id':'v','cid':2}]", "/vsocks/0/cid", "3 to 4294967294" },
	{ "'vsocks':[{'id':'v','cid':4294967295}]", "/vsocks/0/cid", "3 to 4294967294" },
	{ "'vsocks':[{'id':'v','cid':3},{'id':'w','cid':4}]", "/vsocks", "1" },
	{ "'videos':[{'id':'v','model':'qxl'}]", "/videos/0/model",
	  "none of 'vga', 'bochs', 'cirrus', 'virtio'" },
	{ "'videos':[{'id':'v','model':'vga'},{'id':'w','model':'vga'}]", "/videos", "1" },
	{ "'graphics':{'type':'vnc'}", "/graphics", "no display" },
	{ "'graphics':{}", "/graphics/type", "required" },
	{ "'memory_backend':{'type':'shm'}", "/memory_backend/type",
	  "none of 'ram', 'memfd', 'file'" },
	{ "'memory_backend':{'huge_page_mib':2}", "/memory_backend/huge_page_mib",
	  "memfd or file" },
	{ "'memory_backend':{'type':'memfd','huge_page_mib':4}", "/memory_backend/huge_page_mib",
	  "2 or 1024" },
	{ "'memory_backend':{'type':'memfd','huge_page_mib':1024}", "/memory_mib",
	  "512 MiB are not a whole number" },
	{ "'memory_backend':{'type':'memfd','path':'/h'}", "/memory_backend/path",
	  "only for type file" },
	{ "'memory_backend':{'type':'file','huge_page_mib':2}", "/memory_backend/path",
	  "required" },
	{ "'memory_backend':{'type':'file','path':'/h'}", "/memory_backend/huge_page_mib",
	  "required" },
	{ "'memory_backend':{'type':'memfd','huge_page_mib':2},'memory_slots':1,"
	  "'max_memory_mib':1024,'memory_devices':[{'id':'m','size_mib':3}]",
	  "/memory_devices/0/size_mib", "whole number" },
	{ "'memory_backend':{'type':'memfd'},'machine_options':'memory-backend=x'",
	  "/machine_options", "memory_backend" },
	{ "'memory_backend':{'type':'memfd'},'extra_args':['-mem-prealloc']", "/extra_args/0",
	  "'memory_backend'" },
	{ "'memory_backend':{'host_nodes':'0-'}", "/memory_backend/host_nodes", "0-3,8" },
	{ "'numa_nodes':[{'memory_mib':512,'cpus':'0'}],'memory_backend':{'host_nodes':'0'}",
	  "/memory_backend/host_nodes", "each of them" },
	{ "'numa_nodes':[{'memory_mib':512,'cpus':'0'}],'extra_args':['-numa','node']",
	  "/extra_args/0", "'numa_nodes'" },
	{ "'numa_nodes':[{'cpus':'0'}]", "/numa_nodes/0/memory_mib", "required" },
	{ "'numa_nodes':[{'memory_mib':500,'cpus':'0'}]", "/numa_nodes", "memory_mib is 512" },
	{ "'numa_nodes':[{'memory_mib':512,'cpus':'1-0'}]", "/numa_nodes/0/cpus", "0-3,8" },
	{ "'numa_nodes':[{'memory_mib':512,'cpus':'0-1'}]", "/numa_nodes/0/cpus", "CPU 1 is not" },
	{ "'vcpus':2,'numa_nodes':[{'memory_mib':512,'cpus':'0-1'},{'memory_mib':0,'cpus':'1'}]",
	  "/numa_nodes/1/cpus", "CPU 1 is in another" },
	{ "'max_vcpus':2,'numa_nodes':[{'memory_mib':512,'cpus':'0'}]", "/numa_nodes",
	  "1 of 2 CPUs" },
	{ "'accel':'tcg','numa_nodes':[{'memory_mib':128,'cpus':'0'},{'memory_mib':384}]",
	  "/numa_nodes", "first node" },
	{ "'memory_share':true,'machine_options':'memory-backend=ram0'", "/memory_share",
	  "say share=on there" },
	{ "'memory_slots':33", "/memory_slots", "0 to 32" },
	{ "'memory_slots':1", "/max_memory_mib", "more than memory_mib" },
	{ "'max_memory_mib':1024", "/max_memory_mib", "only with memory_slots" },
	{ "'memory_devices':[{'id':'m','size_mib':128}]", "/memory_devices", "memory_slots is 0" },
	{ "'memory_slots':2,'max_memory_mib':600,'memory_devices':[{'id':'m','size_mib':128}]",
	  "/memory_devices", "640 MiB" },
	{ "'memory_slots':2,'max_memory_mib':1024,'memory_devices':[{'id':'m','size_mib':128,"
	  "'slot':2}]",
	  "/memory_devices/0/slot", "memory_slots is 2" },
	{ "'memory_slots':2,'max_memory_mib':1024,'memory_devices':[{'id':'m','size_mib':128,"
	  "'slot':1},{'id':'n','size_mib':128,'slot':1}]",
	  "/memory_devices/1/slot", "taken by /memory_devices/0" },
	{ "'vcpus':3,'max_vcpus':2", "/max_vcpus", "less than vcpus" },
	{ "'vcpu_devices':[{'id':'c'}]", "/vcpu_devices", "max_vcpus is 0" },
	{ "'max_vcpus':3,'vcpu_devices':[{'id':'c','index':3}]", "/vcpu_devices/0/index",
	  "max_vcpus less 1" },
	{ "'max_vcpus':3,'vcpu_devices':[{'id':'c','index':1},{'id':'d','index':1}]",
	  "/vcpu_devices/1/index", "taken by /vcpu_devices/0" },
	{ "'hotplug_ports':33", "/hotplug_ports", "0 to 32" },
	{ "'hotplug_ports':9,'nics':[{'id':'n','type':'user','pci_address':'0x1c'}]",
	  "/nics/0/pci_address", "hot-plug ports" },
	{ "'hotplug_ports':2,'nics':[{'id':'n','type':'user','pci_address':'port3'}]",
	  "/nics/0/pci_address", "there are 2" },
	{ "'nics':[{'id':'n','type':'user','pci_address':'port01'}]", "/nics/0/pci_address",
	  "port1 to port32" },
	{ "'devices':[{'id':'r','driver':'a b'}]", "/devices/0/driver", "A-Z" },
	{ "'devices':[{'id':'r','driver':'pc-dimm'}]", "/devices/0/driver", "'memory'" },
	{ "'devices':[{'id':'r','driver':'qemu64-x86_64-cpu'}]", "/devices/0/driver", "'vcpu'" },
	{ "'devices':[{'id':'r','driver':'x','properties':{'id':'y'}}]", "/devices/0/properties/id",
	  "'id'" },
	{ "'devices':[{'id':'r','driver':'x','properties':{'addr':4}}]",
	  "/devices/0/properties/addr", "'pci_address'" },
	{ "'devices':[{'id':'r','driver':'x','properties':{'a':[]}}]", "/devices/0/properties/a",
	  "a string, an integer" },
	{ "'devices':[{'id':'r','driver':'x','properties':{'a':1.5}}]", "/devices/0/properties/a",
	  "a string, an integer" },
	{ "'extra_args':['-serial','mon:stdio']", "/extra_args/1", "monitor" },
	{ "'nics':[{'id':'n','type':'macvtap','ifname':'m0','bridge':'br0'}]", "/nics/0/bridge",
	  "only" },
	{ "'extra_args':['-drive','file=/x,snapshot=on,if=none']", "/extra_args/0", "temporary" },
	{ "'extra_args':['--drive','if=none,snapshot=yes,file=/x']", "/extra_args/0", "temporary" },
	{ "'extra_args':['-drive','file=/x,snapshot']", "/extra_args/0", "temporary" },
	{ "'extra_args':['-drive','file=fat:rw:/d']", "/extra_args/0", "directory" },
	{ "'extra_args':['-blockdev','vvfat,node-name=n,dir=/d']", "/extra_args/0", "directory" },
	{ "'extra_args':['-hda','/dev/fdset/1']", "/extra_args/0", "descriptor" },
	{ "'extra_args':['-set','drive.d.snapshot=on']", "/extra_args/0", "-set" },
	{ "'firmware':{'code':'/c'}", "/firmware/vars", "required" },
	{ "'tpm':{}", "/tpm/model", "required" },
	{ "'tpm':{'model':'tpm-spapr'}", "/tpm/model", "none of 'none', 'tpm-crb', 'tpm-tis'" },
	{ "'tpm':{'model':'tpm-crb'},'extra_args':['-tpmdev','passthrough,id=t']", "/extra_args/0",
	  "'tpm'" },
	{ "'firmware':{'vars':'/v'}", "/firmware/code", "required" },
	{ "'firmware':{'code':'','vars':'/v'}", "/firmware/code", "" },
	{ "'firmware':{'code':'/c','vars':'v'}", "/firmware/vars", "absolute" },
	{ "'firmware':{'code':'/c','vars':'/c'}", "/firmware/vars", "a file of its own" },
	{ "'firmware':{'code':'/c','vars':'/v','vars_template':'/v'}", "/firmware/vars",
	  "a file of its own" },
	{ "'firmware':{'code':'/c','vars':'/v'},'disks':[{'id':'d','path':'/v','format':'raw'}]",
	  "/firmware/vars", "/disks/0" },
	{ "'firmware':{'code':'/c','vars':'/v'},"
	  "'disks':[{'id':'firmware-vars','path':'/x','format':'raw'}]",
	  "/disks/0/id", "variables of the firmware" },
	{ "'firmware':{'code':'/c','vars':'/v'},'extra_args':['-vga','std','-bios','/b']",
	  "/extra_args/2", "'firmware'" },
	{ "'firmware':{'code':'/c','vars':'/v'},'extra_args':['--pflash','/b']", "/extra_args/0",
	  "'firmware'" },
	{ "'firmware':{'code':'/c','vars':'/v'},'machine_options':'pflash0=n'", "/machine_options",
	  "'firmware'" },
};

/* What a move must copy: in this order on both hosts. */
START_TEST(local_images_are_disks_and_variables)
{
	ck_assert(decode("'firmware':{'code':'/c','vars':'/v'},"
			 "'disks':[{'id':'a','path':'/a','format':'raw'},"
			 "{'id':'s','path':'/s','format':'raw','shared':true},"
			 "{'id':'b','path':'/b','format':'raw'}]"));
	ck_assert_str_eq(vm_def_local_image(def, 0)->id, "a");
	ck_assert_str_eq(vm_def_local_image(def, 1)->id, "b");
	ck_assert_str_eq(vm_def_local_image(def, 2)->path, "/v");
	ck_assert_str_eq(vm_def_local_image(def, 2)->id, VM_DEF_VARS_ID);
	ck_assert_ptr_null(vm_def_local_image(def, 3));
	ck_assert(decode(""));
	ck_assert_ptr_null(vm_def_local_image(def, 0));
}
END_TEST

/* Each wrong value is one fault, which has its place and tells what would be right. */
START_TEST(wrong_value_is_one_fault)
{
	ck_assert_msg(!decode(wrong[_i].more), "%s", wrong[_i].more);
	rig_assert_fault(faults, wrong[_i].pointer, wrong[_i].words);
	ck_assert_msg(faults->count == 1, "%s: also %s: %s", wrong[_i].more,
		      faults->list[1].pointer, faults->list[1].detail);
}
END_TEST

static const char *const wrong_names[] = { "..", "../x", "a/b",   "-x",       ".x",
					   "",   "a b",  "a\\nb", "a\xc3\xa9" };

/* A name must not leave its directory or look like an option. */
START_TEST(dangerous_name_is_refused)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("{'name':'%s','machine':'pc-q35-7.2','memory_mib':1}", wrong_names[_i]);
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);

	ck_assert(!vm_def_decode(obj, def, faults));
	ck_assert_ptr_nonnull(rig_fault_at(faults, "/name"));
}
END_TEST

static const struct {
	const char *option, *words;
} refused[] = {
	{ "incoming", "/v1/moves" },
	{ "S", "start" },
	{ "qmp", "monitor" },
	{ "mon", "monitor" },
	{ "monitor", "monitor" },
	{ "daemonize", "" },
	{ "pidfile", "" },
	{ "name", "'name'" },
	{ "uuid", "'uuid'" },
	{ "loadvm", "" },
	{ "snapshot", "" },
	{ "sandbox", "" },
	{ "chroot", "" },
	{ "action", "'actions'" },
	{ "no-reboot", "'actions'" },
	{ "no-shutdown", "'actions'" },
	{ "watchdog-action", "'actions'" },
	{ "runas", "" },
	{ "m", "'memory_mib'" },
	{ "smp", "'vcpus'" },
	{ "machine", "'machine'" },
	{ "M", "'machine'" },
	{ "accel", "'accel'" },
	{ "enable-kvm", "'accel'" },
	{ "cpu", "'cpu_model'" },
	{ "readconfig", "" },
	{ "writeconfig", "" },
	{ "preconfig", "" },
	{ "only-migratable", "" },
	{ "gdb", "" },
	{ "s", "" },
};

/* With one of these options a guest could run without the coordinator's knowledge. */
START_TEST(option_that_breaks_ownership_is_refused)
{
	CLEANUP(free_charp)
	char *more = xasprintf("'extra_args':['-%s','--%s','%s','-x%s']", refused[_i].option,
			       refused[_i].option, refused[_i].option, refused[_i].option);

	ck_assert(!decode(more));
	rig_assert_fault(faults, "/extra_args/0", refused[_i].words);
	rig_assert_fault(faults, "/extra_args/1", refused[_i].words);
	ck_assert_uint_eq(faults->count, 2);
}
END_TEST

START_TEST(machine_alias_is_refused)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'name':'a','machine':'q35','memory_mib':1}");

	ck_assert(!vm_def_decode(obj, def, faults));
	rig_assert_fault(faults, "/machine", "such as pc-q35-7.2");
}
END_TEST

/* Both sides of a move must put the devices into the same slots. */
START_TEST(normalize_pins_the_lowest_free_slots)
{
	struct err err;

	ck_assert(decode(FULL));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_str_eq(def->disks[0].pci_address, "0x4");
	ck_assert_str_eq(def->disks[1].pci_address, "0x3");
	ck_assert_str_eq(def->nics[0].pci_address, "0x5");
	ck_assert_str_eq(def->nics[1].pci_address, "0x2");
	ck_assert_str_eq(def->nics[2].pci_address, "0x6");
	ck_assert_str_eq(def->shared_memory[0].pci_address, "0x7");
	ck_assert_str_eq(def->videos[0].pci_address, "0x1");
	ck_assert_uint_eq(def->memory_devices[1].slot, 0);
	ck_assert(!def->memory_devices[1].has_address);
	ck_assert_uint_eq(def->vcpu_devices[0].index, 3);
	ck_assert_str_eq(def->nics[1].mac, "52:54:00:12:34:56");
	ck_assert_int_eq(strncmp(def->nics[0].mac, "52:54:00:", 9), 0);
}
END_TEST

/* Only a new VM gets ports: a guest that runs without them must move without them. */
START_TEST(q35_gets_ports_where_there_is_room)
{
	struct err err;

	ck_assert(decode(""));
	ck_assert_uint_eq(def->hotplug_ports, 0);
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_uint_eq(def->hotplug_ports, VM_DEF_HOTPLUG_PORTS);
	ck_assert(decode("'hotplug_ports':0"));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_uint_eq(def->hotplug_ports, 0);
	ck_assert(decode("'extra_args':['-device','virtio-rng-pci,addr=0x1d']"));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert(!def->has_hotplug_ports);
	snprintf(def->machine, sizeof(def->machine), "pc-i440fx-7.2");
	def->extra_arg_count = 0;
	ck_assert(vm_def_normalize(def, &err));
	ck_assert(!def->has_hotplug_ports);
}
END_TEST

START_TEST(normalize_twice_changes_nothing)
{
	struct err err;

	ck_assert(decode("'nics':[{'id':'a','type':'user'},{'id':'b','type':'user'}]"));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert(id_uuid_is_valid(def->uuid));
	ck_assert_str_ne(def->nics[0].mac, def->nics[1].mac);
	memcpy(again, def, sizeof(*def));
	ck_assert(vm_def_normalize(again, &err));
	ck_assert_mem_eq(def, again, sizeof(*def));
	assert_round_trip();
}
END_TEST

/* The destination connects the drives at the same units. */
START_TEST(normalize_pins_the_lowest_free_units)
{
	struct err err;

	ck_assert(decode(FULL));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert(def->cdroms[0].has_unit && !def->cdroms[2].has_unit);
	ck_assert_uint_eq(def->cdroms[0].unit, 1);
	ck_assert_str_eq(def->cdroms[0].pci_address, "");
	ck_assert_str_eq(def->cdroms[2].pci_address, "0x8");
	ck_assert(decode("'cdroms':[{'id':'a','bus':'sata'},{'id':'b','bus':'sata'}],"
			 "'extra_args':['-hda','/x','-drive','if=ide,index=1,media=cdrom']"));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_uint_eq(def->cdroms[0].unit, 2);
	ck_assert_uint_eq(def->cdroms[1].unit, 3);
}
END_TEST

START_TEST(drive_without_a_free_unit_is_named)
{
	struct err err;

	ck_assert(decode(""));
	snprintf(def->machine, sizeof(def->machine), "pc-i440fx-7.2");
	def->cdrom_count = 5;
	for (size_t i = 0; i < def->cdrom_count; i++)
		snprintf(def->cdroms[i].id, VM_DEF_ID_SIZE, "cd%zu", i);
	ck_assert(!vm_def_normalize(def, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "'cd4': use bus scsi"));
	def->cdrom_count = 4;
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_uint_eq(def->cdroms[3].unit, 3);
}
END_TEST

/* QEMU would refuse to start if a slot of the extra arguments were used again. */
START_TEST(normalize_leaves_slots_of_extra_args_alone)
{
	struct err err;

	ck_assert(decode("'disks':[{'id':'d','path':'/x','format':'raw'}],"
			 "'extra_args':['-device','virtio-rng-pci,addr=0x2,id=r']"));
	ck_assert(vm_def_normalize(def, &err));
	ck_assert_str_eq(def->disks[0].pci_address, "0x3");
}
END_TEST

static void fill(const char *machine, bool guest_agent)
{
	memset(def, 0, sizeof(*def));
	snprintf(def->machine, sizeof(def->machine), "%s", machine);
	def->guest_agent = guest_agent;
	def->disk_count = VM_DEF_DISK_MAX;
	def->nic_count = VM_DEF_NIC_MAX;
	def->shared_memory_count = VM_DEF_SHARED_MEMORY_MAX;
}

/* Even the largest definition fits beside the machine's own slots. */
START_TEST(largest_definition_fits_into_the_bus)
{
	static const char *const machines[] = { "pc-q35-7.2", "pc-i440fx-7.2" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		uint32_t slots = 1u << VM_DEF_GUEST_AGENT_SLOT | (i == 0 ? 1u << 0x1f : 1u << 0x1);

		fill(machines[i], true);
		ck_assert(vm_def_normalize(def, &err));
		for (size_t j = 0; j < VM_DEF_DISK_MAX; j++) {
			uint32_t slot = 1u << vm_def_pci_slot(def->disks[j].pci_address);

			ck_assert(!(slots & slot) && slot > 1);
			slots |= slot;
		}
		ck_assert_str_eq(def->shared_memory[3].pci_address, "0x1d");
	}
}
END_TEST

START_TEST(full_bus_is_an_error_that_names_the_device)
{
	struct err err;

	fill("pc-q35-7.2", true);
	def->extra_arg_count = 1;
	snprintf(def->extra_args[0], VM_DEF_ARG_SIZE, "virtio-rng-pci,addr=0x7");
	snprintf(def->shared_memory[3].id, VM_DEF_ID_SIZE, "last");
	ck_assert(!vm_def_normalize(def, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "'last'"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm_def");
	TCase *t = tcase_create("vm_def");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, least_definition_gets_its_defaults);
	tcase_add_test(t, full_definition_arrives);
	tcase_add_test(t, encoded_definition_decodes_to_the_same);
	tcase_add_loop_test(t, wrong_value_is_one_fault, 0, (int)ARRAY_LEN(wrong));
	tcase_add_loop_test(t, dangerous_name_is_refused, 0, (int)ARRAY_LEN(wrong_names));
	tcase_add_loop_test(t, option_that_breaks_ownership_is_refused, 0, (int)ARRAY_LEN(refused));
	tcase_add_test(t, local_images_are_disks_and_variables);
	tcase_add_test(t, machine_alias_is_refused);
	tcase_add_test(t, normalize_pins_the_lowest_free_slots);
	tcase_add_test(t, q35_gets_ports_where_there_is_room);
	tcase_add_test(t, normalize_twice_changes_nothing);
	tcase_add_test(t, normalize_pins_the_lowest_free_units);
	tcase_add_test(t, drive_without_a_free_unit_is_named);
	tcase_add_test(t, normalize_leaves_slots_of_extra_args_alone);
	tcase_add_test(t, largest_definition_fits_into_the_bus);
	tcase_add_test(t, full_bus_is_an_error_that_names_the_device);
	suite_add_tcase(s, t);
	return s;
}
