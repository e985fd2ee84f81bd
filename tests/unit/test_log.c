/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "check_main.h"

static int records_fd = -1;
static int saved_stderr = -1;

/* Each write of the log is one packet, so that a test sees what one write contained. */
static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	records_fd = fds[0];
}

static void teardown(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(records_fd);
}

/* Returns the next record, NULL when there is none. */
static const char *next_record(void)
{
	static char record[65536];
	ssize_t n = recv(records_fd, record, sizeof(record) - 1, MSG_DONTWAIT);

	if (n < 0)
		return NULL;
	record[n] = '\0';
	return record;
}

/* A record starts with "<P>" and a time in UTC, then the text follows. */
static void assert_record(const char *record, const char *prefix, const char *rest)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	ck_assert_ptr_nonnull(record);
	ck_assert_int_eq(strncmp(record, prefix, strlen(prefix)), 0);
	record += strlen(prefix);
	for (size_t i = 0; pattern[i]; i++, record++)
		ck_assert(pattern[i] == 'd' ? *record >= '0' && *record <= '9'
					    : *record == pattern[i]);
	ck_assert_str_eq(record, rest);
}

/* The journal reads priority and fields from the line. */
START_TEST(record_has_priority_time_area_event)
{
	log_info("move", "state", "move=%d from=%s", 7, "begin");
	assert_record(next_record(), "<6>", "area=move event=state move=7 from=begin\n");
	log_error("move", "state", "%s", "");
	assert_record(next_record(), "<3>", "area=move event=state\n");
	log_warning("a", "b", "c=%d", 1);
	assert_record(next_record(), "<4>", "area=a event=b c=1\n");
	ck_assert_ptr_null(next_record());
}
END_TEST

/* Debug records are written only on request; errors cannot be turned off. */
START_TEST(record_above_the_level_is_not_written)
{
	enum log_level level;

	log_debug("a", "b", "c=%d", 1);
	ck_assert_ptr_null(next_record());
	ck_assert(log_level_from_name("debug", &level));
	log_set_level(level);
	log_debug("a", "b", "c=%d", 1);
	assert_record(next_record(), "<7>", "area=a event=b c=1\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("a", "b", "c=%d", 1);
	ck_assert_ptr_null(next_record());
	log_error("a", "b", "c=%d", 1);
	ck_assert_ptr_nonnull(next_record());
	ck_assert(!log_level_from_name("loud", &level));
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
}
END_TEST

/* A VM's name or a message of QEMU must not forge a record, or control the reader's terminal. */
START_TEST(record_with_control_characters_stays_one_line)
{
	log_info("a", "b", "x=%s", "1\n<0>forged\r\t\x1b[2J\x7f\xC2\x9b \xC3\xA4");
	assert_record(next_record(), "<6>",
		      "area=a event=b x=\"1\\n<0>forged\\r\\t\\x1b[2J\\x7f\\x9b \xC3\xA4\"\n");
}
END_TEST

/* A record is one line however long its text is: a long text is cut. */
START_TEST(record_of_any_length_ends_its_line)
{
	CLEANUP(free_charp) char *text = xcalloc(1, 100001);
	const char *record;

	memset(text, '\x01', 100000);
	log_info("a", "b", "%s", text);
	record = next_record();
	ck_assert_ptr_nonnull(record);
	ck_assert_int_eq(record[strlen(record) - 1], '\n');
	ck_assert_ptr_eq(strchr(record, '\n') + 1, record + strlen(record));
}
END_TEST

/* A value from outside (a peer's text, QEMU's message, a file's name) cannot look like a key. */
START_TEST(hostile_value_cannot_forge_a_key)
{
	static const struct {
		const char *value, *written;
	} cases[] = {
		{ "plain-1", "plain-1" },
		{ "", "\"\"" },
		{ "a move=1", "\"a move=1\"" },
		{ "move=1", "\"move=1\"" },
		{ "\" move=1 x=\"", "\"\\\" move=1 x=\\\"\"" },
		{ "\\", "\"\\\\\"" },
		{ "evil\n<3>area=store event=forged", "\"evil\\n<3>area=store event=forged\"" },
		{ "\t", "\"\\t\"" },
		{ "\xC2\x9b"
		  "2J",
		  "\"\\x9b2J\"" },
		{ "\xC3\xA4", "\xC3\xA4" },
	};
	char wanted[256];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		log_info("a", "b", "x=%s n=%d y=%s", cases[i].value, 1, cases[i].value);
		snprintf(wanted, sizeof(wanted), "area=a event=b x=%s n=1 y=%s\n", cases[i].written,
			 cases[i].written);
		assert_record(next_record(), "<6>", wanted);
	}
}
END_TEST

/* The log formats numbers by itself, and must agree with printf. */
START_TEST(numbers_are_written_as_printf_does)
{
	log_info("a", "b", "d=%d u=%u l=%lu ll=%lld z=%zu x=0x%04x c=%c p=%% w=%3d", -1, 7u,
		 4000000000ul, -5000000000ll, (size_t)9, 0xab, 'q', 5);
	assert_record(next_record(), "<6>",
		      "area=a event=b d=-1 u=7 l=4000000000 ll=-5000000000 z=9 x=0x00ab c=q p=% "
		      "w=  5\n");
}
END_TEST

/* A long value is cut by itself: the keys behind it stay, and no character is cut in two. */
START_TEST(long_value_is_cut_and_the_next_key_stays)
{
	char text[5001];
	const char *record;

	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xC3\xA4", 2);
	text[5000] = '\0';
	log_info("a", "b", "x=%s y=%d cut=%.3s", text, 1, text);
	record = next_record();
	ck_assert_ptr_nonnull(record);
	ck_assert_uint_lt(strlen(record), 2200);
	ck_assert_ptr_nonnull(strstr(record, "\xC3\xA4 y=1 cut=\xC3\xA4\n"));
}
END_TEST

/* Callers often log first and then return err_errno(). */
START_TEST(record_keeps_errno)
{
	errno = EXDEV;
	log_info("a", "b", "c=%d", 1);
	ck_assert_int_eq(errno, EXDEV);
	close(STDERR_FILENO);
	errno = EXDEV;
	log_info("a", "b", "c=%d", 1);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static void *log_some(void *data)
{
	for (int i = 0; i < 20; i++)
		log_info("a", "b", "i=%d", i);
	return data;
}

/* Records of several threads do not mix. */
START_TEST(records_of_many_threads_do_not_mix)
{
	pthread_t threads[2];
	int count = 0;

	pthread_create(&threads[0], NULL, log_some, NULL);
	pthread_create(&threads[1], NULL, log_some, NULL);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	for (const char *record; (record = next_record()); count++)
		ck_assert_ptr_eq(strchr(record, '\n') + 1, record + strlen(record));
	ck_assert_int_eq(count, 40);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, record_has_priority_time_area_event);
	tcase_add_test(tc, record_above_the_level_is_not_written);
	tcase_add_test(tc, record_with_control_characters_stays_one_line);
	tcase_add_test(tc, record_of_any_length_ends_its_line);
	tcase_add_test(tc, hostile_value_cannot_forge_a_key);
	tcase_add_test(tc, numbers_are_written_as_printf_does);
	tcase_add_test(tc, long_value_is_cut_and_the_next_key_stays);
	tcase_add_test(tc, record_keeps_errno);
	tcase_add_test(tc, records_of_many_threads_do_not_mix);
	suite_add_tcase(s, tc);
	return s;
}
