/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "wire/vm_def_device.h"

static struct vm_def *def, *with; /* too large for the stack */
static struct faults *faults;

static void set_up(void)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'name':'v','machine':'pc-q35-7.2','memory_mib':512,'memory_slots':2,"
			  "'max_memory_mib':1024,'max_vcpus':2,'hotplug_ports':2,"
			  "'disks':[{'id':'a','path':'/a','format':'raw'},"
			  "{'id':'b','path':'/b','format':'raw','pci_address':'port1'}]}");

	def = xnew(struct vm_def);
	with = xnew(struct vm_def);
	faults = faults_new();
	ck_assert(vm_def_decode(obj, def, faults));
}

static void tear_down(void)
{
	free(def);
	free(with);
	faults_free(faults);
}

static bool add(const char *text, struct vm_def_device *ret)
{
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);

	faults->count = 0;
	return vm_def_add_device(def, obj, with, ret, faults);
}

static const char *const devices[VM_DEF_KIND_COUNT] = {
	[VM_DEF_KIND_DISK] = "{'kind':'disk','id':'x','path':'/x','format':'qcow2'}",
	[VM_DEF_KIND_NIC] = "{'kind':'nic','id':'x','type':'user'}",
	[VM_DEF_KIND_SHARED_MEMORY] = "{'kind':'shared_memory','id':'x','path':'/x','size_mib':4}",
	[VM_DEF_KIND_MEMORY] = "{'kind':'memory','id':'x','size_mib':128}",
	[VM_DEF_KIND_VCPU] = "{'kind':'vcpu','id':'x','index':1}",
	[VM_DEF_KIND_GENERIC] = "{'kind':'generic','id':'x','driver':'edu'}",
	[VM_DEF_KIND_VSOCK] = "{'kind':'vsock','id':'x','cid':3}",
	[VM_DEF_KIND_VIDEO] = "{'kind':'video','id':'x','model':'bochs'}",
	[VM_DEF_KIND_CDROM] = "{'kind':'cdrom','id':'x','bus':'scsi','path':'/x.iso'}",
};

/* A device that is taken out of a definition can be put back unchanged. */
START_TEST(device_comes_and_goes)
{
	struct vm_def_device dev;
	CLEANUP(json_putp) struct json_object *obj = NULL;
	CLEANUP(json_putp) struct json_object *wanted = rig_parse(devices[_i]);

	ck_assert_msg(add(devices[_i], &dev), "%s: %s", faults->list[0].pointer,
		      faults->list[0].detail);
	ck_assert_int_eq(dev.kind, _i);
	ck_assert_str_eq(vm_def_device_id(with, dev), "x");
	obj = vm_def_device_json(with, dev);
	ck_assert_msg(json_object_equal(obj, wanted), "%s", json_object_to_json_string(obj));
	ck_assert(vm_def_find_device(with, "x", &dev));
	vm_def_remove_device(with, dev);
	ck_assert_mem_eq(with, def, sizeof(*def));
}
END_TEST

START_TEST(first_of_two_goes_the_second_stays)
{
	vm_def_remove_device(def, (struct vm_def_device){ VM_DEF_KIND_DISK, 0 });
	ck_assert_uint_eq(def->disk_count, 1);
	ck_assert_str_eq(def->disks[0].id, "b");
}
END_TEST

static const struct {
	const char *text, *pointer, *words;
} wrong[] = {
	{ "[]", "", "object" },
	{ "{'id':'x'}", "/kind", "required" },
	{ "{'kind':'disks','id':'x'}", "/kind", "one of disk" },
	{ "{'kind':'disk','id':'x','path':'x','format':'raw'}", "/path", "absolute" },
	{ "{'kind':'disk','id':'a','path':'/x','format':'raw'}", "/id", "/disks/0" },
	{ "{'kind':'nic','id':'a','type':'user'}", "/id", "/disks/0" },
	{ "{'kind':'disk','id':'x','path':'/b','format':'raw'}", "/path", "destroy" },
	{ "{'kind':'nic','id':'x','type':'user','pci_address':'port1'}", "/pci_address",
	  "/disks/1" },
	{ "{'kind':'nic','id':'x','type':'user','speed':1}", "/speed", "unknown" },
	{ "{'kind':'vcpu','id':'x','index':2}", "/index", "max_vcpus" },
	{ "{'kind':'memory','id':'x','size_mib':1024}", "", "max_memory_mib" },
};

/* The faults have the places of the posted document. */
START_TEST(wrong_device_is_one_fault_at_its_place)
{
	struct vm_def_device dev;

	ck_assert(!add(wrong[_i].text, &dev));
	rig_assert_fault(faults, wrong[_i].pointer, wrong[_i].words);
	ck_assert_uint_eq(faults->count, 1);
}
END_TEST

START_TEST(ports_are_given_out_until_there_is_none)
{
	char address[VM_DEF_PCI_SIZE];
	struct err err;

	ck_assert(vm_def_pick_port(def, address, &err));
	ck_assert_str_eq(address, "port2");
	snprintf(def->disks[0].pci_address, sizeof(def->disks[0].pci_address), "port2");
	ck_assert(!vm_def_pick_port(def, address, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm_def_device");
	TCase *t = tcase_create("vm_def_device");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, device_comes_and_goes, 0, VM_DEF_KIND_COUNT);
	tcase_add_test(t, first_of_two_goes_the_second_stays);
	tcase_add_loop_test(t, wrong_device_is_one_fault_at_its_place, 0, (int)ARRAY_LEN(wrong));
	tcase_add_test(t, ports_are_given_out_until_there_is_none);
	suite_add_tcase(s, t);
	return s;
}
