/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hosts that a user has given names, and which of all that is said counts. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/migrctl/contexts.h"
#include "agents/migrctl/reach.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

static struct err err;
static struct contexts *contexts;
static struct reach reach;
static struct migrctl_globals globals;

static const char *const variables[] = { "MIGRD_CONTEXT", "MIGRD_HOST", "MIGRD_HOST_ID",
					 "MIGRD_CERT",    "MIGRD_KEY",  "MIGRD_CA",
					 "MIGRD_SOCKET",  "HOME",       "XDG_CONFIG_HOME" };

static void setup(void)
{
	scratch_setup();
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	setenv(CONTEXTS_VARIABLE, scratch_path("x/contexts.json"), 1);
	err = (struct err){ 0 };
	globals = (struct migrctl_globals){ 0 };
	reach = (struct reach){ 0 };
}

static void teardown(void)
{
	contexts_free(contexts);
	contexts = NULL;
	reach_fini(&reach);
	scratch_teardown();
}

static bool add_one(struct contexts *all, void *data, struct err *e)
{
	return contexts_add(all, data, false, e);
}

static bool replace_one(struct contexts *all, void *data, struct err *e)
{
	return contexts_add(all, data, true, e);
}

static bool use_it(struct contexts *all, void *data, struct err *e)
{
	(void)e;
	snprintf(all->current, sizeof(all->current), "%s", (const char *)data);
	return true;
}

static bool remove_it(struct contexts *all, void *data, struct err *e)
{
	struct context *found = contexts_find(all, data, e);

	if (found)
		contexts_remove(all, found);
	return found != NULL;
}

static char prod_host[] = "h1:8440", prod_id[] = "a", prod_cert[] = "/c.pem", prod_key[] = "/c.key",
	    prod_ca[] = "/ca.pem", test_socket[] = "/run/test.sock";
static struct context prod = { .name = "prod",
			       .host = prod_host,
			       .host_id = prod_id,
			       .cert = prod_cert,
			       .key = prod_key,
			       .ca = prod_ca };
static struct context test = { .name = "test", .socket = test_socket };

static void add_both(void)
{
	ck_assert_msg(contexts_change(add_one, &prod, &err), "%s", err.msg);
	ck_assert_msg(contexts_change(add_one, &test, &err), "%s", err.msg);
}

static void read_them(void)
{
	contexts_free(contexts);
	contexts = contexts_read(&err);
	ck_assert_msg(contexts, "%s", err.msg);
}

START_TEST(no_file_is_no_contexts)
{
	read_them();
	ck_assert_uint_eq(contexts->count, 0);
	ck_assert_ptr_null(contexts_find(contexts, "prod", &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "context add"));
}
END_TEST

START_TEST(added_is_read_back)
{
	CLEANUP(free_charp) char *path = contexts_path();
	struct stat st;

	add_both();
	read_them();
	ck_assert_uint_eq(contexts->count, 2);
	ck_assert_str_eq(contexts_find(contexts, "prod", &err)->host, "h1:8440");
	ck_assert_str_eq(contexts_find(contexts, "prod", &err)->key, "/c.key");
	ck_assert_ptr_null(contexts_find(contexts, "test", &err)->host);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(name_is_taken_unless_it_may_be_replaced)
{
	struct context other = prod;

	add_both();
	other.host = xstrdup("h2");
	ck_assert(!contexts_change(add_one, &other, &err));
	ck_assert_int_eq(err.code, ERR_EXISTS);
	read_them();
	ck_assert_str_eq(contexts_find(contexts, "prod", &err)->host, "h1:8440");
	ck_assert(contexts_change(replace_one, &other, &err));
	read_them();
	ck_assert_uint_eq(contexts->count, 2);
	ck_assert_str_eq(contexts_find(contexts, "prod", &err)->host, "h2");
	free(other.host);
}
END_TEST

START_TEST(removed_one_is_not_in_use_any_more)
{
	char name[] = "prod";

	add_both();
	ck_assert(contexts_change(use_it, name, &err));
	ck_assert(contexts_change(remove_it, name, &err));
	read_them();
	ck_assert_uint_eq(contexts->count, 1);
	ck_assert_str_eq(contexts->current, "");
	ck_assert(!contexts_change(remove_it, name, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "but test"));
}
END_TEST

/* What is wrong with a file is said, and the file stays as it is. */
static const struct {
	const char *text, *part;
} bad_files[] = {
	{ "{", "is wrong" },
	{ "{}", "version" },
	{ "{\"version\":2,\"contexts\":[]}", "/version" },
	{ "{\"version\":1,\"contexts\":[{\"name\":\"../x\",\"host\":\"h\"}]}", "/contexts/0/name" },
	{ "{\"version\":1,\"contexts\":[{\"name\":\"local\",\"host\":\"h\"}]}", "this host" },
	{ "{\"version\":1,\"contexts\":[{\"name\":\"x\"}]}", "either `host' or `socket'" },
	{ "{\"version\":1,\"contexts\":[{\"name\":\"x\",\"host\":\"h\",\"socket\":\"/s\"}]}",
	  "either `host' or `socket'" },
	{ "{\"version\":1,\"contexts\":[{\"name\":\"x\",\"host\":\"h\"},"
	  "{\"name\":\"x\",\"host\":\"h\"}]}",
	  "twice" },
	{ "{\"version\":1,\"contexts\":[],\"curent\":\"x\"}", "curent" },
};

static void write_text(const char *text, mode_t mode)
{
	CLEANUP(free_charp) char *path = contexts_path();

	ck_assert(dir_make(scratch_path("x"), 0700, &err));
	ck_assert(file_write(path, text, strlen(text), mode, &err));
}

START_TEST(bad_file_is_named_and_left_alone)
{
	CLEANUP(free_charp) char *path = contexts_path();
	CLEANUP(free_charp) char *now = NULL;
	size_t len;

	write_text(bad_files[_i].text, 0600);
	ck_assert_ptr_null(contexts_read(&err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_msg(strstr(err.msg, path), "%s", err.msg);
	ck_assert_msg(strstr(err.msg, bad_files[_i].part), "%s", err.msg);
	ck_assert(!contexts_change(add_one, &prod, &err));
	ck_assert(file_read(path, 4096, &now, &len, &err));
	ck_assert_str_eq(now, bad_files[_i].text);
}
END_TEST

/* Whoever writes there sends commands elsewhere. */
START_TEST(file_that_others_may_write_is_refused)
{
	write_text("{\"version\":1,\"contexts\":[]}", 0620);
	ck_assert_ptr_null(contexts_read(&err));
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
	ck_assert_ptr_nonnull(strstr(err.msg, "chmod 600"));
}
END_TEST

START_TEST(two_do_not_change_it_at_once)
{
	CLEANUP(free_charp) char *path = contexts_path();
	CLEANUP(free_charp) char *lock = xasprintf("%s.lock", path);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	add_both();
	fd = open(lock, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	ck_assert(!contexts_change(use_it, prod.name, &err));
	ck_assert_int_eq(err.code, ERR_BUSY);
	close(fd);
	ck_assert(contexts_change(use_it, prod.name, &err));
}
END_TEST

START_TEST(without_a_home_there_are_none)
{
	unsetenv(CONTEXTS_VARIABLE);
	read_them();
	ck_assert_uint_eq(contexts->count, 0);
	ck_assert(!contexts_change(add_one, &prod, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

/* ---- which one counts -------------------------------------------------------------- */

static void find(void)
{
	reach_fini(&reach);
	ck_assert_msg(reach_find(&globals, &reach, &err), "%s", err.msg);
}

START_TEST(nothing_said_is_this_host)
{
	find();
	ck_assert_str_eq(reach.from, "default");
	ck_assert_ptr_null(reach.config.host);
	ck_assert_ptr_null(reach.config.socket_path);
}
END_TEST

START_TEST(each_wins_over_what_follows)
{
	add_both();
	ck_assert(contexts_change(use_it, prod.name, &err));
	find();
	ck_assert_str_eq(reach.from, "context in use");
	ck_assert_str_eq(reach.config.host, "h1:8440");
	ck_assert_str_eq(reach.config.host_id, "a");
	ck_assert_str_eq(reach.config.cert_file, "/c.pem");
	setenv("MIGRD_SOCKET", "/y.sock", 1);
	find();
	ck_assert_str_eq(reach.from, "$MIGRD_SOCKET");
	ck_assert_ptr_null(reach.config.host);
	setenv("MIGRD_HOST", "h9", 1);
	setenv("MIGRD_CERT", "/e.pem", 1);
	find();
	ck_assert_str_eq(reach.from, "$MIGRD_HOST");
	ck_assert_str_eq(reach.config.host, "h9");
	ck_assert_str_eq(reach.config.cert_file, "/e.pem");
	setenv("MIGRD_CONTEXT", "test", 1);
	find();
	ck_assert_str_eq(reach.from, "$MIGRD_CONTEXT");
	ck_assert_str_eq(reach.config.socket_path, "/run/test.sock");
	ck_assert_ptr_null(reach.config.cert_file);
	globals.context = "prod";
	find();
	ck_assert_str_eq(reach.from, "--context");
	ck_assert_str_eq(reach.config.cert_file, "/c.pem");
	globals.context = NULL;
	globals.host = "h5";
	find();
	ck_assert_str_eq(reach.from, "--host");
	ck_assert_str_eq(reach.config.host, "h5");
	globals.host = NULL;
	globals.socket = "/z.sock";
	find();
	ck_assert_str_eq(reach.from, "--socket");
	ck_assert_str_eq(reach.config.socket_path, "/z.sock");
}
END_TEST

/* An empty variable is as none. */
START_TEST(local_is_this_host_whatever_else_is_said)
{
	add_both();
	ck_assert(contexts_change(use_it, prod.name, &err));
	setenv("MIGRD_SOCKET", "/y.sock", 1);
	setenv("MIGRD_CONTEXT", "", 1);
	globals.context = CONTEXTS_LOCAL;
	find();
	ck_assert_ptr_null(reach.config.host);
	ck_assert_str_eq(reach.config.socket_path, CLIENT_SOCKET);
}
END_TEST

START_TEST(options_of_files_win_over_the_context)
{
	add_both();
	globals.context = "prod";
	globals.cert = "/mine.pem";
	find();
	ck_assert_str_eq(reach.config.cert_file, "/mine.pem");
	ck_assert_str_eq(reach.config.key_file, "/c.key");
}
END_TEST

START_TEST(host_takes_missing_files_from_environment_then_context)
{
	add_both();
	ck_assert(contexts_change(use_it, prod.name, &err));
	globals.host = "h5";
	globals.ca = "/mine-ca.pem";
	setenv("MIGRD_KEY", "/e.key", 1);
	find();
	ck_assert_str_eq(reach.config.ca_file, "/mine-ca.pem");
	ck_assert_str_eq(reach.config.key_file, "/e.key");
	ck_assert_str_eq(reach.config.cert_file, "/c.pem");
	ck_assert_ptr_null(reach.config.host_id);
}
END_TEST

START_TEST(host_id_without_host_is_to_be_looked_up)
{
	add_both();
	globals.context = "prod";
	globals.host_id = "b";
	find();
	ck_assert_str_eq(reach.peer, "b");
	ck_assert_str_eq(reach.config.host_id, "a");
}
END_TEST

START_TEST(contradictions_and_unknown_names_are_refused)
{
	globals.context = "prod";
	globals.socket = "/s";
	ck_assert(!reach_find(&globals, &reach, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	globals.socket = NULL;
	add_both();
	globals.context = "prdo";
	ck_assert(!reach_find(&globals, &reach, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "prod, test"));
}
END_TEST

/* Who names all on the command line is not stopped by a file that is not needed. */
START_TEST(bad_file_does_not_matter_where_it_is_not_needed)
{
	write_text("{", 0600);
	globals = (struct migrctl_globals){ .host = "h", .cert = "/c", .key = "/k", .ca = "/a" };
	find();
	globals = (struct migrctl_globals){ .socket = "/s" };
	find();
	globals.socket = NULL;
	ck_assert(!reach_find(&globals, &reach, &err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("contexts");
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, no_file_is_no_contexts);
	tcase_add_test(tc, added_is_read_back);
	tcase_add_test(tc, name_is_taken_unless_it_may_be_replaced);
	tcase_add_test(tc, removed_one_is_not_in_use_any_more);
	tcase_add_loop_test(tc, bad_file_is_named_and_left_alone, 0, ARRAY_LEN(bad_files));
	tcase_add_test(tc, file_that_others_may_write_is_refused);
	tcase_add_test(tc, two_do_not_change_it_at_once);
	tcase_add_test(tc, without_a_home_there_are_none);
	suite_add_tcase(s, tc);
	tc = tcase_create("reach");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_said_is_this_host);
	tcase_add_test(tc, each_wins_over_what_follows);
	tcase_add_test(tc, local_is_this_host_whatever_else_is_said);
	tcase_add_test(tc, options_of_files_win_over_the_context);
	tcase_add_test(tc, host_takes_missing_files_from_environment_then_context);
	tcase_add_test(tc, host_id_without_host_is_to_be_looked_up);
	tcase_add_test(tc, contradictions_and_unknown_names_are_refused);
	tcase_add_test(tc, bad_file_does_not_matter_where_it_is_not_needed);
	suite_add_tcase(s, tc);
	return s;
}
