/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probing of programs that are missing, no QEMU, or replaced; tests/system/test_probe.py tests
 * what a real QEMU answers. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "qemu/probe.h"
#include "scratch.h"

static struct loop *loop;
static struct probe *probe;
static unsigned answers;
static struct qemu_features found;
static struct err failure;

static void on_answer(void *data, const struct qemu_features *features, const struct err *err)
{
	unsigned *wanted = data;

	answers++;
	if (features)
		found = *features;
	else
		failure = *err;
	if (answers == *wanted)
		loop_stop(loop);
}

static void ask(unsigned count)
{
	answers = 0;
	failure = (struct err){ 0 };
	for (unsigned i = 0; i < count; i++)
		probe_ask(probe, on_answer, &count);
	loop_run(loop);
	ck_assert_uint_eq(answers, count);
}

static void teardown(void)
{
	probe_free(probe);
	loop_free(loop);
}

static void setup_of(const char *binary)
{
	loop = loop_new();
	probe = probe_new(loop, binary);
}

/* A misspelt path is named in the error, and every start reports it. */
START_TEST(program_that_is_missing_is_said)
{
	setup_of("/nonexistent/qemu");
	ask(2);
	ck_assert_ptr_nonnull(strstr(failure.msg, "/nonexistent/qemu"));
	ck_assert_ptr_null(probe_known(probe));
	teardown();
}
END_TEST

/* A program that is no QEMU is recognized, and does not hang the start of a VM. */
START_TEST(program_that_is_no_qemu_is_said)
{
	setup_of("true");
	ask(1);
	ck_assert_msg(strstr(failure.msg, "'true' does not answer as QEMU does"), "%s",
		      failure.msg);
	ck_assert_ptr_null(probe_known(probe));
	teardown();
}
END_TEST

/* Writes to stdout, as QEMU does. */
static const char script_begin[] =
	"#!/bin/bash\n"
	"echo '{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 0}, "
	"\"package\": \"\"}, \"capabilities\": []}}'\n"
	"echo '{\"return\": {}}'\n"
	"echo '{\"id\": \"options\", \"return\": [{\"option\": \"chardev\", \"parameters\": "
	"[{\"name\": \"path\"}, "
	"{\"name\": \"";

static const char script_end[] =
	"echo '{\"id\": \"machine\", \"return\": [{\"option\": \"machine\", \"parameters\": "
	"[{\"name\": \"aux-ram-share\"}]}]}'\n"
	"echo '{\"id\": \"machines\", \"return\": [{\"name\": \"pc-q35-7.2\", \"alias\": "
	"\"q35\"}, {\"name\": \"microvm\"}]}'\n"
	"echo '{\"id\": \"capabilities\", \"return\": [{\"capability\": \"multifd\", \"state\": "
	"false}]}'\n"
	"echo '{\"id\": \"background-snapshot\", \"error\": {\"desc\": \"no protection\"}}'\n"
	"echo '{\"id\": \"postcopy\", \"error\": {\"desc\": \"no userfaultfd\"}}'\n"
	"echo '{\"id\": \"postcopy-multifd\", \"return\": {}}'\n";

static const char *write_script(const char *parameter)
{
	const char *path = scratch_path("qemu");
	CLEANUP(free_charp)
	char *text = xasprintf("%s%s\"}]}]}'\n%s", script_begin, parameter, script_end);
	struct err err;

	ck_assert_msg(file_write(path, text, strlen(text), 0700, &err), "%s", err.msg);
	return path;
}

/* After an upgrade of QEMU the former program's answers do not count. */
START_TEST(program_that_was_replaced_is_asked_again)
{
	const char *path = write_script("reconnect-ms");

	setup_of(path);
	ask(1);
	ck_assert_msg(!err_is_set(&failure), "%s", failure.msg);
	ck_assert(found.has_reconnect_ms);
	ck_assert(found.has_aux_ram_share);
	ck_assert(transfer_features_have(&found.migration, "multifd"));
	ck_assert_str_eq(found.migration.postcopy_refused, "no userfaultfd");
	ck_assert_str_eq(found.migration.background_snapshot_refused, "no protection");
	/* QEMU 7.2 takes both, and cannot do it. */
	ck_assert(!found.migration.postcopy_multifd);
	ck_assert_ptr_nonnull(probe_known(probe));
	write_script("reconnect");
	ck_assert_ptr_null(probe_known(probe));
	ask(1);
	ck_assert(!found.has_reconnect_ms);
	ck_assert(!probe_known(probe)->has_reconnect_ms);
	teardown();
}
END_TEST

/* A guest keeps its machine type, so a program is asked for it before the guest goes there. */
START_TEST(program_says_version_and_machine_types)
{
	setup_of(write_script("reconnect"));
	ck_assert(!probe_has_machine(probe, "q35"));
	ask(1);
	ck_assert_int_eq(probe_version(probe)->major, 7);
	ck_assert(probe_has_machine(probe, "q35"));
	ck_assert(probe_has_machine(probe, "pc-q35-7.2"));
	ck_assert(probe_has_machine(probe, "microvm"));
	ck_assert(!probe_has_machine(probe, "pc-q35-7"));
	teardown();
}
END_TEST

/* Its descriptor was closed with the answer, and its number may be another file's by then. */
START_TEST(probe_that_goes_closes_nothing_of_others)
{
	int fds[2];

	setup_of(write_script("reconnect"));
	ask(1);
	ck_assert_int_eq(pipe(fds), 0);
	probe_free(TAKE_PTR(probe));
	ck_assert_int_ge(fcntl(fds[0], F_GETFD), 0);
	ck_assert_int_ge(fcntl(fds[1], F_GETFD), 0);
	close(fds[0]);
	close(fds[1]);
	teardown();
}
END_TEST

/* The caller is not answered when its VM was removed while QEMU was asked. */
START_TEST(asker_that_has_gone_is_not_told)
{
	unsigned one = 1, other = 2;

	setup_of("true");
	answers = 0;
	probe_ask(probe, on_answer, &other);
	probe_ask(probe, on_answer, &one);
	probe_forget(probe, &other);
	loop_run(loop);
	ck_assert_uint_eq(answers, 1);
	teardown();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_add_checked_fixture(tc, scratch_setup, scratch_teardown);
	tcase_add_test(tc, program_that_is_missing_is_said);
	tcase_add_test(tc, program_that_is_no_qemu_is_said);
	tcase_add_test(tc, program_that_was_replaced_is_asked_again);
	tcase_add_test(tc, program_says_version_and_machine_types);
	tcase_add_test(tc, probe_that_goes_closes_nothing_of_others);
	tcase_add_test(tc, asker_that_has_gone_is_not_told);
	suite_add_tcase(s, tc);
	return s;
}
