/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strangers must not be able to fill a log. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/noise.h"
#include "check_main.h"

static int records_fd = -1, saved_stderr = -1;
static struct noise *noise;

/* Each write of the log is one packet. */
static void set_up(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	records_fd = fds[0];
	noise = noise_new("port", "refused");
}

static void tear_down(void)
{
	noise_free(noise);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(records_fd);
}

/* The number of records since the last time; the last is in RET. */
static size_t take_records(char ret[512])
{
	size_t count = 0;
	ssize_t len;

	ret[0] = '\0';
	while ((len = recv(records_fd, ret, 511, MSG_DONTWAIT)) > 0) {
		ret[len] = '\0';
		count++;
	}
	return count;
}

/* The first is worth a record at once, the thousands after it a number. */
START_TEST(many_of_one_address_are_two_records)
{
	char last[512];

	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(noise_note(noise, "192.0.2.7", "no preamble"), i == 0);
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert_ptr_nonnull(
		strstr(last, "area=port event=refused address=192.0.2.7 reason=\"no preamble\"\n"));
	noise_end_period(noise);
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert_ptr_nonnull(strstr(last, "count=5000 seconds=10\n"));
}
END_TEST

START_TEST(many_addresses_are_a_bounded_number_of_records)
{
	char last[512], address[32];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(address, sizeof(address), "192.0.%d.%d", i / 250, i % 250);
			noise_note(noise, address, "no preamble");
		}
	}
	ck_assert_uint_eq(take_records(last), NOISE_ROWS + 1);
	noise_end_period(noise);
	ck_assert_uint_eq(take_records(last), NOISE_ROWS + 1);
	ck_assert_ptr_nonnull(strstr(last, "address=others"));
	ck_assert_ptr_nonnull(strstr(last, "count=1968 "));
}
END_TEST

START_TEST(single_one_is_one_record_and_a_new_period_begins)
{
	char last[512];

	noise_note(noise, "192.0.2.7", "closed");
	noise_end_period(noise);
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert(noise_note(noise, "192.0.2.7", "closed"));
	ck_assert_uint_eq(take_records(last), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("noise");
	TCase *tc = tcase_create("noise");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, many_of_one_address_are_two_records);
	tcase_add_test(tc, many_addresses_are_a_bounded_number_of_records);
	tcase_add_test(tc, single_one_is_one_record_and_a_new_period_begins);
	suite_add_tcase(s, tc);
	return s;
}
