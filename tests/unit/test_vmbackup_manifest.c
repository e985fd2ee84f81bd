/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The description of a backup, which may come from anywhere: paths are made of what it says. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "wire/vmbackup_manifest.h"

#define ID     "01234567-89ab-7def-8123-456789abcdef"
#define PARENT "01234567-89ab-7def-8123-456789abcdee"

static bool reads(const char *id, const char *parent, const char *disk, const char *image)
{
	char path[] = "manifest.XXXXXX";
	CLEANUP(closep) int fd = mkostemp(path, O_CLOEXEC);
	CLEANUP(free_charp)
	char *text =
		xasprintf("{\"version\":1,\"id\":\"%s\",\"parent\":\"%s\",\"vm\":\"v\",\"uuid\":"
			  "\"" ID "\",\"disks\":[{\"id\":\"%s\",\"mode\":\"full\",\"file\":\"%s\","
			  "\"virtual_bytes\":1}]}",
			  id, parent, disk, image);
	struct vmbackup_manifest *manifest = xnew(struct vmbackup_manifest);
	struct err err;
	bool ok;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ok = vmbackup_manifest_read_blocking(path, manifest, &err);
	free(manifest);
	unlink(path);
	return ok;
}

START_TEST(one_is_read)
{
	ck_assert(reads(ID, "", "vda", "vda.qcow2"));
	ck_assert(reads(ID, PARENT, "firmware-vars", "firmware-vars.qcow2"));
}
END_TEST

START_TEST(nothing_leads_to_another_directory)
{
	ck_assert(!reads("../../../../../../../../../../../../", "", "vda", "vda.qcow2"));
	ck_assert(!reads(ID, "..", "vda", "vda.qcow2"));
	ck_assert(!reads(ID, "", "/../vda", "vda.qcow2"));
	ck_assert(!reads(ID, "", "vda\\u001b[2J", "vda.qcow2"));
	ck_assert(!reads(ID, "", "vda", "../vda.qcow2"));
	ck_assert(!reads(ID, "", "vda", ".."));
	ck_assert(!reads(ID, "", "vda", ""));
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("vmbackup_manifest");
	TCase *tcase = tcase_create("vmbackup_manifest");

	tcase_add_test(tcase, one_is_read);
	tcase_add_test(tcase, nothing_leads_to_another_directory);
	suite_add_tcase(suite, tcase);
	return suite;
}
