/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit makes of a definition: all of it, or nothing. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "wire/vm_edit.h"

static struct vm_def *def;
static struct err err;

static void setup(void)
{
	static const char text[] =
		"{\"name\":\"vm1\",\"uuid\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
		"\"machine\":\"pc-q35-7.2\",\"memory_mib\":128,\"vcpus\":2,"
		"\"disks\":[{\"id\":\"d0\",\"path\":\"/d0\",\"format\":\"raw\",\"boot_index\":3},"
		"{\"id\":\"d1\",\"path\":\"/d1\",\"format\":\"raw\"}],"
		"\"nics\":[{\"id\":\"net0\",\"type\":\"user\",\"mac\":\"52:54:00:00:00:07\"}],"
		"\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\"}]}";
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct faults *faults = faults_new();

	def = xnew(struct vm_def);
	err = (struct err){ 0 };
	if (!vm_def_decode(obj, def, faults))
		faults_to_err(faults, &err);
	faults_free(faults);
	ck_assert_msg(!err_is_set(&err) && vm_def_normalize(def, &err), "%s", err.msg);
}

static void teardown(void)
{
	free(def);
}

/* The edit that TEXT asks for; it lasts until the next one. */
static const struct vm_edit *edit_of(const char *text)
{
	static struct vm_edit edit;
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct faults *faults = faults_new();

	memset(&edit, 0, sizeof(edit));
	ck_assert_ptr_nonnull(obj);
	if (!json_decode(obj, vm_edit_fields, &edit, "", faults))
		ck_abort_msg("%s: %s", faults->list[0].pointer, faults->list[0].detail);
	faults_free(faults);
	return &edit;
}

static void change(const char *text)
{
	ck_assert_msg(vm_edit_apply(edit_of(text), def, &err), "%s", err.msg);
}

static void defer(const char *text)
{
	ck_assert_msg(vm_edit_defer(edit_of(text), def, &err), "%s", err.msg);
}

static void take_next(void)
{
	ck_assert_msg(vm_edit_take_next(def, &err), "%s", err.msg);
	ck_assert(vm_edit_is_empty(&def->next));
}

typedef bool edit_fn(const struct vm_edit *edit, struct vm_def *to, struct err *why);

static void refused(edit_fn *fn, const char *text, const char *words)
{
	struct vm_def *before = xnew(struct vm_def);

	memcpy(before, def, sizeof(*before));
	ck_assert(!fn(edit_of(text), def, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_msg(strstr(err.msg, words), "%s", err.msg);
	ck_assert_mem_eq(before, def, sizeof(*def));
	free(before);
}

START_TEST(what_is_named_is_changed_and_nothing_else)
{
	change("{\"memory_mib\":256}");
	ck_assert_uint_eq(def->memory_mib, 256);
	ck_assert_uint_eq(def->vcpus, 2);
	ck_assert_uint_eq(def->disks[0].boot_index, 3);
}
END_TEST

START_TEST(boot_order_numbers_those_and_no_others)
{
	change("{\"boot_order\":[\"cd0\",\"d1\"]}");
	ck_assert(!def->disks[0].has_boot_index);
	ck_assert(def->cdroms[0].has_boot_index && def->cdroms[0].boot_index == 0);
	ck_assert(def->disks[1].has_boot_index && def->disks[1].boot_index == 1);
	defer("{\"boot_order\":[\"cd0\",\"d1\"]}");
	ck_assert(vm_edit_is_empty(&def->next));
}
END_TEST

static const struct {
	const char *edit, *words;
} wrong[] = {
	{ "{\"memory_mib\":256,\"boot_order\":[\"d0\",\"d0\"]}",
	  "/boot_order/1: 'd0' is there twice" },
	{ "{\"memory_mib\":256,\"boot_order\":[\"net0\"]}", "no disk or CD drive 'net0'" },
	{ "{\"vcpus\":4}", "vcpus" }, /* there may be 3 */
	{ "{\"remove\":[\"d7\"]}",
	  "/remove/0: there is no disk, network interface or CD drive 'd7'" },
	{ "{\"remove\":[\"d1\"],\"disks\":[{\"id\":\"d1\",\"path\":\"/x\",\"format\":\"raw\"}]}",
	  "/remove/0: 'd1' is to be added too" },
	{ "{\"disks\":[{\"id\":\"d2\",\"path\":\"/x\",\"format\":\"raw\"},"
	  "{\"id\":\"d2\",\"path\":\"/y\",\"format\":\"raw\"}]}",
	  "/disks/1/id: 'd2' is there twice" },
	{ "{\"disks\":[{\"id\":\"net0\",\"path\":\"/x\",\"format\":\"raw\"}]}", "net0" },
	{ "{\"nics\":[{\"id\":\"net1\",\"type\":\"tap\"}]}", "ifname" },
	{ "{\"remove\":[\"d1\"],\"boot_order\":[\"d1\"]}", "no disk or CD drive 'd1'" },
	{ "{\"remove\":[\"cd0\"],\"boot_order\":[\"cd0\"]}", "no disk or CD drive 'cd0'" },
	{ "{\"remove\":[\"cd0\"],\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"scsi\"}]}",
	  "/remove/0: 'cd0' is to be added too" },
	{ "{\"cdroms\":[{\"id\":\"cd1\",\"bus\":\"ide\"}]}", "bus of a pc-i440fx machine" },
	{ "{\"cdroms\":[{\"id\":\"d0\",\"bus\":\"sata\"}]}", "d0" },
	{ "{\"cdroms\":[{\"id\":\"cd1\",\"bus\":\"sata\",\"unit\":0}]}", "is taken by /cdroms/0" },
};

START_TEST(wrong_ones_change_nothing)
{
	def->max_vcpus = 3;
	refused(vm_edit_apply, wrong[_i].edit, wrong[_i].words);
	refused(vm_edit_defer, wrong[_i].edit, wrong[_i].words);
}
END_TEST

START_TEST(later_change_takes_the_place_of_an_earlier_one)
{
	defer("{\"memory_mib\":256,\"vcpus\":4}");
	ck_assert_uint_eq(def->memory_mib, 128);
	defer("{\"vcpus\":2}");
	ck_assert_uint_eq(def->next.memory_mib, 256);
	ck_assert_uint_eq(def->next.vcpus, 0);
	change("{\"memory_mib\":192}");
	ck_assert_uint_eq(def->memory_mib, 192);
	ck_assert(vm_edit_is_empty(&def->next));
}
END_TEST

/* An element that takes the place of another stays where the guest knows it. */
START_TEST(devices_keep_their_places)
{
	char slot[VM_DEF_PCI_SIZE];

	memcpy(slot, def->disks[0].pci_address, sizeof(slot));
	change("{\"disks\":[{\"id\":\"d0\",\"path\":\"/new\",\"format\":\"qcow2\"},"
	       "{\"id\":\"d2\",\"path\":\"/d2\",\"format\":\"raw\"}],"
	       "\"nics\":[{\"id\":\"net0\",\"type\":\"tap\",\"ifname\":\"tap0\"}],\"remove\":["
	       "\"d1\"]}");
	ck_assert_uint_eq(def->disk_count, 2);
	ck_assert_str_eq(def->disks[0].path, "/new");
	ck_assert_str_eq(def->disks[0].pci_address, slot);
	ck_assert_uint_eq(def->disks[0].boot_index, 3);
	ck_assert_str_eq(def->disks[1].id, "d2");
	ck_assert_str_ne(def->disks[1].pci_address, "");
	ck_assert_str_eq(def->nics[0].mac, "52:54:00:00:00:07");
	ck_assert_int_eq(def->nics[0].type, VM_DEF_NIC_TYPE_TAP);
}
END_TEST

START_TEST(devices_wait_and_are_taken_back)
{
	defer("{\"disks\":[{\"id\":\"d2\",\"path\":\"/"
	      "d2\",\"format\":\"raw\"}],\"remove\":[\"d1\"]}");
	ck_assert_uint_eq(def->disk_count, 2);
	defer("{\"remove\":[\"d2\"]}");
	ck_assert_uint_eq(def->next.disks.count, 0);
	ck_assert_uint_eq(def->next.remove.count, 1);
	/* As it is now: nothing waits for it any more. */
	defer("{\"disks\":[{\"id\":\"d1\",\"path\":\"/d1\",\"format\":\"raw\"}]}");
	ck_assert(vm_edit_is_empty(&def->next));
}
END_TEST

/* It keeps its place in the order of boot, and on its bus. */
START_TEST(cd_drives_come_go_and_keep_their_places)
{
	change("{\"boot_order\":[\"cd0\"]}");
	change("{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\",\"path\":\"/one.iso\"},"
	       "{\"id\":\"cd1\",\"bus\":\"sata\",\"unit\":4}]}");
	ck_assert_uint_eq(def->cdrom_count, 2);
	ck_assert_str_eq(def->cdroms[0].path, "/one.iso");
	ck_assert(def->cdroms[0].has_boot_index && def->cdroms[0].boot_index == 0);
	ck_assert_uint_eq(def->cdroms[0].unit, 0);
	change("{\"cdroms\":[{\"id\":\"cd1\",\"bus\":\"sata\"}]}");
	ck_assert_uint_eq(def->cdroms[1].unit, 4);
	/* A place on another bus is one that is free there. */
	change("{\"cdroms\":[{\"id\":\"cd1\",\"bus\":\"scsi\"}],\"remove\":[\"cd0\"]}");
	ck_assert_uint_eq(def->cdrom_count, 1);
	ck_assert_int_eq(def->cdroms[0].bus, VM_DEF_CDROM_BUS_SCSI);
	ck_assert(!def->cdroms[0].has_unit);
	ck_assert_str_ne(def->cdroms[0].pci_address, "");
}
END_TEST

/* What is in a drive does not wait: it is what `vm insert' and `vm eject' have left there. */
START_TEST(drive_that_waits_keeps_its_medium)
{
	struct vm_def_cdrom *cdrom = &def->cdroms[0];

	defer("{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"scsi\"},"
	      "{\"id\":\"cd1\",\"bus\":\"sata\",\"path\":\"/new.iso\"}]}");
	ck_assert_uint_eq(def->cdrom_count, 1);
	snprintf(cdrom->path, sizeof(cdrom->path), "/two.iso");
	cdrom->tray = VM_DEF_TRAY_OPEN;
	refused(vm_edit_defer, "{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"scsi\"}]}",
		"/cdroms/0/path: in 'cd0' is /two.iso now");
	refused(vm_edit_defer,
		"{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"scsi\",\"path\":\"/x.iso\"}]}",
		"vm insert");
	defer("{\"memory_mib\":256}");
	ck_assert_uint_eq(def->next.cdroms.count, 2);
	take_next();
	ck_assert_uint_eq(def->cdrom_count, 2);
	ck_assert_int_eq(def->cdroms[0].bus, VM_DEF_CDROM_BUS_SCSI);
	ck_assert_str_eq(def->cdroms[0].path, "/two.iso");
	ck_assert_str_eq(def->cdroms[1].path, "/new.iso");
}
END_TEST

START_TEST(drive_is_taken_back)
{
	defer("{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"scsi\"}]}");
	def->cdroms[0].tray = VM_DEF_TRAY_OPEN; /* the guest moves it meanwhile */
	defer("{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\"}]}");
	ck_assert(vm_edit_is_empty(&def->next));
	defer("{\"remove\":[\"cd0\"]}");
	ck_assert_uint_eq(def->next.remove.count, 1);
	defer("{\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\"}]}");
	ck_assert(vm_edit_is_empty(&def->next));
}
END_TEST

/* Meanwhile devices may come and go by other ways. */
START_TEST(what_has_gone_meanwhile_is_left_out)
{
	defer("{\"memory_mib\":256,\"boot_order\":[\"d1\",\"cd0\"],\"remove\":[\"d0\"]}");
	memset(&def->disks[0], 0, sizeof(def->disks));
	def->disk_count = 0;
	take_next();
	ck_assert_uint_eq(def->memory_mib, 256);
	ck_assert(def->cdroms[0].has_boot_index && def->cdroms[0].boot_index == 0);
}
END_TEST

START_TEST(next_that_fits_no_more_changes_nothing)
{
	defer("{\"vcpus\":4}");
	def->max_vcpus = 3;
	ck_assert(!vm_edit_take_next(def, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_uint_eq(def->vcpus, 2);
	ck_assert_uint_eq(def->next.vcpus, 4);
}
END_TEST

START_TEST(waits_is_said_of_what_was_asked_for)
{
	const char *why;

	defer("{\"disks\":[{\"id\":\"d2\",\"path\":\"/d2\",\"format\":\"raw\"}],\"vcpus\":4}");
	for (size_t i = 0; vm_edit_member(i, &why); i++) {
		const char *name = vm_edit_member(i, &why);

		ck_assert_int_eq(vm_edit_waits(&def->next, edit_of("{\"vcpus\":3}"), i),
				 strcmp(name, "vcpus") == 0);
		ck_assert(!vm_edit_waits(&def->next,
					 edit_of("{\"disks\":[{\"id\":\"d1\",\"path\":\"/"
						 "d1\",\"format\":\"raw\"}]}"),
					 i));
	}
}
END_TEST

/* It is in the definition, so that it is on disk and travels with it; then it is made. */
START_TEST(what_waits_is_kept_with_the_definition)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct vm_def *read = xnew(struct vm_def);
	struct faults *faults = faults_new();

	defer("{\"memory_mib\":256,\"boot_order\":[\"d1\"],\"remove\":[\"d0\"],"
	      "\"disks\":[{\"id\":\"d2\",\"path\":\"/d2\",\"format\":\"raw\"}]}");
	obj = vm_def_encode(def);
	ck_assert(vm_def_decode(obj, read, faults));
	ck_assert_mem_eq(read, def, sizeof(*def));
	take_next();
	ck_assert_uint_eq(def->memory_mib, 256);
	ck_assert_uint_eq(def->disk_count, 2);
	ck_assert_str_eq(def->disks[1].id, "d2");
	faults_free(faults);
	free(read);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm_edit");
	TCase *tc = tcase_create("vm_edit");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_named_is_changed_and_nothing_else);
	tcase_add_test(tc, boot_order_numbers_those_and_no_others);
	tcase_add_loop_test(tc, wrong_ones_change_nothing, 0, ARRAY_LEN(wrong));
	tcase_add_test(tc, later_change_takes_the_place_of_an_earlier_one);
	tcase_add_test(tc, devices_keep_their_places);
	tcase_add_test(tc, devices_wait_and_are_taken_back);
	tcase_add_test(tc, cd_drives_come_go_and_keep_their_places);
	tcase_add_test(tc, drive_that_waits_keeps_its_medium);
	tcase_add_test(tc, drive_is_taken_back);
	tcase_add_test(tc, what_has_gone_meanwhile_is_left_out);
	tcase_add_test(tc, next_that_fits_no_more_changes_nothing);
	tcase_add_test(tc, waits_is_said_of_what_was_asked_for);
	tcase_add_test(tc, what_waits_is_kept_with_the_definition);
	suite_add_tcase(s, tc);
	return s;
}
