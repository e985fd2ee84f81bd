/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a source tells of its local disks: read from the answers of real QEMUs, and checked
 * before the destination makes an image by it. */
#include "wire/disk_copy.h"

#include <string.h>

#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "tests/lib/recording.h"

/* Answers to query-named-block-nodes: raw of 1000 bytes, qcow2 of three kinds, an overlay. */
static const char *const answers[] = { "7.2/block-nodes.txt", "10.0/block-nodes.txt",
				       "11.1/block-nodes.txt" };

static struct err err;
static const char *backing;

static struct json_object *load(const char *name)
{
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct recording rec;

	recording_load(&rec, name);
	ck_assert_uint_eq(rec.count, 2);
	reply = json_tokener_parse(rec.lines[1].text);
	recording_fini(&rec);
	return json_object_get(json_object_object_get(reply, "return"));
}

/* Reads the node of the answer number WHICH; what was read has passed the check. */
static struct disk_copy read_node(int which, const char *node)
{
	CLEANUP(json_putp) struct json_object *nodes = load(answers[which]);
	static char name[VM_DEF_PATH_SIZE];
	struct disk_copy copy = { .id = "d" };

	ck_assert_msg(disk_copy_read(nodes, node, &copy, &backing, &err), "%s", err.msg);
	ck_assert_msg(disk_copy_check(&copy, &err), "%s", err.msg);
	ck_assert_str_eq(copy.id, "d");
	snprintf(name, sizeof(name), "%s", backing);
	backing = name;
	return copy;
}

START_TEST(raw_of_1000_bytes_is_rounded_up)
{
	struct disk_copy copy = read_node(_i, "odd-node");

	ck_assert_int_eq(copy.format, VM_DEF_DISK_FORMAT_RAW);
	ck_assert_uint_eq(copy.virtual_bytes, 1024);
	ck_assert_uint_eq(copy.allocated_bytes, 4096);
	ck_assert_uint_eq(copy.cluster_bytes, 0);
	ck_assert_str_eq(backing, "");
}
END_TEST

START_TEST(qcow2_with_every_option_is_read)
{
	struct disk_copy copy = read_node(_i, "fancy-node");

	ck_assert_int_eq(copy.format, VM_DEF_DISK_FORMAT_QCOW2);
	ck_assert_uint_eq(copy.virtual_bytes, 16 << 20);
	ck_assert_uint_eq(copy.cluster_bytes, 128 << 10);
	ck_assert_uint_eq(copy.refcount_bits, 64);
	ck_assert_int_eq(copy.compat, DISK_COPY_COMPAT_1_1);
	ck_assert(copy.lazy_refcounts);
	ck_assert(copy.extended_l2);
}
END_TEST

START_TEST(old_qcow2_has_no_flags)
{
	struct disk_copy copy = read_node(_i, "old-node");

	ck_assert_int_eq(copy.compat, DISK_COPY_COMPAT_0_10);
	ck_assert_str_eq(disk_copy_compat_names[copy.compat], "0.10");
	ck_assert_uint_eq(copy.cluster_bytes, 4096);
	ck_assert_uint_eq(copy.refcount_bits, 16);
	ck_assert(!copy.lazy_refcounts);
	ck_assert(!copy.extended_l2);
}
END_TEST

START_TEST(overlay_names_its_backing_file)
{
	read_node(_i, "plain-node");
	ck_assert_str_eq(backing, "");
	read_node(_i, "over-node");
	ck_assert_str_eq(backing, "/images/base.raw");
}
END_TEST

START_TEST(backing_file_is_kept)
{
	CLEANUP(json_putp) struct json_object *nodes = load(answers[_i]);
	struct disk_copy copy = { .id = "d" };

	ck_assert(disk_copy_keep_backing(nodes, "plain-node", &copy, &err));
	ck_assert_str_eq(copy.backing, "");
	ck_assert(disk_copy_keep_backing(nodes, "over-node", &copy, &err));
	ck_assert_str_eq(copy.backing, "/images/base.raw");
	ck_assert_int_eq(copy.backing_format, VM_DEF_DISK_FORMAT_RAW);
}
END_TEST

/* Another host would open something else, or guess. */
static const struct {
	const char *members, *words;
} not_kept[] = {
	{ "'backing-filename':'/b'", "does not say that its backing file '/b' is raw or qcow2" },
	{ "'backing-filename':'/b','backing-filename-format':'vmdk'", "qemu-img rebase" },
	{ "'backing-filename':'nbd://h/b','backing-filename-format':'raw'", "no path of a file" },
	{ "'backing-filename':'b','full-backing-filename':'json:{}',"
	  "'backing-filename-format':'raw'",
	  "leave out shared_base" },
};

START_TEST(backing_file_that_cannot_be_kept_is_refused)
{
	CLEANUP(free_charp)
	char *text = xasprintf("[{'node-name':'d','image':{%s}}]", not_kept[_i].members);
	CLEANUP(json_putp) struct json_object *nodes = rig_parse(text);
	struct disk_copy copy = { .id = "d" };

	ck_assert(!disk_copy_keep_backing(nodes, "d", &copy, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(err.msg, not_kept[_i].words) != NULL, "%s", err.msg);
	ck_assert_str_eq(copy.backing, "");
}
END_TEST

static const struct {
	const char *nodes;
	enum err_code code;
} strange[] = {
	{ "{}", ERR_QEMU },
	{ "[1,{'node-name':1},{'node-name':'other','image':{'format':'raw'}}]", ERR_QEMU },
	{ "[{'node-name':'d'}]", ERR_QEMU },
	{ "[{'node-name':'d','image':{}}]", ERR_CONFLICT },
	{ "[{'node-name':'d','image':{'format':'vmdk','virtual-size':512}}]", ERR_CONFLICT },
	{ "[{'node-name':'d','image':{'format':'qcow2','virtual-size':512}}]", ERR_QEMU },
};

START_TEST(answer_that_lacks_something_is_an_error)
{
	CLEANUP(json_putp) struct json_object *nodes = rig_parse(strange[_i].nodes);
	struct disk_copy copy = { .id = "d" };

	ck_assert(!disk_copy_read(nodes, "d", &copy, &backing, &err));
	ck_assert_int_eq(err.code, strange[_i].code);
}
END_TEST

/* A block device takes what it holds. */
START_TEST(unknown_allocation_counts_as_all)
{
	CLEANUP(json_putp)
	struct json_object *nodes =
		rig_parse("[{'node-name':'d','image':{'format':'raw','virtual-size':513}}]");
	struct disk_copy copy = { .id = "d" };

	ck_assert(disk_copy_read(nodes, "d", &copy, &backing, &err));
	ck_assert_uint_eq(copy.allocated_bytes, 1024);
}
END_TEST

/* ---- on its way --------------------------------------------------------------- */

static const struct disk_copy good = {
	.id = "d",
	.format = VM_DEF_DISK_FORMAT_QCOW2,
	.virtual_bytes = 1 << 30,
	.allocated_bytes = 5 << 20,
	.cluster_bytes = 64 << 10,
	.refcount_bits = 16,
};

START_TEST(what_is_sent_is_what_arrives)
{
	const struct disk_copy old = {
		.id = "o",
		.format = VM_DEF_DISK_FORMAT_QCOW2,
		.virtual_bytes = 512,
		.cluster_bytes = 512,
		.refcount_bits = 16,
		.compat = DISK_COPY_COMPAT_0_10,
		.backing = "/b",
		.backing_format = VM_DEF_DISK_FORMAT_QCOW2,
	};
	const struct disk_copy raw = { .id = "r", .virtual_bytes = 512 };
	const struct disk_copy *const copies[] = { &good, &old, &raw };
	CLEANUP(json_putp) struct json_object *obj = json_encode(disk_copy_fields, copies[_i]);
	struct disk_copy copy = { 0 };

	ck_assert_msg(json_decode_object(obj, disk_copy_fields, &copy, JSON_STRICT, &err), "%s",
		      err.msg);
	ck_assert_str_eq(copy.id, copies[_i]->id);
	ck_assert_int_eq(copy.format, copies[_i]->format);
	ck_assert_uint_eq(copy.virtual_bytes, copies[_i]->virtual_bytes);
	ck_assert_uint_eq(copy.allocated_bytes, copies[_i]->allocated_bytes);
	ck_assert_uint_eq(copy.cluster_bytes, copies[_i]->cluster_bytes);
	ck_assert_int_eq(copy.compat, copies[_i]->compat);
	ck_assert_str_eq(copy.backing, copies[_i]->backing);
	ck_assert_int_eq(copy.backing_format, copies[_i]->backing_format);
}
END_TEST

/* The numbers come from another host, and are told to qemu-img. */
START_TEST(what_qemu_cannot_make_is_refused)
{
	struct disk_copy copies[] = { good, good, good, good, good, good,
				      good, good, good, good, good, good };
	static const char *const words[] = { "virtual_bytes", "virtual_bytes", "virtual_bytes",
					     "cluster_bytes", "cluster_bytes", "cluster_bytes",
					     "refcount_bits", "refcount_bits", "compat 1.1",
					     "compat 1.1",    "extended_l2",   "backing file" };

	copies[0].virtual_bytes = 0;
	copies[1].virtual_bytes = 513;
	copies[2].virtual_bytes = (uint64_t)INT64_MAX + 1;
	copies[3].cluster_bytes = 256;
	copies[4].cluster_bytes = 4 << 20;
	copies[5].cluster_bytes = 96 << 10;
	copies[6].refcount_bits = 0;
	copies[7].refcount_bits = 128;
	copies[8].compat = copies[9].compat = DISK_COPY_COMPAT_0_10;
	copies[8].lazy_refcounts = true;
	copies[9].refcount_bits = 64;
	copies[10].extended_l2 = true;
	copies[10].cluster_bytes = 8 << 10;
	copies[11] = (struct disk_copy){ .virtual_bytes = 512, .backing = "/b" };
	ck_assert(disk_copy_check(&good, &err));
	ck_assert(!disk_copy_check(&copies[_i], &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_msg(strstr(err.msg, words[_i]) != NULL, "%s", err.msg);
}
END_TEST

/* They exist only in the image, so a copy of what the guest sees lacks them. */
START_TEST(snapshots_and_kept_bitmaps_are_counted)
{
	CLEANUP(json_putp)
	struct json_object *nodes =
		json_read_back("[{\"node-name\":\"bare\",\"image\":{}},{\"node-name\":\"d\","
			       "\"image\":{\"snapshots\":[{},{}]},"
			       "\"dirty-bitmaps\":[{\"name\":\"a\",\"persistent\":true},{"
			       "\"persistent\":false}]}]");
	size_t snapshots = 9, bitmaps = 9;

	disk_copy_count_left(nodes, "d", &snapshots, &bitmaps);
	ck_assert_uint_eq(snapshots, 2);
	ck_assert_uint_eq(bitmaps, 1);
	disk_copy_count_left(nodes, "bare", &snapshots, &bitmaps);
	ck_assert_uint_eq(snapshots + bitmaps, 0);
	disk_copy_count_left(nodes, "none", &snapshots, &bitmaps);
	ck_assert_uint_eq(snapshots + bitmaps, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("disk_copy");
	TCase *tc = tcase_create("disk_copy");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, raw_of_1000_bytes_is_rounded_up, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(tc, qcow2_with_every_option_is_read, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(tc, old_qcow2_has_no_flags, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(tc, overlay_names_its_backing_file, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(tc, answer_that_lacks_something_is_an_error, 0, ARRAY_LEN(strange));
	tcase_add_test(tc, unknown_allocation_counts_as_all);
	tcase_add_test(tc, snapshots_and_kept_bitmaps_are_counted);
	tcase_add_loop_test(tc, what_is_sent_is_what_arrives, 0, 3);
	tcase_add_loop_test(tc, what_qemu_cannot_make_is_refused, 0, 12);
	tcase_add_loop_test(tc, backing_file_is_kept, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(tc, backing_file_that_cannot_be_kept_is_refused, 0,
			    ARRAY_LEN(not_kept));
	return s;
}
