/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "cmdline/device_seen.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"

static struct vm_def *def; /* too large for the stack */
static struct seen seen;

#define PCI                                                                         \
	"[{'bus':0,'devices':[{'slot':2,'function':0,'qdev_id':'a'},"               \
	"{'slot':29,'function':0,'qdev_id':'migrd-port1','pci_bridge':{'devices':[" \
	"{'slot':0,'function':0,'qdev_id':'b'}]}},"                                 \
	"{'slot':29,'function':1,'qdev_id':'migrd-port2','pci_bridge':{}},"         \
	"{'slot':4,'function':0,'qdev_id':'own-bridge','pci_bridge':{'devices':["   \
	"{'slot':0,'function':0,'qdev_id':'far'}]}}]}]"

static void set_up(void)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'name':'v','machine':'pc-q35-7.2','memory_mib':512,'memory_slots':4,"
			  "'max_memory_mib':4096,'max_vcpus':4,'hotplug_ports':4,"
			  "'disks':[{'id':'a','path':'/a','format':'raw','pci_address':'0x2'},"
			  "{'id':'b','path':'/b','format':'raw','pci_address':'port1'},"
			  "{'id':'c','path':'/c','format':'raw','pci_address':'port2'}],"
			  "'memory_devices':[{'id':'m','size_mib':128,'slot':1}],"
			  "'vcpu_devices':[{'id':'p','index':2}],"
			  "'devices':[{'id':'far','driver':'edu'}]}");
	struct faults *faults = faults_new();

	def = xnew(struct vm_def);
	ck_assert(vm_def_decode(obj, def, faults));
	faults_free(faults);
	seen = (struct seen){ {
		rig_parse("[{'name':'type','type':'string'},{'name':'a','type':'child<x>'},"
			  "{'name':'far'}]"),
		rig_parse(PCI),
		rig_parse("[{'type':'dimm','data':{'id':'m','slot':3,'addr':4294967296}}]"),
		rig_parse("[{'props':{'core-id':2,'socket-id':0},'qom-path':'/x'},"
			  "{'props':{'core-id':3,'socket-id':0}}]"),
	} };
}

static void tear_down(void)
{
	seen_fini(&seen);
	free(def);
}

static struct vm_def_device find(const char *id)
{
	struct vm_def_device dev;

	ck_assert(vm_def_find_device(def, id, &dev));
	return dev;
}

static bool is_gone(const char *id)
{
	return seen_is_gone(&seen, def, find(id));
}

/* A device is found by its id or by its place: a QEMU started by hand may have other ids. */
START_TEST(device_is_there_by_id_or_by_place)
{
	ck_assert(!is_gone("a"));
	ck_assert(!is_gone("b"));
	ck_assert(is_gone("c"));
	ck_assert(!is_gone("p"));
	ck_assert(!is_gone("far"));
	def->vcpu_devices[0].index = 3;
	ck_assert(is_gone("p"));
	ck_assert(is_gone("m"));
	def->memory_devices[0].slot = 3;
	ck_assert(!is_gone("m"));
}
END_TEST

/* Without an answer no device counts as gone. */
START_TEST(answer_missing_or_strange_nothing_is_gone)
{
	static const char *const strange[] = { NULL, "{}", "'x'", "7", "{'a':[]}" };
	static const char *const ids[] = { "a", "b", "c", "m", "p" };

	for (size_t query = 0; query < SEEN_COUNT; query++)
		ck_assert_ptr_nonnull(seen_command((enum seen_query)query));
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		seen_fini(&seen);
		for (size_t query = 0; query < SEEN_COUNT; query++)
			seen.answers[query] = strange[i] ? rig_parse(strange[i]) : NULL;
		ck_assert(!seen_is_known(&seen));
		for (size_t k = 0; k < ARRAY_LEN(ids); k++)
			ck_assert(!is_gone(ids[k]));
	}
}
END_TEST

/* Elements of an unexpected shape are skipped. */
START_TEST(elements_of_any_shape_are_survived)
{
	static const char *const lists[] = {
		"[null,1,'x',[],{}]", "[{'bus':0,'devices':[null,{'pci_bridge':3},{'slot':-1}]}]",
		"[{'data':[]},{'props':'x'},{'name':7}]"
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		seen_fini(&seen);
		for (size_t query = 0; query < SEEN_COUNT; query++)
			seen.answers[query] = rig_parse(lists[i]);
		ck_assert(is_gone("a"));
		ck_assert(is_gone("m"));
		ck_assert(is_gone("p"));
		seen_take_place(&seen, def, find("m"));
		ck_assert(!def->memory_devices[0].has_address);
	}
}
END_TEST

START_TEST(places_are_taken_over)
{
	static const char *const ids[] = { "a", "b", "far", "m" };

	def->disks[0].pci_address[0] = def->disks[1].pci_address[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		seen_take_place(&seen, def, find(ids[i]));
	ck_assert_str_eq(def->disks[0].pci_address, "0x2");
	ck_assert_str_eq(def->disks[1].pci_address, "port1");
	ck_assert_str_eq(def->devices[0].pci_address, ""); /* behind an unknown bridge */
	ck_assert_uint_eq(def->memory_devices[0].slot, 3);
	ck_assert_uint_eq(def->memory_devices[0].address, 4294967296);
}
END_TEST

START_TEST(only_what_there_is_is_asked_for)
{
	def->memory_device_count = def->vcpu_device_count = 0;
	ck_assert(seen_is_wanted(SEEN_QOM, def));
	ck_assert(seen_is_wanted(SEEN_PCI, def));
	ck_assert(!seen_is_wanted(SEEN_MEMORY, def));
	ck_assert(!seen_is_wanted(SEEN_VCPUS, def));
	def->disk_count = def->device_count = 0;
	ck_assert(!seen_is_wanted(SEEN_QOM, def));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("device_seen");
	TCase *t = tcase_create("device_seen");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, device_is_there_by_id_or_by_place);
	tcase_add_test(t, answer_missing_or_strange_nothing_is_gone);
	tcase_add_test(t, elements_of_any_shape_are_survived);
	tcase_add_test(t, places_are_taken_over);
	tcase_add_test(t, only_what_there_is_is_asked_for);
	suite_add_tcase(s, t);
	return s;
}
