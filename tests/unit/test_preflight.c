/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Do two hosts have the same files, ports and interfaces?  The judges are pure; the tests of
 * functions that look at files use real files. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "preflight/checks.h"
#include "preflight/look.h"
#include "preflight/qcow2.h"
#include "scratch.h"

#define MOVE "018f0000-0000-7000-8000-0000000000a1"

static struct needs needs;
static struct evidence there, here;
static struct preflight_reasons reasons;

static void setup(void)
{
	memset(&needs, 0, sizeof(needs));
	memset(&there, 0, sizeof(there));
	memset(&here, 0, sizeof(here));
	memset(&reasons, 0, sizeof(reasons));
	scratch_setup();
}

static void teardown(void)
{
	scratch_teardown();
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", scratch_dir, name);
}

static void write_text(const char *name, const char *text)
{
	CLEANUP(free_charp) char *path = path_of(name);
	struct err err;

	ck_assert_msg(file_write(path, text, strlen(text), 0600, &err), "%s", err.msg);
}

static void need(enum need_kind kind, const char *name)
{
	struct need_file *file = &needs.files[needs.file_count++];

	file->kind = kind;
	snprintf(file->what, sizeof(file->what), "disk '%s'", name);
	snprintf(file->path, sizeof(file->path), "%s/%s", scratch_dir, name);
}

/* Records the same file on both hosts. */
static void same_on_both(void)
{
	struct evidence_file file = { .type = EVIDENCE_TYPE_FILE, .inode = "8:1:77", .size = 4096 };

	snprintf(file.path, sizeof(file.path), "%s", needs.files[0].path);
	there.files[there.file_count++] = file;
	here.files[here.file_count++] = file;
}

static const char *judge(void)
{
	const struct preflight preflight = {
		.source = "a",
		.needs = &needs,
		.there = &there,
		.here = &here,
		.has_evidence = true,
	};

	proof_judge_files(&preflight, &reasons);
	return reasons.count ? reasons.list[0].text : "";
}

static void assert_says(const char *text)
{
	ck_assert_msg(strstr(judge(), text) != NULL, "%s", reasons.list[0].text);
}

/* ---- what proves, and what does not -------------------------------------------- */

/* Equal size, name and inode number prove nothing: every fresh file system counts its inodes
 * alike. */
START_TEST(two_kernels_same_inode_number_proves_nothing)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.boot_id, sizeof(there.boot_id), "one");
	snprintf(here.boot_id, sizeof(here.boot_id), "two");
	assert_says("nothing proves");
}
END_TEST

START_TEST(one_kernel_same_inode_is_the_same_file)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.boot_id, sizeof(there.boot_id), "one");
	snprintf(here.boot_id, sizeof(here.boot_id), "one");
	ck_assert_str_eq(judge(), "");
}
END_TEST

START_TEST(one_kernel_other_inode_is_another_file)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(here.files[0].inode, sizeof(here.files[0].inode), "8:1:78");
	snprintf(there.boot_id, sizeof(there.boot_id), "one");
	snprintf(here.boot_id, sizeof(here.boot_id), "one");
	assert_says("is another file here");
}
END_TEST

START_TEST(token_that_is_read_proves)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.files[0].token, sizeof(there.files[0].token), "secret-0");
	snprintf(here.files[0].token, sizeof(here.files[0].token), "secret-0");
	ck_assert_str_eq(judge(), "");
}
END_TEST

/* Two machines that went on from one snapshot share boot id and inodes. */
START_TEST(token_that_is_missing_outweighs_the_inode)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.boot_id, sizeof(there.boot_id), "one");
	snprintf(here.boot_id, sizeof(here.boot_id), "one");
	snprintf(there.files[0].token, sizeof(there.files[0].token), "secret-0");
	assert_says("is another file here");
}
END_TEST

/* The path is a link to another file in the same directory. */
START_TEST(token_is_read_beside_another_name_is_another_file)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.files[0].token, sizeof(there.files[0].token), "secret-0");
	snprintf(here.files[0].token, sizeof(here.files[0].token), "secret-0");
	snprintf(there.files[0].name, sizeof(there.files[0].name), "d.1");
	snprintf(here.files[0].name, sizeof(here.files[0].name), "d.2");
	assert_says("is another file here");
}
END_TEST

START_TEST(copy_of_what_is_only_read_is_as_good)
{
	need(NEED_SAME_CONTENT, "d");
	same_on_both();
	snprintf(there.files[0].token, sizeof(there.files[0].token), "secret-0");
	snprintf(there.files[0].digest, sizeof(there.files[0].digest), "abc");
	snprintf(here.files[0].digest, sizeof(here.files[0].digest), "abc");
	ck_assert_str_eq(judge(), "");
}
END_TEST

START_TEST(copy_of_what_is_written_is_another_file)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	snprintf(there.files[0].digest, sizeof(there.files[0].digest), "abc");
	snprintf(here.files[0].digest, sizeof(here.files[0].digest), "abc");
	assert_says("nothing proves");
}
END_TEST

/* A comparison of samples may miss the byte that differs. */
START_TEST(sampled_copy_of_another_time_is_not_proved)
{
	need(NEED_SAME_CONTENT, "d");
	same_on_both();
	there.files[0].sampled = true;
	there.files[0].mtime_s = 1;
	snprintf(there.files[0].digest, sizeof(there.files[0].digest), "abc");
	snprintf(here.files[0].digest, sizeof(here.files[0].digest), "abc");
	assert_says("changed at another time");
}
END_TEST

START_TEST(block_device_of_one_name_in_the_world_is_the_same)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	there.files[0].type = here.files[0].type = EVIDENCE_TYPE_BLOCK;
	snprintf(there.files[0].device, sizeof(there.files[0].device), "naa.5000");
	snprintf(here.files[0].device, sizeof(here.files[0].device), "naa.5000");
	ck_assert_str_eq(judge(), "");
	here.files[0].size = 8192;
	assert_says("is another file here");
}
END_TEST

/* A source of an older version sends no facts, and without facts nothing is proved. */
START_TEST(source_that_says_nothing_proves_nothing)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	there.file_count = 0;
	assert_says("nothing proves");
}
END_TEST

/* A user may vouch for a file that cannot be proved, but not for one that is missing. */
START_TEST(assertion_holds_for_another_file_not_for_none)
{
	need(NEED_SAME_FILE, "d");
	same_on_both();
	there.assert_disks = true;
	ck_assert_str_eq(judge(), "");
	here.files[0].type = EVIDENCE_TYPE_NONE;
	assert_says("is not there on this host");
}
END_TEST

START_TEST(all_reasons_are_told_together)
{
	struct err err = { 0 };

	need(NEED_SAME_FILE, "d");
	need(NEED_PRESENT, "kernel");
	ck_assert_str_ne(judge(), "");
	ck_assert_uint_eq(reasons.count, 2);
	ck_assert(!preflight_to_err(&reasons, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "2 reasons: "));
}
END_TEST

/* ---- looking -------------------------------------------------------------------- */

/* The whole way over a real directory: write the token, read it, judge, remove it. */
START_TEST(same_directory_token_is_read_and_removed)
{
	CLEANUP(free_charp) char *token = path_of(LOOK_TOKEN_PREFIX MOVE);

	write_text("d", "disk");
	need(NEED_SAME_FILE, "d");
	look_source_blocking(&needs, MOVE, &there);
	ck_assert_int_eq(access(token, F_OK), 0);
	look_destination_blocking(&needs, MOVE, &there, &here);
	ck_assert_str_ne(there.files[0].token, "");
	ck_assert_str_eq(there.files[0].token, here.files[0].token);
	ck_assert_str_eq(judge(), "");
	look_clean_blocking(&needs, MOVE);
	ck_assert_int_ne(access(token, F_OK), 0);
}
END_TEST

/* The storage is not mounted on the destination: another directory has the same path. */
START_TEST(other_directory_token_is_not_found)
{
	write_text("d", "disk");
	need(NEED_SAME_FILE, "d");
	look_source_blocking(&needs, MOVE, &there);
	look_clean_blocking(&needs, MOVE);
	look_destination_blocking(&needs, MOVE, &there, &here);
	assert_says("is another file here");
}
END_TEST

/* A directory in the place of another one of the same guest holds the wrong token. */
START_TEST(two_directories_have_two_tokens)
{
	CLEANUP(free_charp) char *sub = path_of("sub");

	ck_assert_int_eq(mkdir(sub, 0700), 0);
	write_text("d", "disk");
	write_text("e", "disk");
	write_text("sub/d", "disk");
	need(NEED_SAME_FILE, "d");
	need(NEED_SAME_FILE, "sub/d");
	need(NEED_SAME_FILE, "e");
	look_source_blocking(&needs, MOVE, &there);
	ck_assert_str_ne(there.files[0].token, there.files[1].token);
	ck_assert_str_eq(there.files[0].token, there.files[2].token);
}
END_TEST

/* The source could write no token, so the content decides. */
START_TEST(copy_without_a_token_is_compared_by_its_content)
{
	write_text("d", "disk");
	need(NEED_SAME_CONTENT, "d");
	look_source_blocking(&needs, MOVE, &there);
	look_clean_blocking(&needs, MOVE);
	there.files[0].token[0] = there.files[0].inode[0] = '\0';
	look_destination_blocking(&needs, MOVE, &there, &here);
	ck_assert_str_eq(there.files[0].digest, here.files[0].digest);
	ck_assert_str_eq(judge(), "");
}
END_TEST

/* Nothing is written beside firmware, which is the host's. */
START_TEST(firmware_is_compared_at_its_path_here)
{
	CLEANUP(free_charp) char *token = path_of(LOOK_TOKEN_PREFIX MOVE);
	CLEANUP(free_charp) char *here_path = path_of("there");

	write_text("d", "code");
	write_text("there", "code");
	need(NEED_SAME_CONTENT, "d");
	needs.files[0].is_firmware = true;
	look_source_blocking(&needs, MOVE, &there);
	ck_assert_int_ne(access(token, F_OK), 0);
	there.files[0].inode[0] = '\0';
	snprintf(needs.files[0].here, sizeof(needs.files[0].here), "%s", here_path);
	look_destination_blocking(&needs, MOVE, &there, &here);
	ck_assert_str_eq(judge(), "");
	write_text("there", "c0de");
	here.file_count = 0;
	look_destination_blocking(&needs, MOVE, &there, &here);
	assert_says(here_path);
	assert_says("has another content here");
}
END_TEST

START_TEST(firmware_that_is_not_there_names_the_map)
{
	need(NEED_SAME_CONTENT, "d");
	needs.files[0].is_firmware = true;
	assert_says("firmware_map");
}
END_TEST

/* A FIFO in the place of an image would block its reader. */
START_TEST(fifo_is_not_opened)
{
	CLEANUP(free_charp) char *path = path_of("d");

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	need(NEED_SAME_CONTENT, "d");
	look_source_blocking(&needs, MOVE, &there);
	ck_assert_int_eq(there.files[0].type, EVIDENCE_TYPE_OTHER);
}
END_TEST

/* ---- qcow2 ------------------------------------------------------------------------ */

static void put32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void make_qcow2(unsigned char head[512], const char *backing, const char *format)
{
	memset(head, 0, 512);
	put32(head, 0x514649fb);
	put32(head + 4, 3);
	put32(head + 12, 200);
	put32(head + 16, (uint32_t)strlen(backing));
	memcpy(head + 200, backing, strlen(backing));
	put32(head + 100, 104);
	put32(head + 104, 0xe2792aca);
	put32(head + 108, (uint32_t)strlen(format));
	memcpy(head + 112, format, strlen(format));
}

START_TEST(qcow2_names_its_backing_file)
{
	unsigned char head[512];
	struct qcow2_head ret;
	struct err err;

	make_qcow2(head, "base.img", "raw");
	ck_assert(qcow2_head_read(head, sizeof(head), &ret, &err));
	ck_assert_str_eq(ret.backing, "base.img");
	ck_assert(ret.backing_is_raw);
}
END_TEST

/* Other programs write the header: lengths that lead out of it are refused. */
START_TEST(qcow2_lengths_beyond_the_header_are_refused)
{
	unsigned char head[512];
	struct qcow2_head ret;
	struct err err;

	make_qcow2(head, "base.img", "raw");
	put32(head + 16, 400);
	ck_assert(!qcow2_head_read(head, sizeof(head), &ret, &err));
	make_qcow2(head, "base.img", "raw");
	put32(head + 108, 0xfffffff0);
	ck_assert(!qcow2_head_read(head, sizeof(head), &ret, &err));
	make_qcow2(head, "base.img", "raw");
	put32(head + 8, 0x7fffffff);
	ck_assert(!qcow2_head_read(head, sizeof(head), &ret, &err));
	ck_assert(!qcow2_head_read(head, 20, &ret, &err));
	ck_assert(!qcow2_head_read("nothing of the kind", 19, &ret, &err));
}
END_TEST

/* An overlay's backing file is looked up from the overlay's own directory. */
START_TEST(backing_file_is_compared_too)
{
	CLEANUP(free_charp) char *path = path_of("d");
	CLEANUP(free_charp) char *base = path_of("base.img");
	unsigned char head[512];
	struct err err;

	make_qcow2(head, "base.img", "raw");
	ck_assert(file_write(path, head, sizeof(head), 0600, &err));
	write_text("base.img", "base");
	need(NEED_SAME_FILE, "d");
	needs.files[0].is_qcow2 = true;
	look_follow_blocking(&needs);
	ck_assert_uint_eq(needs.file_count, 2);
	ck_assert_str_eq(needs.files[1].path, base);
	ck_assert_int_eq(needs.files[1].kind, NEED_SAME_CONTENT);
}
END_TEST

/* The destination has no overlay that could name it; its own backing file is beside it, wherever
 * that is. */
START_TEST(base_of_a_copy_is_compared_where_it_is_here)
{
	CLEANUP(free_charp) char *map = xasprintf("/there:%s", scratch_dir);
	CLEANUP(free_charp) char *base = path_of("base");
	CLEANUP(free_charp) char *below = path_of("below");
	const struct storage_rules rules = { .map = map };
	struct disk_copy copies[2] = { { .id = "whole" }, { .id = "d" } };
	unsigned char head[512];
	struct err err;

	snprintf(copies[1].backing, sizeof(copies[1].backing), "/there/base");
	copies[1].backing_format = VM_DEF_DISK_FORMAT_QCOW2;
	make_qcow2(head, "below", "raw");
	ck_assert(file_write(base, head, sizeof(head), 0600, &err));
	needs_add_bases(&needs, copies, 2);
	needs_place(&needs, &rules);
	look_follow_blocking(&needs);
	ck_assert_uint_eq(needs.file_count, 2);
	ck_assert_str_eq(needs.files[0].what, "backing file of disk 'd'");
	ck_assert_str_eq(needs.files[0].path, "/there/base");
	ck_assert_str_eq(need_path(&needs.files[0]), base);
	ck_assert_int_eq(needs.files[0].kind, NEED_SAME_CONTENT);
	ck_assert_str_eq(needs.files[1].path, "/there/below");
	ck_assert_str_eq(need_path(&needs.files[1]), below);
}
END_TEST

START_TEST(base_that_is_not_here_is_told_with_its_remedies)
{
	struct disk_copy copy = { .id = "d", .backing = "/nowhere/base" };

	needs_add_bases(&needs, &copy, 1);
	assert_says("backing file of disk 'd': '/nowhere/base' is not there on this host");
	assert_says("leave out shared_base");
}
END_TEST

/* After a restart nobody knows more than the images say. */
START_TEST(bases_of_the_source_are_found_by_its_images)
{
	CLEANUP(free_charp) char *base = path_of("base.img");
	CLEANUP(free_charp) char *path = path_of("over");
	unsigned char head[512];
	struct err err;

	make_qcow2(head, "base.img", "raw");
	ck_assert(file_write(path, head, sizeof(head), 0600, &err));
	needs.image_count = 2;
	snprintf(needs.images[0].path, VM_DEF_PATH_SIZE, "%s", path);
	needs.images[1] = needs.images[0];
	needs.images[1].shared_base = true;
	look_bases_blocking(&needs);
	ck_assert_uint_eq(needs.file_count, 1);
	ck_assert_str_eq(needs.files[0].path, base);
}
END_TEST

/* ---- needs ------------------------------------------------------------------------- */

static struct needs *needs_with(const char *args)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{\"name\":\"v\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64,"
			       "\"cdroms\":[{\"id\":\"a\",\"bus\":\"sata\",\"path\":\"/x/a.iso\"},"
			       "{\"id\":\"b\",\"bus\":\"sata\"}],\"extra_args\":[%s]}",
			       args);
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(text);
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	struct needs *ret;

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	ret = needs_of(def);
	faults_free(faults);
	free(def);
	return ret;
}

/* A copy of a medium is accepted, and an empty drive needs nothing. */
START_TEST(medium_of_a_cd_drive_is_compared)
{
	struct needs *n = needs_with("");

	ck_assert_uint_eq(n->file_count, 1);
	ck_assert_str_eq(n->files[0].path, "/x/a.iso");
	ck_assert_str_eq(n->files[0].what, "CD drive 'a'");
	ck_assert_int_eq(n->files[0].kind, NEED_SAME_CONTENT);
	free(n);
}
END_TEST

/* Files that only raw arguments name are compared like those of the definition's members. */
START_TEST(raw_arguments_are_read)
{
	struct needs *n = needs_with("\"-drive\",\"if=none,file=/x/a,,b.img,format=raw\","
				     "\"-cdrom\",\"/x/cd.iso\",\"-vnc\",\"127.0.0.1:7\","
				     "\"-blockdev\",\"driver=raw,node-name=n,file.driver=file,"
				     "file.filename=/x/n\",\"-kernel\",\"/x/k\"");

	ck_assert_uint_eq(n->file_count, 5);
	ck_assert_str_eq(n->files[1].path, "/x/a,b.img");
	ck_assert_int_eq(n->files[1].kind, NEED_SAME_FILE);
	ck_assert_int_eq(n->files[2].kind, NEED_SAME_CONTENT);
	ck_assert_str_eq(n->files[3].path, "/x/n");
	ck_assert_int_eq(n->files[4].kind, NEED_PRESENT);
	ck_assert_uint_eq(n->port_count, 1);
	ck_assert_uint_eq(n->ports[0].port, 5907);
	ck_assert_str_eq(n->ports[0].host, "127.0.0.1");
	free(n);
}
END_TEST

/* Taps that only raw arguments name count too: adopted VMs have such. */
START_TEST(raw_taps_are_read)
{
	struct needs *n = needs_with("\"-netdev\",\"tap,id=t,ifname=tap7,script=no\",\"-nic\","
				     "\"tap,ifname=tap8,model=e1000\",\"-netdev\",\"user,id=u\"");

	ck_assert_uint_eq(n->nic_count, 2);
	ck_assert_str_eq(n->nics[0].ifname, "tap7");
	ck_assert_str_eq(n->nics[0].id, "t");
	ck_assert_str_eq(n->nics[1].ifname, "tap8");
	free(n);
}
END_TEST

/* libvirt writes nodes over nodes; the name of a node is not a path. */
START_TEST(raw_nodes_are_read_by_their_files)
{
	struct needs *n =
		needs_with("\"-blockdev\",\"{\\\"driver\\\":\\\"file\\\",\\\"node-name\\\":"
			   "\\\"s\\\",\\\"filename\\\":\\\"/x/s\\\"}\","
			   "\"-blockdev\",\"{\\\"driver\\\":\\\"qcow2\\\",\\\"node-name\\\":"
			   "\\\"f\\\",\\\"file\\\":\\\"s\\\",\\\"backing\\\":null}\","
			   "\"-blockdev\",\"{\\\"driver\\\":\\\"raw\\\",\\\"node-name\\\":"
			   "\\\"g\\\",\\\"read-only\\\":true,"
			   "\\\"backing\\\":null,\\\"file\\\":{\\\"driver\\\":\\\"file\\\","
			   "\\\"filename\\\":\\\"/x/g\\\"}}\"");

	ck_assert_uint_eq(n->file_count, 3);
	ck_assert_str_eq(n->files[1].path, "/x/s");
	ck_assert_int_eq(n->files[1].kind, NEED_SAME_FILE);
	ck_assert_str_eq(n->files[2].path, "/x/g");
	ck_assert_int_eq(n->files[2].kind, NEED_SAME_CONTENT);
	free(n);
}
END_TEST

/* ---- disks that are copied ------------------------------------------------------------ */

/* A definition with a local disk 'l' in the test's directory, a shared and a read-only one. */
static struct vm_def *def_with_local_disk(void)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("{\"name\":\"v\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64,\"disks\":["
			  "{\"id\":\"s\",\"path\":\"/x/s\",\"format\":\"raw\",\"shared\":true},"
			  "{\"id\":\"l\",\"path\":\"%s/l\",\"format\":\"raw\"},"
			  "{\"id\":\"r\",\"path\":\"/x/r\",\"format\":\"raw\",\"readonly\":true}]}",
			  scratch_dir);
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(text);
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	faults_free(faults);
	return def;
}

/* The destination has no such file, so there is nothing to compare. */
START_TEST(local_disk_is_an_image_to_make)
{
	struct vm_def *def = def_with_local_disk();
	struct needs *n = needs_of(def);

	ck_assert_uint_eq(n->file_count, 2);
	ck_assert_str_eq(n->files[0].what, "disk 's'");
	ck_assert_str_eq(n->files[1].what, "disk 'r'");
	ck_assert_uint_eq(n->image_count, 1);
	ck_assert_str_eq(n->images[0].id, "l");
	free(n);
	free(def);
}
END_TEST

static struct disk_copy local = { .id = "l", .virtual_bytes = 1 << 20, .allocated_bytes = 4096 };

/* What the check "storage" says when images may be made below DIRS. */
static void judge_storage(const char *dirs, size_t copy_count)
{
	struct vm_def *def = def_with_local_disk();
	const struct storage_rules rules = { .dirs = dirs, .qemu_img = "sh" };
	struct preflight *preflight =
		preflight_new(MOVE, "a", def, NULL,
			      &(struct preflight_images){ &rules, &local, copy_count });

	images_look_blocking(preflight);
	images_judge(preflight, &reasons);
	preflight_free(preflight);
	free(def);
}

static void assert_storage_says(const char *words)
{
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_str_eq(reasons.list[0].check, "storage");
	ck_assert_msg(strstr(reasons.list[0].text, "disk 'l': ") == reasons.list[0].text &&
			      strstr(reasons.list[0].text, words),
		      "%s", reasons.list[0].text);
}

START_TEST(local_disk_whose_image_can_be_made_is_fine)
{
	judge_storage(scratch_dir, 1);
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* An older source sends no list. */
START_TEST(local_disk_of_which_nothing_is_said_is_refused)
{
	judge_storage(scratch_dir, 0);
	assert_storage_says("update migrd there");
}
END_TEST

START_TEST(local_disk_outside_of_the_dirs_is_refused)
{
	judge_storage("/images", 1);
	assert_storage_says("'dirs' of [storage]");
}
END_TEST

START_TEST(local_disk_whose_name_is_taken_is_refused)
{
	write_text("l", "somebody's");
	judge_storage(scratch_dir, 1);
	assert_storage_says("is there already on this host");
}
END_TEST

START_TEST(local_disk_of_another_format_is_refused)
{
	local.format = VM_DEF_DISK_FORMAT_QCOW2;
	judge_storage(scratch_dir, 1);
	assert_storage_says("is qcow2, and the definition says raw");
}
END_TEST

/* A peer may not have the guest read what its owner has not named. */
START_TEST(local_disk_over_a_file_that_is_not_named_is_refused)
{
	snprintf(local.backing, sizeof(local.backing), "/etc/shadow");
	judge_storage(scratch_dir, 1);
	assert_storage_says("does not say shared_base");
}
END_TEST

START_TEST(local_disk_of_a_strange_size_is_refused)
{
	local.virtual_bytes = 513;
	judge_storage(scratch_dir, 1);
	assert_storage_says("virtual_bytes is 513");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("preflight");
	TCase *tc = tcase_create("preflight");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, two_kernels_same_inode_number_proves_nothing);
	tcase_add_test(tc, one_kernel_same_inode_is_the_same_file);
	tcase_add_test(tc, one_kernel_other_inode_is_another_file);
	tcase_add_test(tc, token_that_is_read_proves);
	tcase_add_test(tc, token_that_is_missing_outweighs_the_inode);
	tcase_add_test(tc, token_is_read_beside_another_name_is_another_file);
	tcase_add_test(tc, copy_of_what_is_only_read_is_as_good);
	tcase_add_test(tc, copy_of_what_is_written_is_another_file);
	tcase_add_test(tc, sampled_copy_of_another_time_is_not_proved);
	tcase_add_test(tc, block_device_of_one_name_in_the_world_is_the_same);
	tcase_add_test(tc, source_that_says_nothing_proves_nothing);
	tcase_add_test(tc, assertion_holds_for_another_file_not_for_none);
	tcase_add_test(tc, all_reasons_are_told_together);
	tcase_add_test(tc, same_directory_token_is_read_and_removed);
	tcase_add_test(tc, other_directory_token_is_not_found);
	tcase_add_test(tc, two_directories_have_two_tokens);
	tcase_add_test(tc, copy_without_a_token_is_compared_by_its_content);
	tcase_add_test(tc, firmware_is_compared_at_its_path_here);
	tcase_add_test(tc, firmware_that_is_not_there_names_the_map);
	tcase_add_test(tc, fifo_is_not_opened);
	tcase_add_test(tc, qcow2_names_its_backing_file);
	tcase_add_test(tc, qcow2_lengths_beyond_the_header_are_refused);
	tcase_add_test(tc, backing_file_is_compared_too);
	tcase_add_test(tc, base_of_a_copy_is_compared_where_it_is_here);
	tcase_add_test(tc, base_that_is_not_here_is_told_with_its_remedies);
	tcase_add_test(tc, bases_of_the_source_are_found_by_its_images);
	tcase_add_test(tc, medium_of_a_cd_drive_is_compared);
	tcase_add_test(tc, raw_arguments_are_read);
	tcase_add_test(tc, raw_taps_are_read);
	tcase_add_test(tc, raw_nodes_are_read_by_their_files);
	tcase_add_test(tc, local_disk_is_an_image_to_make);
	tcase_add_test(tc, local_disk_whose_image_can_be_made_is_fine);
	tcase_add_test(tc, local_disk_of_which_nothing_is_said_is_refused);
	tcase_add_test(tc, local_disk_outside_of_the_dirs_is_refused);
	tcase_add_test(tc, local_disk_whose_name_is_taken_is_refused);
	tcase_add_test(tc, local_disk_of_another_format_is_refused);
	tcase_add_test(tc, local_disk_over_a_file_that_is_not_named_is_refused);
	tcase_add_test(tc, local_disk_of_a_strange_size_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
