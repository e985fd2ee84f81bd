/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May QEMU use the files and the memory of the destination: rights, locks of others, limits.  On
 * real files, with real locks. */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "preflight/checks.h"
#include "preflight/look.h"
#include "scratch.h"

#define MOVE "018f0000-0000-7000-8000-0000000000a1"

static struct needs needs;
static struct evidence there, here;
static struct preflight preflight;
static struct preflight_reasons reasons;
static char path[256];

static int held[2]; /* descriptors with locks */
static size_t held_count;

static void setup(void)
{
	struct err err;

	memset(&needs, 0, sizeof(needs));
	memset(&there, 0, sizeof(there));
	memset(&here, 0, sizeof(here));
	memset(&preflight, 0, sizeof(preflight));
	memset(&reasons, 0, sizeof(reasons));
	scratch_setup();
	snprintf(path, sizeof(path), "%s/d.raw", scratch_dir);
	ck_assert_msg(file_write(path, "image", 5, 0600, &err), "%s", err.msg);
	preflight.needs = &needs;
	preflight.there = &there;
	preflight.here = &here;
	snprintf(preflight.source, sizeof(preflight.source), "a");
}

static void teardown(void)
{
	while (held_count)
		close(held[--held_count]);
	scratch_teardown();
}

static void need(enum need_kind kind)
{
	struct need_file *file = &needs.files[needs.file_count++];

	file->kind = kind;
	snprintf(file->what, sizeof(file->what), "disk 'd'");
	snprintf(file->path, sizeof(file->path), "%s", path);
}

static void assert_said(const char *check, const char *words)
{
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_str_eq(reasons.list[0].check, check);
	ck_assert_msg(strstr(reasons.list[0].text, words) != NULL, "%s", reasons.list[0].text);
}

/* ---- rights ------------------------------------------------------------------------- */

static void look_at_access(void)
{
	look_destination_blocking(&needs, MOVE, &there, &here);
	access_look_blocking(&preflight);
	access_judge(&preflight, &reasons);
}

/* As another user than root, who may do everything. */
static void look_as_nobody(mode_t mode)
{
	bool is_root = geteuid() == 0;

	ck_assert_int_eq(chmod(scratch_dir, 0755), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
	if (is_root)
		ck_assert_int_eq(seteuid(65534), 0);
	look_at_access();
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);
}

START_TEST(file_that_may_be_written_is_fine)
{
	need(NEED_SAME_FILE);
	look_at_access();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

START_TEST(file_that_may_only_be_read_is_told_if_the_guest_writes)
{
	need(NEED_SAME_FILE);
	look_as_nobody(0444);
	assert_said("access", "may not write it on this host: Permission denied: change its owner");
}
END_TEST

START_TEST(file_that_may_only_be_read_is_fine_if_the_guest_reads)
{
	need(NEED_SAME_CONTENT);
	look_as_nobody(0444);
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

START_TEST(file_that_may_not_be_read_is_told)
{
	need(NEED_PRESENT);
	look_as_nobody(0000);
	assert_said("access", "may not read it on this host");
}
END_TEST

/* It has a reason already, with what to do. */
START_TEST(file_that_is_not_there_is_not_told_twice)
{
	need(NEED_SAME_FILE);
	ck_assert_int_eq(unlink(path), 0);
	look_at_access();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* ---- locks of others ------------------------------------------------------------------ */

/* Until the end of the test. */
static void lock(off_t at)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &range), 0);
	held[held_count++] = fd;
}

static void look_at_locks(void)
{
	look_destination_blocking(&needs, MOVE, &there, &here);
	locks_judge(&preflight, &reasons);
}

/* What the source has seen of the same path. */
static void source_saw(void)
{
	look_source_blocking(&needs, MOVE, &there);
	look_clean_blocking(&needs, MOVE);
}

START_TEST(image_that_nobody_has_open_is_fine)
{
	need(NEED_SAME_FILE);
	source_saw();
	look_at_locks();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* An image that a copy of is here, and a program writes to the copy. */
START_TEST(image_to_which_another_writes_is_told)
{
	need(NEED_SAME_CONTENT);
	source_saw();
	lock(101);
	look_at_locks();
	assert_said("locks", "open and writes to it: end it");
}
END_TEST

START_TEST(image_that_another_lets_nobody_write_is_told_if_the_guest_writes)
{
	need(NEED_SAME_FILE);
	source_saw();
	lock(201);
	look_at_locks();
	assert_said("locks", "open and lets no other use it: end it");
}
END_TEST

/* Two guests may read one medium. */
START_TEST(image_that_another_reads_is_fine_if_the_guest_reads)
{
	need(NEED_SAME_CONTENT);
	source_saw();
	lock(100);
	lock(201);
	look_at_locks();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* The guest's own QEMU has its locks on a shared image, and both hosts see them. */
START_TEST(lock_that_the_source_sees_is_fine)
{
	need(NEED_SAME_FILE);
	lock(101);
	source_saw();
	ck_assert_uint_ne(there.files[0].locks, 0);
	look_at_locks();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* A source of an older version tells nothing of locks. */
START_TEST(source_that_says_nothing_is_not_refused)
{
	need(NEED_SAME_FILE);
	source_saw();
	there.files[0].has_locks = false;
	lock(101);
	look_at_locks();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* ---- locked memory --------------------------------------------------------------------- */

START_TEST(limit_of_locked_memory_is_told)
{
	needs.locked_mib = 128;
	preflight.lock_limit_mib = 8;
	memory_lock_judge(&preflight, &reasons);
	assert_said("memory-lock", "128 MiB and what QEMU needs itself, and migrd may lock 8 MiB");
}
END_TEST

START_TEST(guest_whose_memory_is_not_locked_needs_no_limit)
{
	memory_lock_look(&preflight);
	memory_lock_judge(&preflight, &reasons);
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* Root has CAP_IPC_LOCK, and others the limit of the process. */
START_TEST(limit_is_read_for_who_has_one)
{
	const struct rlimit limit = { 4 << 20, 4 << 20 };
	bool is_root = geteuid() == 0;

	needs.locked_mib = 128;
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (is_root)
		ck_assert_int_eq(seteuid(65534), 0);
	memory_lock_look(&preflight);
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_uint_eq(preflight.lock_limit_mib, 4);
}
END_TEST

START_TEST(raw_option_says_that_memory_is_locked)
{
	struct vm_def *def = xnew(struct vm_def);
	struct needs *found;

	def->memory_mib = 256;
	snprintf(def->extra_args[0], VM_DEF_ARG_SIZE, "-overcommit");
	snprintf(def->extra_args[1], VM_DEF_ARG_SIZE, "mem-lock=on");
	def->extra_arg_count = 2;
	found = needs_of(def);
	ck_assert_uint_eq(found->locked_mib, 256);
	free(found);
	snprintf(def->extra_args[1], VM_DEF_ARG_SIZE, "mem-lock=off");
	found = needs_of(def);
	ck_assert_uint_eq(found->locked_mib, 0);
	free(found);
	free(def);
}
END_TEST

/* ---- sockets that others serve ---------------------------------------------------------- */

static void need_socket(const char *name, bool may_come_later)
{
	struct need_socket *need = &needs.sockets[needs.socket_count++];

	snprintf(need->what, sizeof(need->what), "the serial port");
	snprintf(need->path, sizeof(need->path), "%s/%s", scratch_dir, name);
	need->may_come_later = may_come_later;
}

static void look_at_sockets(void)
{
	sockets_look_blocking(&preflight);
	sockets_judge(&preflight, &reasons);
}

/* Makes a socket at which somebody listens until the end of the test, or until FD is closed. */
static int serve(size_t index)
{
	struct err err;
	int fd;

	ck_assert_msg(unix_listen(needs.sockets[index].path, SOCK_STREAM, &fd, &err), "%s",
		      err.msg);
	return fd;
}

/* A program that serves one caller would end with us. */
START_TEST(socket_that_is_served_is_fine_and_is_not_connected_to)
{
	need_socket("s", false);
	held[held_count++] = serve(0);
	look_at_sockets();
	ck_assert_uint_eq(reasons.count, 0);
	ck_assert_int_eq(accept4(held[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), -1);
}
END_TEST

START_TEST(socket_that_is_not_there_keeps_qemu_from_starting)
{
	need_socket("s", false);
	look_at_sockets();
	assert_said("sockets", "QEMU does not start without: start the program");
	ck_assert(!reasons.list[0].is_warning && preflight_blocks(&reasons));
}
END_TEST

START_TEST(socket_that_may_come_later_is_only_warned_of)
{
	need_socket("s", true);
	look_at_sockets();
	assert_said("sockets", "nobody is seen to serve");
	ck_assert(reasons.list[0].is_warning && !preflight_blocks(&reasons));
}
END_TEST

/* The name stays when its program ends. */
START_TEST(socket_whose_program_has_ended_is_warned_of)
{
	need_socket("s", false);
	close(serve(0));
	look_at_sockets();
	assert_said("sockets", "nobody is seen to serve");
}
END_TEST

START_TEST(client_sockets_of_a_definition_are_found)
{
	static const char *const chardevs[] = {
		"socket,id=a,path=/x/a",
		"socket,id=b,path=/x/b,server=on,wait=off",
		"socket,id=c,path=/x/c,reconnect=1",
		"socket,id=d,path=/x/d,server=off,reconnect-ms=100",
		"socket,id=e,host=127.0.0.1,port=5",
		"socket,id=f,path=/x/f,abstract=on",
		"file,id=g,path=/x/g",
	};
	struct vm_def *def = xnew(struct vm_def);
	struct needs *found;

	def->serial.type = VM_DEF_SERIAL_TYPE_SOCKET;
	snprintf(def->serial.path, sizeof(def->serial.path), "/x/serial");
	for (size_t i = 0; i < ARRAY_LEN(chardevs); i++) {
		snprintf(def->extra_args[def->extra_arg_count++], VM_DEF_ARG_SIZE, "-chardev");
		snprintf(def->extra_args[def->extra_arg_count++], VM_DEF_ARG_SIZE, "%s",
			 chardevs[i]);
	}
	found = needs_of(def);
	ck_assert_uint_eq(found->socket_count, 4);
	ck_assert_str_eq(found->sockets[0].path, "/x/serial");
	ck_assert(found->sockets[0].may_come_later);
	ck_assert_str_eq(found->sockets[1].path, "/x/a");
	ck_assert(!found->sockets[1].may_come_later);
	ck_assert(found->sockets[2].may_come_later);
	ck_assert(found->sockets[3].may_come_later);
	free(found);
	free(def);
}
END_TEST

/* A warning is no reason to refuse a move, and is not among those that are told then. */
START_TEST(refusal_has_no_warnings)
{
	struct err err;

	preflight_warn(&reasons, "sockets", "a warning");
	ck_assert(!preflight_blocks(&reasons));
	preflight_add(&reasons, "disks", "a reason");
	ck_assert(preflight_blocks(&reasons));
	preflight_to_err(&reasons, &err);
	ck_assert_str_eq(err.msg, "a reason");
	preflight_add(&reasons, "memory", "another");
	preflight_to_err(&reasons, &err);
	ck_assert_str_eq(err.msg, "2 reasons: a reason; another");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("preflight_use");
	TCase *tc = tcase_create("use");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, file_that_may_be_written_is_fine);
	tcase_add_test(tc, file_that_may_only_be_read_is_told_if_the_guest_writes);
	tcase_add_test(tc, file_that_may_only_be_read_is_fine_if_the_guest_reads);
	tcase_add_test(tc, file_that_may_not_be_read_is_told);
	tcase_add_test(tc, file_that_is_not_there_is_not_told_twice);
	tcase_add_test(tc, image_that_nobody_has_open_is_fine);
	tcase_add_test(tc, image_to_which_another_writes_is_told);
	tcase_add_test(tc, image_that_another_lets_nobody_write_is_told_if_the_guest_writes);
	tcase_add_test(tc, image_that_another_reads_is_fine_if_the_guest_reads);
	tcase_add_test(tc, lock_that_the_source_sees_is_fine);
	tcase_add_test(tc, source_that_says_nothing_is_not_refused);
	tcase_add_test(tc, limit_of_locked_memory_is_told);
	tcase_add_test(tc, guest_whose_memory_is_not_locked_needs_no_limit);
	tcase_add_test(tc, limit_is_read_for_who_has_one);
	tcase_add_test(tc, raw_option_says_that_memory_is_locked);
	tcase_add_test(tc, socket_that_is_served_is_fine_and_is_not_connected_to);
	tcase_add_test(tc, socket_that_is_not_there_keeps_qemu_from_starting);
	tcase_add_test(tc, socket_that_may_come_later_is_only_warned_of);
	tcase_add_test(tc, socket_whose_program_has_ended_is_warned_of);
	tcase_add_test(tc, client_sockets_of_a_definition_are_found);
	tcase_add_test(tc, refusal_has_no_warnings);
	suite_add_tcase(s, tc);
	return s;
}
