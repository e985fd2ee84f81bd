/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an image of another host is made here: what a peer names, and what the configuration
 * allows. */
#include "storage/place.h"

#include <string.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"

static struct storage_rules rules;
static struct err err;

static void setup(void)
{
	rules = (struct storage_rules){ .dirs = "/images:/fast/images" };
}

static const char *place(const char *path)
{
	static char ret[VM_DEF_PATH_SIZE];

	ck_assert_msg(storage_place(&rules, path, ret, &err), "%s", err.msg);
	return ret;
}

static void assert_refused(const char *path, enum err_code code, const char *words)
{
	char ret[VM_DEF_PATH_SIZE] = "as before";

	ck_assert_msg(!storage_place(&rules, path, ret, &err), "%s: %s", path, ret);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
	ck_assert_str_eq(ret, "as before");
}

START_TEST(path_below_a_dir_stays)
{
	ck_assert_str_eq(place("/images/vm1/root.qcow2"), "/images/vm1/root.qcow2");
	ck_assert_str_eq(place("/fast/images/d"), "/fast/images/d");
}
END_TEST

START_TEST(path_outside_is_refused_with_the_keys_to_change)
{
	assert_refused("/etc/passwd", ERR_CONFLICT, "'dirs' of [storage]");
	assert_refused("/images2/d", ERR_CONFLICT, "'/images2/d'");
	assert_refused("/images", ERR_CONFLICT, "by 'map'");
	assert_refused("/fast/d", ERR_CONFLICT, "'/images:/fast/images'");
}
END_TEST

START_TEST(path_that_leads_out_is_refused)
{
	static const char *const paths[] = { "/images/../etc/passwd",
					     "/images/./d",
					     "/images//d",
					     "/images/d/",
					     "images/d",
					     "",
					     "/images/.." };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_refused(paths[i], ERR_INVALID, "no path for an image");
}
END_TEST

START_TEST(longest_beginning_of_the_map_counts)
{
	rules.map = "/srv:/images  /srv/fast:/fast/images\t/srv/fast/one.img:/images/first";
	ck_assert_str_eq(place("/srv/d"), "/images/d");
	ck_assert_str_eq(place("/srv/fast/d"), "/fast/images/d");
	ck_assert_str_eq(place("/srv/fast/one.img"), "/images/first");
	ck_assert_str_eq(place("/srv/faster/d"), "/images/faster/d");
	assert_refused("/srv2/d", ERR_CONFLICT, "'/srv2/d'");
}
END_TEST

START_TEST(root_can_be_mapped_from_and_to)
{
	rules.map = "/:/images /move:/";
	ck_assert_str_eq(place("/a/d"), "/images/a/d");
	ck_assert_str_eq(place("/move/fast/images/d"), "/fast/images/d");
	assert_refused("/move", ERR_INVALID, "no path");
}
END_TEST

/* A path is allowed by where it comes to, not by where it comes from. */
START_TEST(map_out_of_the_dirs_is_refused)
{
	rules.map = "/images/old:/old";
	assert_refused("/images/old/d", ERR_CONFLICT, "'/old/d'");
}
END_TEST

START_TEST(without_dirs_nothing_is_allowed)
{
	rules = (struct storage_rules){ 0 };
	assert_refused("/images/d", ERR_CONFLICT, "('')");
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	char path[VM_DEF_PATH_SIZE] = "/images/";

	memset(path + strlen(path), 'n', STORAGE_NAME_MAX + 1);
	assert_refused(path, ERR_INVALID, "rename the image");
	path[strlen(path) - 1] = '\0';
	place(path);
	for (size_t i = 8; i < sizeof(path) - 1; i++)
		path[i] = i % 100 == 0 ? '/' : 'n';
	place(path);
	rules.map = "/images:/images/more";
	assert_refused(path, ERR_INVALID, "too long");
}
END_TEST

/* Firmware may be anywhere: it is only read, and its content is compared. */
START_TEST(firmware_has_a_map_of_its_own)
{
	char ret[VM_DEF_PATH_SIZE];

	ck_assert(storage_place_firmware(&rules, "/fw/code.fd", ret, &err));
	ck_assert_str_eq(ret, "/fw/code.fd");
	rules.map = "/fw:/wrong";
	rules.firmware_map = "/fw:/usr/fw /fw/code.fd:/opt/c";
	ck_assert(storage_place_firmware(&rules, "/fw/code.fd", ret, &err));
	ck_assert_str_eq(ret, "/opt/c");
	ck_assert(storage_place_firmware(&rules, "/fw/vars.fd", ret, &err));
	ck_assert_str_eq(ret, "/usr/fw/vars.fd");
	memset(ret, 'n', sizeof(ret) - 1);
	memcpy(ret, "/fw/", 4);
	ret[sizeof(ret) - 1] = '\0';
	ck_assert(!storage_place_firmware(&rules, ret, ret, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "firmware_map"));
}
END_TEST

/* So may a backing file be, but it is where images of its directory are. */
START_TEST(backing_file_follows_the_map_and_no_dirs)
{
	char ret[VM_DEF_PATH_SIZE];

	ck_assert(storage_place_base(&rules, "/elsewhere/base", ret, &err));
	ck_assert_str_eq(ret, "/elsewhere/base");
	rules.map = "/elsewhere:/here";
	ck_assert(storage_place_base(&rules, ret, ret, &err));
	ck_assert_str_eq(ret, "/here/base");
	memset(ret, 'n', sizeof(ret) - 1);
	memcpy(ret, "/elsewhere/", 11);
	rules.map = "/elsewhere:/longer-than-that";
	ret[sizeof(ret) - 1] = '\0';
	ck_assert(!storage_place_base(&rules, ret, ret, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "too long"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("storage_place");
	TCase *tc = tcase_create("place");

	tcase_add_checked_fixture(tc, setup, NULL);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, path_below_a_dir_stays);
	tcase_add_test(tc, path_outside_is_refused_with_the_keys_to_change);
	tcase_add_test(tc, path_that_leads_out_is_refused);
	tcase_add_test(tc, longest_beginning_of_the_map_counts);
	tcase_add_test(tc, root_can_be_mapped_from_and_to);
	tcase_add_test(tc, map_out_of_the_dirs_is_refused);
	tcase_add_test(tc, without_dirs_nothing_is_allowed);
	tcase_add_test(tc, what_is_too_long_is_refused);
	tcase_add_test(tc, firmware_has_a_map_of_its_own);
	tcase_add_test(tc, backing_file_follows_the_map_and_no_dirs);
	return s;
}
