/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "scratch.h"

static struct err err;

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void put_file(const char *name, const char *text)
{
	ck_assert_msg(file_write(scratch_path(name), text, strlen(text), 0644, &err), "%s",
		      err.msg);
}

/* ---- reading and writing --------------------------------------------- */

/* A key or a configuration is read back byte for byte, with its mode. */
START_TEST(file_written_is_read_back)
{
	CLEANUP(free_charp) char *data = NULL;
	size_t len = 0;

	ck_assert(file_write(scratch_path("f"), "a\0b", 3, 0600, &err));
	ck_assert_uint_eq(mode_of(scratch_path("f")), 0600);
	ck_assert(file_read(scratch_path("f"), 3, &data, &len, &err));
	ck_assert_uint_eq(len, 3);
	ck_assert_int_eq(memcmp(data, "a\0b\0", 4), 0);
}
END_TEST

/* A file whose size others choose is limited before it is in memory. */
START_TEST(file_over_the_limit_is_too_large)
{
	char *data = NULL;
	size_t len = 77;

	put_file("f", "12345");
	ck_assert(!file_read(scratch_path("f"), 4, &data, &len, &err));
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
	ck_assert(!file_read("/dev/zero", 100000, &data, &len, &err));
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
	ck_assert_ptr_null(data);
	ck_assert_uint_eq(len, 77);
}
END_TEST

/* A file is read whole, whatever its size, even if the kernel does not tell the size. */
START_TEST(file_of_any_size_is_whole)
{
	static char big[100000];

	memset(big, 'x', sizeof(big));
	for (size_t size = 4094; size < 4100; size++) {
		CLEANUP(free_charp) char *data = NULL;
		size_t len;

		ck_assert(file_write(scratch_path("f"), big, size, 0600, &err));
		ck_assert(file_read(scratch_path("f"), sizeof(big), &data, &len, &err));
		ck_assert_uint_eq(len, size);
	}
}
END_TEST

/* Callers treat a missing file as a normal answer. */
START_TEST(file_missing_is_not_found)
{
	char *data;
	size_t len;

	ck_assert(!file_read("/", 10, &data, &len, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_str_eq(err.msg, "'/' is a directory: a file is needed");
	ck_assert(!file_read(scratch_path("no"), 10, &data, &len, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert(!file_read_tail(scratch_path("no"), 10, &data, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "/no'"));
}
END_TEST

/* The messages of a QEMU that has just died are at the end of its log. */
START_TEST(file_tail_is_the_end)
{
	char *text;

	put_file("log", "first\nlast\n");
	ck_assert(file_read_tail(scratch_path("log"), 5, &text, &err));
	ck_assert_str_eq(text, "last\n");
	free(text);
	ck_assert(file_read_tail(scratch_path("log"), 500, &text, &err));
	ck_assert_str_eq(text, "first\nlast\n");
	free(text);
}
END_TEST

/* A failed write keeps the old file, and leaves nothing beside it. */
START_TEST(file_write_failed_leaves_nothing)
{
	ck_assert_int_eq(mkdir(scratch_path("d"), 0700), 0);
	ck_assert_int_eq(mkdir(scratch_path("d/full"), 0700), 0);
	ck_assert(!file_write(scratch_path("d/full"), "x", 1, 0600, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "/d/full'"));
	ck_assert_int_eq(rmdir(scratch_path("d/full")), 0);
	ck_assert_int_eq(rmdir(scratch_path("d")), 0);
	ck_assert(!file_write(scratch_path("no/f"), "x", 1, 0600, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* ---- directories ----------------------------------------------------- */

/* State and run directories are made at every start of the daemon. */
START_TEST(dir_made_twice_is_fine)
{
	struct stat st;

	for (int i = 0; i < 2; i++)
		ck_assert_msg(dir_make(scratch_path("a/b//c/"), 0700, &err), "%s", err.msg);
	ck_assert_int_eq(stat(scratch_path("a/b/c"), &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_uint_eq(mode_of(scratch_path("a/b/c")), 0700);
}
END_TEST

/* A file in the place of a directory is an error that names it. */
START_TEST(dir_with_a_file_in_the_way_fails)
{
	put_file("a", "");
	ck_assert(!dir_make(scratch_path("a"), 0700, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "Not a directory"));
	ck_assert(!dir_make(scratch_path("a/b"), 0700, &err));
	ck_assert(!dir_make("", 0700, &err));
}
END_TEST

/* A VM leaves sockets and files behind, in a directory of its own. */
START_TEST(dir_removed_with_its_files)
{
	int fd;

	ck_assert(dir_make(scratch_path("d"), 0700, &err));
	put_file("d/f", "");
	ck_assert(unix_listen(scratch_path("d/s"), SOCK_STREAM, &fd, &err));
	close(fd);
	ck_assert_msg(dir_remove(scratch_path("d"), &err), "%s", err.msg);
	ck_assert_int_eq(access(scratch_path("d"), F_OK), -1);
	ck_assert(dir_remove(scratch_path("d"), &err));
}
END_TEST

/* Only one level is removed, and no link is followed, so that a mistake stays small. */
START_TEST(dir_remove_does_not_go_deep_or_elsewhere)
{
	ck_assert(dir_make(scratch_path("d/deep"), 0700, &err));
	put_file("d/deep/f", "");
	ck_assert(!dir_remove(scratch_path("d"), &err));
	ck_assert_int_eq(access(scratch_path("d/deep/f"), F_OK), 0);

	ck_assert_int_eq(symlink("d/deep", scratch_path("link")), 0);
	ck_assert(!dir_remove(scratch_path("link"), &err));
	ck_assert_int_eq(access(scratch_path("d/deep/f"), F_OK), 0);
}
END_TEST

/* ---- sockets --------------------------------------------------------- */

/* The local API is for root: no other user may connect, from the first moment on; and a socket
 * file left by a crash must not stop the next start. */
START_TEST(unix_listen_is_private_and_replaces_the_old)
{
	int old, fd, conn;

	ck_assert(unix_listen(scratch_path("s"), SOCK_STREAM, &old, &err));
	ck_assert_msg(unix_listen(scratch_path("s"), SOCK_STREAM, &fd, &err), "%s", err.msg);
	ck_assert_uint_eq(mode_of(scratch_path("s")), 0600);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert(unix_connect(scratch_path("s"), SOCK_STREAM, &conn, &err));
	ck_assert_int_eq(fcntl(conn, F_GETFD), FD_CLOEXEC);
	ck_assert_int_ne(fcntl(conn, F_GETFL) & O_NONBLOCK, 0);
	close(conn);
	conn = accept(fd, NULL, NULL);
	ck_assert_int_ge(conn, 0);
	close(conn);
	close(fd);
	close(old);
}
END_TEST

/* A socket file that a dead process left behind has no listener. */
START_TEST(unix_listener_is_seen)
{
	const char *path = scratch_path("s");
	int fd;

	ck_assert(!unix_is_listening(path));
	ck_assert(unix_listen(path, SOCK_STREAM, &fd, &err));
	ck_assert(unix_is_listening(path));
	close(fd);
	ck_assert(!unix_is_listening(path));
}
END_TEST

/* A missing listener must be told apart from a refused access and a wrong path. */
START_TEST(unix_connect_to_nobody_is_unavailable)
{
	int fd = -1;

	ck_assert(!unix_connect(scratch_path("s"), SOCK_STREAM, &fd, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert(unix_listen(scratch_path("s"), SOCK_STREAM, &fd, &err));
	close(TAKE_FD(fd));
	ck_assert(!unix_connect(scratch_path("s"), SOCK_STREAM, &fd, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_int_eq(fd, -1);
}
END_TEST

/* QEMU's pid file is locked while QEMU lives; asking must not take the lock, or a
 * QEMU that starts could not. */
START_TEST(file_lock_is_seen_and_not_taken)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	ck_assert(!file_is_locked(scratch_path("pid")));
	ck_assert(file_write(scratch_path("pid"), "1", 1, 0600, &err));
	ck_assert(!file_is_locked(scratch_path("pid")));
	fd = open(scratch_path("pid"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	ck_assert(file_is_locked(scratch_path("pid")));
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	close(fd);
	ck_assert(!file_is_locked(scratch_path("pid")));
}
END_TEST

/* sockaddr_un holds 107 bytes; longer paths must not be cut and bound elsewhere. */
START_TEST(unix_path_too_long_is_invalid)
{
	char path[200];
	int fd = -1;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ck_assert(!unix_listen(path, SOCK_STREAM, &fd, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!unix_connect(path, SOCK_STREAM, &fd, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!unix_connect("", SOCK_STREAM, &fd, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

static TCase *new_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, scratch_setup, scratch_teardown);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("file");
	TCase *files = new_case("files");
	TCase *dirs = new_case("directories");
	TCase *sockets = new_case("sockets");

	tcase_add_test(files, file_written_is_read_back);
	tcase_add_test(files, file_over_the_limit_is_too_large);
	tcase_add_test(files, file_of_any_size_is_whole);
	tcase_add_test(files, file_missing_is_not_found);
	tcase_add_test(files, file_tail_is_the_end);
	tcase_add_test(files, file_write_failed_leaves_nothing);
	tcase_add_test(files, file_lock_is_seen_and_not_taken);
	suite_add_tcase(s, files);
	tcase_add_test(dirs, dir_made_twice_is_fine);
	tcase_add_test(dirs, dir_with_a_file_in_the_way_fails);
	tcase_add_test(dirs, dir_removed_with_its_files);
	tcase_add_test(dirs, dir_remove_does_not_go_deep_or_elsewhere);
	suite_add_tcase(s, dirs);
	tcase_add_test(sockets, unix_listen_is_private_and_replaces_the_old);
	tcase_add_test(sockets, unix_listener_is_seen);
	tcase_add_test(sockets, unix_connect_to_nobody_is_unavailable);
	tcase_add_test(sockets, unix_path_too_long_is_invalid);
	suite_add_tcase(s, sockets);
	return s;
}
