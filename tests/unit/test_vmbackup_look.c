/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which disks of a guest are backed up. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "json_rig.h"
#include "vmbackup/priv.h"

#define DISKS                                               \
	"'disks':[{'id':'a','path':'/a','format':'qcow2'}," \
	"{'id':'r','path':'/r','format':'raw','readonly':true}]"

static struct vm_def *def;
static struct vmbackup_detail *detail;
static struct vmbackup_request *wish;
static struct err err;

static void set_up(void)
{
	def = xnew(struct vm_def);
	detail = xnew(struct vmbackup_detail);
	wish = xnew(struct vmbackup_request);
}

static void tear_down(void)
{
	free(def);
	free(detail);
	free(wish);
}

static bool look(const char *members)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,%s}", members);
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);
	struct faults *faults = faults_new();

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	faults_free(faults);
	return vmbackup_look_at(def, wish, NULL, detail, &err);
}

static void want(const char *disk)
{
	snprintf(wish->disks[wish->disk_count++], sizeof(wish->disks[0]), "%s", disk);
}

START_TEST(all_that_is_written_is_backed_up)
{
	ck_assert(look(DISKS));
	ck_assert_uint_eq(detail->disk_count, 1);
	ck_assert_str_eq(detail->disks[0].id, "a");
	ck_assert_str_eq(detail->disks[0].file, "a.qcow2");
}
END_TEST

#define IMAGE(allocated, more)                                               \
	"{'format':'qcow2','virtual-size':1000448,'actual-size':" #allocated \
	",'format-specific':{'type':'qcow2','data':{'compat':'1.1'}}" more "}"

/* A full backup has what is in the files below an image too, but not more than the disk can hold.
 */
START_TEST(room_is_wanted_for_the_whole_chain)
{
	static const char blocks_text[] =
		"[{'qdev':'/machine/peripheral/a/"
		"virtio-backend','inserted':{'node-name':'n','image':" IMAGE(
			1000,
			",'backing-image':" IMAGE(200000,
						  ",'backing-image':" IMAGE(30000, ""))) "}}]";
	static const char full_text[] = "[{'qdev':'/machine/peripheral/a/"
					"virtio-backend','inserted':{'node-name':'n','image'"
					":" IMAGE(1000,
						  ",'backing-image':" IMAGE(1000000, "")) "}}]";
	static const char nodes_text[] = "[{'node-name':'n','image':" IMAGE(1000, "") "}]";
	CLEANUP(json_putp) struct json_object *nodes = rig_parse(nodes_text);
	static const struct {
		const char *blocks;
		uint64_t bytes;
	} rows[] = { { blocks_text, 231000 }, { full_text, 1000448 } };

	ck_assert(look(DISKS));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_putp) struct json_object *blocks = rig_parse(rows[i].blocks);

		ck_assert_msg(vmbackup_look_at(def, wish, blocks, detail, &err), "%s", err.msg);
		ck_assert_msg(vmbackup_look_at_nodes(nodes, detail, &err), "%s", err.msg);
		ck_assert_uint_eq(detail->disk_count, 1);
		ck_assert_uint_eq(detail->disks[0].allocated_bytes, rows[i].bytes);
	}
}
END_TEST

START_TEST(named_disks_are_backed_up)
{
	want("r");
	ck_assert(look(DISKS));
	ck_assert_str_eq(detail->disks[0].id, "r");
	want("b");
	ck_assert(!look(DISKS));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* A backup without a disk of the guest would be taken for one of all. */
START_TEST(nothing_is_left_out_unsaid)
{
	ck_assert(!look(DISKS ",'extra_args':['-drive','file=/y,if=none,id=y']"));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(err.msg, "-drive of extra_args") != NULL, "%s", err.msg);
	ck_assert(look(DISKS ",'extra_args':['-drive','file=/y,if=none,id=y,readonly=on']"));
	ck_assert(look(DISKS ",'extra_args':['-drive','file=/y,media=cdrom,id=y']"));
	want("a");
	ck_assert(look(DISKS ",'extra_args':['-drive','file=/y,if=none,id=y']"));
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("vmbackup_look");
	TCase *tcase = tcase_create("vmbackup_look");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, all_that_is_written_is_backed_up);
	tcase_add_test(tcase, room_is_wanted_for_the_whole_chain);
	tcase_add_test(tcase, named_disks_are_backed_up);
	tcase_add_test(tcase, nothing_is_left_out_unsaid);
	suite_add_tcase(suite, tcase);
	return suite;
}
