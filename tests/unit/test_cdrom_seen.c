/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "cmdline/cdrom_seen.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"

static struct vm_def *def; /* too large for the stack */

static void set_up(void)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'cdroms':["
			  "{'id':'a','bus':'sata','path':'/a.iso'},{'id':'b','bus':'scsi'}]}");
	struct faults *faults = faults_new();

	def = xnew(struct vm_def);
	ck_assert(vm_def_decode(obj, def, faults));
	faults_free(faults);
}

static void tear_down(void)
{
	free(def);
}

#define INSERTED(node, file, drv) \
	"'inserted':{'node-name':'" node "','file':'" file "','drv':'" drv "'}"
#define DRIVE_A                                                                                   \
	"{'qdev':'a','device':'','tray_open':false,'locked':true," INSERTED("a-next", "/two.iso", \
									    "raw") "}"
#define DRIVE_B "{'qdev':'/machine/peripheral/b','device':'','tray_open':true,'locked':false}"
#define DISK    "{'qdev':'/machine/peripheral/d/virtio-backend','device':'','removable':false}"

/* QEMU tells the id in two forms. */
START_TEST(drive_is_found_by_its_id)
{
	CLEANUP(json_putp)
	struct json_object *blocks = rig_parse("[" DISK "," DRIVE_B "," DRIVE_A "]");
	struct cdrom_seen seen;

	ck_assert(cdrom_seen_find(blocks, def, 0, &seen));
	ck_assert_str_eq(seen.qdev, "a");
	ck_assert_str_eq(seen.node, "a-next");
	ck_assert(!seen.is_open);
	ck_assert(cdrom_seen_has(&seen, "/two.iso", VM_DEF_DISK_FORMAT_RAW));
	ck_assert(!cdrom_seen_has(&seen, "/two.iso", VM_DEF_DISK_FORMAT_QCOW2));
	ck_assert(!cdrom_seen_has(&seen, "", VM_DEF_DISK_FORMAT_RAW));
	ck_assert(cdrom_seen_find(blocks, def, 1, &seen));
	ck_assert_ptr_null(seen.node);
	ck_assert(cdrom_seen_has(&seen, "", VM_DEF_DISK_FORMAT_RAW));
}
END_TEST

/* A command line that a person wrote gives no ids.  The drives without an id are then those of
 * the definition that were not found, in its order, if there are as many of both. */
START_TEST(drive_without_an_id_is_the_one_left_over)
{
	static const char *const lists[] = {
		"[" DRIVE_A ",{'qdev':'/machine/unattached/device[18]','tray_open':false}]",
		"[" DRIVE_A ",{'qdev':'/x','tray_open':false},{'qdev':'/y','tray_open':false}]",
		"[{'qdev':'/x','tray_open':false}]",
		"[{'qdev':'/x','tray_open':false},{'qdev':'/y','tray_open':true}]",
		"[" DRIVE_A ",{'qdev':'/x','device':'b','tray_open':false}]",
	};
	struct cdrom_seen seen;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		CLEANUP(json_putp) struct json_object *blocks = rig_parse(lists[i]);

		ck_assert_int_eq(cdrom_seen_find(blocks, def, 1, &seen), i == 0 || i > 2);
		ck_assert(i != 3 || seen.is_open); /* the second of the two */
	}
}
END_TEST

START_TEST(medium_and_tray_are_taken_over)
{
	CLEANUP(json_putp) struct json_object *blocks = rig_parse("[" DRIVE_A "," DRIVE_B "]");
	struct cdrom_seen seen;
	bool has_changed = false;
	struct err err;

	ck_assert(cdrom_seen_find(blocks, def, 0, &seen));
	ck_assert(cdrom_seen_take(&seen, &def->cdroms[0], &has_changed, &err));
	ck_assert(has_changed);
	ck_assert_str_eq(def->cdroms[0].path, "/two.iso");
	has_changed = false;
	ck_assert(cdrom_seen_take(&seen, &def->cdroms[0], &has_changed, &err));
	ck_assert(!has_changed);
	ck_assert(cdrom_seen_find(blocks, def, 1, &seen));
	ck_assert(cdrom_seen_take(&seen, &def->cdroms[1], &has_changed, &err));
	ck_assert(has_changed);
	ck_assert_int_eq(def->cdroms[1].tray, VM_DEF_TRAY_OPEN);
}
END_TEST

/* A medium that an operator inserted over another monitor is reported, and the record never
 * names another file in its place. */
START_TEST(medium_that_has_no_path_is_not_taken)
{
	CLEANUP(json_putp)
	struct json_object *blocks =
		rig_parse("[{'qdev':'a','tray_open':true," INSERTED("n", "nbd://h/x", "raw") "}]");
	struct cdrom_seen seen;
	bool has_changed = false;
	struct err err;

	ck_assert(cdrom_seen_find(blocks, def, 0, &seen));
	ck_assert(!cdrom_seen_take(&seen, &def->cdroms[0], &has_changed, &err));
	ck_assert(has_changed); /* by the tray */
	ck_assert_str_eq(def->cdroms[0].path, "/a.iso");
	ck_assert(!cdrom_seen_check(blocks, def, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "nbd://h/x"));
}
END_TEST

START_TEST(definition_that_differs_is_told)
{
	CLEANUP(json_putp) struct json_object *blocks = rig_parse("[" DRIVE_A "," DRIVE_B "]");
	struct err err;

	ck_assert(!cdrom_seen_check(blocks, def, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "'a' has '/two.iso'"));
	snprintf(def->cdroms[0].path, sizeof(def->cdroms[0].path), "/two.iso");
	ck_assert(cdrom_seen_check(blocks, def, &err));
	ck_assert(!cdrom_seen_check(NULL, def, &err));
}
END_TEST

START_TEST(answers_of_any_shape_are_survived)
{
	static const char *const answers[] = { "7", "{}", "[null,1,'x',[],{}]", "[{'tray_open':1}]",
					       "[{'tray_open':1,'qdev':7}]" };
	struct cdrom_seen seen;

	ck_assert(!cdrom_seen_find(NULL, def, 0, &seen));
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		CLEANUP(json_putp) struct json_object *blocks = rig_parse(answers[i]);

		ck_assert(!cdrom_seen_find(blocks, def, 0, &seen));
	}
	{
		CLEANUP(json_putp)
		struct json_object *blocks =
			rig_parse("[{'qdev':'a','tray_open':1,'inserted':{'file':7}}]");

		ck_assert(cdrom_seen_find(blocks, def, 0, &seen));
		ck_assert(!cdrom_seen_has(&seen, "/a.iso", VM_DEF_DISK_FORMAT_RAW));
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cdrom_seen");
	TCase *t = tcase_create("cdrom_seen");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, drive_is_found_by_its_id);
	tcase_add_test(t, drive_without_an_id_is_the_one_left_over);
	tcase_add_test(t, medium_and_tray_are_taken_over);
	tcase_add_test(t, medium_that_has_no_path_is_not_taken);
	tcase_add_test(t, definition_that_differs_is_told);
	tcase_add_test(t, answers_of_any_shape_are_survived);
	suite_add_tcase(s, t);
	return s;
}
