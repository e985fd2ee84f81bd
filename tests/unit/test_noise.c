/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strangers cannot fill the log. */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/noise.h"
#include "check_main.h"

static int records_fd = -1, saved_stderr = -1;
static const struct noise_kind refused = { LOG_LEVEL_INFO, "port", "refused", "address" };
static struct loop *loop;
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
	loop = loop_new_sim();
	noise = noise_new(loop, &refused);
}

static void tear_down(void)
{
	noise_free(noise);
	loop_free(loop);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(records_fd);
}

/* Notes as its callers do, which write the first record of a pair themselves. */
static bool note(const char *who, const char *reason)
{
	bool is_first = noise_note(noise, who, reason);

	if (is_first)
		log_info("port", "refused", "address=%s reason=%s", who, reason);
	return is_first;
}

static void end_period(void)
{
	loop_sim_run(loop);
	loop_sim_advance_ms(loop, NOISE_PERIOD_MS);
}

/* Returns the number of records since the last call, the last one in RET. */
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

/* The first refusal is worth a record at once, the thousands after it only a number. */
START_TEST(many_of_one_address_are_two_records)
{
	char last[512];

	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(note("192.0.2.7", "no preamble"), i == 0);
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert_ptr_nonnull(
		strstr(last, "area=port event=refused address=192.0.2.7 reason=\"no preamble\"\n"));
	end_period();
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert_ptr_nonnull(strstr(last, "count=5000 seconds=10\n"));
	end_period();
	ck_assert_uint_eq(take_records(last), 0);
}
END_TEST

START_TEST(many_addresses_are_a_bounded_number_of_records)
{
	char last[512], address[32];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(address, sizeof(address), "192.0.%d.%d", i / 250, i % 250);
			note(address, "no preamble");
		}
	}
	ck_assert_uint_eq(take_records(last), NOISE_ROWS + 1);
	end_period();
	ck_assert_uint_eq(take_records(last), NOISE_ROWS + 1);
	ck_assert_ptr_nonnull(strstr(last, "address=others"));
	ck_assert_ptr_nonnull(strstr(last, "count=1936 "));
}
END_TEST

START_TEST(single_one_is_one_record_and_a_new_period_begins)
{
	char last[512];

	note("192.0.2.7", "closed");
	end_period();
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert(note("192.0.2.7", "closed"));
	ck_assert_uint_eq(take_records(last), 1);
}
END_TEST

/* A client that causes a new reason each time must not use up the rows of all others. */
START_TEST(many_reasons_of_one_leave_room_for_others)
{
	char last[512], reason[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(reason, sizeof(reason), "reason %d", i);
		note("192.0.2.7", reason);
	}
	ck_assert_uint_eq(take_records(last), NOISE_ROWS_EACH);
	ck_assert(note("192.0.2.8", "closed"));
	ck_assert_ptr_nonnull(strstr((take_records(last), last), "address=192.0.2.8 "));
	end_period();
	ck_assert_uint_eq(take_records(last), 1);
	ck_assert_ptr_nonnull(strstr(last, "address=192.0.2.7 reason=various count=993 "));
}
END_TEST

/* The library's threads note refusals, too; the loop ends the period all the same. */
static void *note_on_thread(void *data)
{
	for (int i = 0; i < 100; i++)
		note(data, "closed");
	return NULL;
}

START_TEST(noted_on_another_thread_the_period_ends_on_the_loop)
{
	char who[] = "192.0.2.7", last[512];
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, note_on_thread, who), 0);
	pthread_join(thread, NULL);
	end_period();
	ck_assert_uint_eq(take_records(last), 2);
	ck_assert_ptr_nonnull(strstr(last, "count=100 "));
}
END_TEST

/* Counts that were not written yet are written when their owner is freed. */
START_TEST(freed_in_a_period_it_writes_what_it_counted)
{
	char last[512];

	note("192.0.2.7", "closed");
	note("192.0.2.7", "closed");
	noise_free(noise);
	noise = NULL;
	ck_assert_uint_eq(take_records(last), 2);
	ck_assert_ptr_nonnull(strstr(last, "count=2 "));
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
	tcase_add_test(tc, many_reasons_of_one_leave_room_for_others);
	tcase_add_test(tc, noted_on_another_thread_the_period_ends_on_the_loop);
	tcase_add_test(tc, freed_in_a_period_it_writes_what_it_counted);
	suite_add_tcase(s, tc);
	return s;
}
