/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "vm/disk_limits.h"

static struct vm_def *def; /* too large for the stack */

static void set_up(void)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse(
		"{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'disks':["
		"{'id':'d','path':'/d.raw','format':'raw'}],'cdroms':[{'id':'c','bus':'sata'}]}");
	struct faults *faults = faults_new();

	def = xnew(struct vm_def);
	ck_assert(vm_def_decode(obj, def, faults));
	faults_free(faults);
}

static void tear_down(void)
{
	free(def);
}

static bool check(const char *qdev, const char *limits, struct err *err)
{
	CLEANUP(free_charp)
	char *text = xasprintf("[{'qdev':'/machine/peripheral/x/virtio-backend','inserted':{}},"
			       "{'qdev':'%s','inserted':{%s}}]",
			       qdev, limits);
	CLEANUP(json_putp) struct json_object *blocks = rig_parse(text);

	return disk_limits_check(blocks, def, err);
}

/* The next QEMU would not have the limit, and would burden the storage more than it can bear. */
START_TEST(disk_with_a_limit_is_named)
{
	struct err err = { 0 };

	ck_assert(!check("/machine/peripheral/d/virtio-backend", "'bps':0,'iops':100", &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(strstr(err.msg, "'d' has a limit of I/O (iops)"));
	ck_assert(!check("c", "'bps_rd':7", &err));
	ck_assert(strstr(err.msg, "'c'"));
}
END_TEST

START_TEST(disk_without_a_limit_and_others_pass)
{
	struct err err = { 0 };

	ck_assert(check("/machine/peripheral/d/virtio-backend", "'bps':0,'iops':0", &err));
	/* A burst (bps_max) without a limit (bps) limits nothing. */
	ck_assert(check("d", "'bps_max':7,'iops_size':8", &err));
	/* A disk of extra_args, whose id only begins like the definition's. */
	ck_assert(check("/machine/peripheral/d2/virtio-backend", "'bps':7", &err));
	ck_assert(disk_limits_check(NULL, def, &err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("disk_limits");
	TCase *tc = tcase_create("check");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, disk_with_a_limit_is_named);
	tcase_add_test(tc, disk_without_a_limit_and_others_pass);
	suite_add_tcase(s, tc);
	return s;
}
