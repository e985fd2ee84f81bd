/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/program.h"

#include <stdio.h>
#include <unistd.h>

#include "check_main.h"

START_TEST(process_runs_its_file)
{
	struct program own = program_of(getpid()), same = program_at("/proc/self/exe");
	struct program other = program_at("/bin/sh");

	ck_assert(program_is_same(&own, &same));
	ck_assert(!program_is_same(&own, &other));
}
END_TEST

START_TEST(unknown_program_is_like_no_other)
{
	struct program none = program_at("/nothing/is/here"), ended = program_of(0x7fffffff);

	ck_assert_uint_eq(none.ino, 0);
	ck_assert_uint_eq(ended.ino, 0);
	ck_assert(!program_is_same(&none, &none));
}
END_TEST

static const struct qmp_version version = { 11, 1, 0, "made up" };

static struct program numbered(ino_t ino)
{
	return (struct program){ .dev = 1, .ino = ino, .size = 7 };
}

static void note(struct programs *programs, ino_t ino)
{
	struct program program = numbered(ino);
	struct transfer_features features = { .parameters = { "max-bandwidth" },
					      .parameter_count = 1,
					      .form = { .channels = true },
					      .capabilities = { "xbzrle" },
					      .capability_count = 1,
					      .has_schema = true };

	snprintf(features.parameters[0], TRANSFER_NAME_SIZE, "p%u", (unsigned)ino);
	programs_note(programs, &program, &version, &features);
}

START_TEST(another_takes_the_parameters_and_keeps_its_capabilities)
{
	struct programs programs = { 0 };
	struct program program = numbered(3);
	struct transfer_features features = { .capabilities = { "multifd" },
					      .capability_count = 1 };

	ck_assert(!programs_recall(&programs, &program, &version, &features));
	ck_assert(!features.has_schema);
	note(&programs, 3);
	ck_assert(programs_recall(&programs, &program, &version, &features));
	ck_assert(features.has_schema);
	ck_assert(features.form.channels);
	ck_assert_uint_eq(features.parameter_count, 1);
	ck_assert_str_eq(features.parameters[0], "p3");
	ck_assert_str_eq(features.capabilities[0], "multifd");
}
END_TEST

/* An upgrade that is written over the file leaves it its inode. */
START_TEST(changed_program_is_another)
{
	struct programs programs = { 0 };
	struct program program = numbered(3);
	struct transfer_features features = { 0 };

	note(&programs, 3);
	program.changed.tv_nsec = 1;
	ck_assert(!programs_recall(&programs, &program, &version, &features));
}
END_TEST

/* As with the loader of shared libraries, to which the program is given. */
START_TEST(another_version_of_the_same_file_is_another)
{
	struct programs programs = { 0 };
	struct program program = numbered(3);
	struct qmp_version older = version, package = version;
	struct transfer_features features = { 0 };

	older.major = 7;
	package.package[0] = '\0';
	note(&programs, 3);
	ck_assert(!programs_recall(&programs, &program, &older, &features));
	ck_assert(!programs_recall(&programs, &program, &package, &features));
	ck_assert(programs_recall(&programs, &program, &version, &features));
}
END_TEST

START_TEST(the_last_few_are_kept)
{
	struct programs programs = { 0 };
	struct program unknown = { 0 };
	struct transfer_features features = { 0 };

	note(&programs, 0);
	for (ino_t ino = 1; ino <= PROGRAMS_MAX + 1; ino++) {
		note(&programs, ino);
		note(&programs, ino);
	}
	for (ino_t ino = 1; ino <= PROGRAMS_MAX + 1; ino++) {
		struct program program = numbered(ino);

		ck_assert_int_eq(programs_recall(&programs, &program, &version, &features),
				 ino > 1);
	}
	ck_assert(!programs_recall(&programs, &unknown, &version, &features));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("program");
	TCase *tc = tcase_create("program");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, process_runs_its_file);
	tcase_add_test(tc, unknown_program_is_like_no_other);
	tcase_add_test(tc, another_takes_the_parameters_and_keeps_its_capabilities);
	tcase_add_test(tc, changed_program_is_another);
	tcase_add_test(tc, another_version_of_the_same_file_is_another);
	tcase_add_test(tc, the_last_few_are_kept);
	return s;
}
