/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "check/scan.h"
#include "check_main.h"
#include "scratch.h"

#define VMS  "/run/m/vms"
#define UUID "0190a000-0000-7000-8000-000000000001"

/* A command line as /proc shows it; sizeof() counts the last NUL. */
#define PARSE(text, ret) check_parse_qemu(text, sizeof(text), VMS, ret)

static struct check_process process;

/* ---- command lines --------------------------------------------------------- */

/* The facts about a stray QEMU come from its own command line. */
START_TEST(qemu_of_the_run_directory_is_found_by_its_pid_file)
{
	ck_assert(
		PARSE("/usr/bin/qemu-system-x86_64\0-name\0guest=g1,debug-threads=on\0-uuid\0" UUID
		      "\0-pidfile\0" VMS "/" UUID "/pid\0-S\0-incoming\0defer",
		      &process));
	ck_assert_str_eq(process.program, "qemu-system-x86_64");
	ck_assert_str_eq(process.name, "g1");
	ck_assert_str_eq(process.uuid, UUID);
	ck_assert_str_eq(process.key, UUID);
	ck_assert(process.is_incoming && !process.is_stream);
}
END_TEST

/* Any program may be named like QEMU, and QEMU may have any name: only the pid file counts. */
START_TEST(name_of_the_program_does_not_matter)
{
	ck_assert(!PARSE("qemu-system-x86_64\0-name\0g1", &process));
	ck_assert(PARSE("hypervisor\0-pidfile\0" VMS "/" UUID "/pid", &process));
}
END_TEST

/* The guests of another daemon, or a path that only begins like ours, are not ours. */
START_TEST(pid_file_elsewhere_is_not_ours)
{
	static const char other[] = "qemu\0-pidfile\0/run/m2/vms/x/pid";
	static const char alike[] = "qemu\0-pidfile\0" VMS "2/x/pid";
	static const char flat[] = "qemu\0-pidfile\0" VMS "/pid";
	static const char word[] = "qemu\0-pidfile";
	static const char joined[] = "grep\0-pidfile " VMS "/x/pid";

	ck_assert(!check_parse_qemu(other, sizeof(other), VMS, &process));
	ck_assert(!check_parse_qemu(alike, sizeof(alike), VMS, &process));
	ck_assert(!check_parse_qemu(flat, sizeof(flat), VMS, &process));
	ck_assert(!check_parse_qemu(word, sizeof(word), VMS, &process));
	ck_assert(!check_parse_qemu(joined, sizeof(joined), VMS, &process));
}
END_TEST

/* A VM that was refreshed has its QEMU in the second of its two places. */
START_TEST(qemu_in_the_second_place_is_of_the_same_vm)
{
	ck_assert(PARSE("qemu\0-pidfile\0" VMS "/" UUID ".2/pid", &process));
	ck_assert_str_eq(process.key, UUID);
}
END_TEST

/* /proc may show half an argument, none at all, or one without an end. */
START_TEST(command_line_that_is_cut_is_no_fault)
{
	static const char whole[] = "qemu\0-pidfile\0" VMS "/" UUID "/pid\0-x";

	for (size_t len = 0; len <= sizeof(whole); len++) {
		char *cut = xcalloc(1, len + 1);

		memcpy(cut, whole, len);
		cut = xrealloc(cut, len ? len : 1); /* so that ASan sees a read beyond the end */
		ck_assert_int_eq(check_parse_qemu(cut, len, VMS, &process),
				 len >= sizeof("qemu\0-pidfile\0" VMS "/" UUID "/pid"));
		free(cut);
	}
}
END_TEST

/* A stream has no path among its arguments; its log file's name tells its move. */
START_TEST(stream_is_found_by_its_log)
{
	static const char args[] = "/usr/libexec/migrd-stream\0--control-fd\0"
				   "7";

	ck_assert(check_parse_stream(args, sizeof(args), "/run/m/moves/" UUID "/stream.log",
				     "/run/m/moves", &process));
	ck_assert(process.is_stream);
	ck_assert_str_eq(process.key, UUID);
	ck_assert(check_parse_stream(args, sizeof(args),
				     "/run/m/moves/" UUID "/stream.log (deleted)", "/run/m/moves",
				     &process));
	ck_assert(!check_parse_stream(args, sizeof(args), "/dev/null", "/run/m/moves", &process));
	ck_assert(
		!check_parse_stream("x", 2, "/run/m/moves/a/stream.log", "/run/m/moves", &process));
}
END_TEST

/* ---- directories ------------------------------------------------------------- */

static struct check_dirs dirs;
static struct check_seen *seen;

static void setup(void)
{
	scratch_setup();
	snprintf(dirs.vms, sizeof(dirs.vms), "%s", scratch_path("vms"));
	snprintf(dirs.moves, sizeof(dirs.moves), "%s", scratch_path("moves"));
	snprintf(dirs.logs, sizeof(dirs.logs), "%s", scratch_path("log"));
	ck_assert_int_eq(mkdir(dirs.vms, 0700), 0);
	ck_assert_int_eq(mkdir(dirs.moves, 0700), 0);
}

static void teardown(void)
{
	check_seen_free(seen);
	scratch_teardown();
}

static const struct check_entry *look(const char *name)
{
	check_seen_free(seen);
	seen = check_scan_blocking(&dirs);
	ck_assert_str_eq(seen->gap, "");
	for (size_t i = 0; i < seen->entry_count; i++)
		if (strcmp(seen->entries[i].name, name) == 0)
			return &seen->entries[i];
	return NULL;
}

static void put(const char *file)
{
	struct err err;

	ck_assert_msg(file_write(scratch_path(file), "x", 1, 0600, &err), "%s", err.msg);
}

/* A directory that was never made counts as an empty one. */
START_TEST(no_directory_is_no_gap)
{
	ck_assert_ptr_null(look("x"));
	ck_assert_uint_eq(seen->entry_count, 0);
	ck_assert_uint_gt(seen->looked_at, 0);
}
END_TEST

START_TEST(directory_with_a_foreign_file_is_not_ours)
{
	const struct check_entry *entry;

	ck_assert_int_eq(mkdir(scratch_path("vms/" UUID), 0700), 0);
	put("vms/" UUID "/pid");
	entry = look(UUID);
	ck_assert(entry->is_ours && !entry->is_used);
	ck_assert_str_eq(entry->key, UUID);
	put("vms/" UUID "/disk.img");
	ck_assert(!look(UUID)->is_ours);
}
END_TEST

/* The file behind a link is not ours to remove. */
START_TEST(link_is_not_ours)
{
	ck_assert_int_eq(symlink("/tmp", scratch_path("vms/" UUID)), 0);
	ck_assert(!look(UUID)->is_ours);
}
END_TEST

/* A socket in use is recognized without a connection to it; its file may stay after it is
 * closed. */
START_TEST(open_socket_is_seen_until_it_is_closed)
{
	struct err err;
	int fd;

	ck_assert_int_eq(mkdir(scratch_path("moves/" UUID), 0700), 0);
	ck_assert(unix_listen(scratch_path("moves/" UUID "/control.sock"), SOCK_SEQPACKET, &fd,
			      &err));
	ck_assert(look(UUID)->is_used);
	close(fd);
	ck_assert(!look(UUID)->is_used);
	ck_assert(look(UUID)->is_ours);
}
END_TEST

/* QEMU locks its pid file; the scan must see the lock and not take it. */
START_TEST(locked_pid_file_is_in_use)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	ck_assert_int_eq(mkdir(scratch_path("vms/" UUID), 0700), 0);
	put("vms/" UUID "/pid");
	fd = open(scratch_path("vms/" UUID "/pid"), O_RDWR | O_CLOEXEC);
	ck_assert(!look(UUID)->is_used);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	ck_assert(look(UUID)->is_used);
	close(fd);
	ck_assert(!look(UUID)->is_used);
}
END_TEST

START_TEST(entries_are_told_by_their_names)
{
	ck_assert_int_eq(mkdir(dirs.logs, 0700), 0);
	put("log/" UUID ".log");
	put("log/notes.log");
	put("vms/README");
	ck_assert(look(UUID ".log")->is_ours);
	ck_assert_str_eq(look(UUID ".log")->key, UUID);
	ck_assert_str_eq(look("notes.log")->key, "");
	ck_assert_str_eq(look("README")->key, "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("check_scan");
	TCase *words = tcase_create("command lines");
	TCase *files = tcase_create("directories");

	tcase_add_test(words, qemu_of_the_run_directory_is_found_by_its_pid_file);
	tcase_add_test(words, name_of_the_program_does_not_matter);
	tcase_add_test(words, pid_file_elsewhere_is_not_ours);
	tcase_add_test(words, qemu_in_the_second_place_is_of_the_same_vm);
	tcase_add_test(words, command_line_that_is_cut_is_no_fault);
	tcase_add_test(words, stream_is_found_by_its_log);
	suite_add_tcase(s, words);
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, no_directory_is_no_gap);
	tcase_add_test(files, directory_with_a_foreign_file_is_not_ours);
	tcase_add_test(files, link_is_not_ours);
	tcase_add_test(files, open_socket_is_seen_until_it_is_closed);
	tcase_add_test(files, locked_pid_file_is_in_use);
	tcase_add_test(files, entries_are_told_by_their_names);
	suite_add_tcase(s, files);
	return s;
}
