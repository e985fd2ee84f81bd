/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bandwidth limit and the lease, which the channels of a move share. */
#include <poll.h>

#include "base/clock.h"
#include "stream/limiter.h"
#include "tests/lib/check_main.h"

#define PIECE 1000

static struct limiter limiter;
static atomic_bool stop;

/* Takes until it has WANTED bytes, or is stopped. */
struct taker {
	pthread_t thread;
	bool without_lease;
	size_t wanted;
	_Atomic size_t taken;
};

static void *run_taker(void *arg)
{
	struct taker *taker = arg;
	size_t taken = 1;

	while (atomic_load(&taker->taken) < taker->wanted && taken > 0) {
		taken = limiter_take(&limiter, PIECE, taker->without_lease, &stop);
		atomic_fetch_add(&taker->taken, taken);
	}
	return NULL;
}

static void begin(struct taker *taker, bool without_lease, size_t wanted)
{
	*taker = (struct taker){ .without_lease = without_lease, .wanted = wanted };
	ck_assert_int_eq(pthread_create(&taker->thread, NULL, run_taker, taker), 0);
}

static void end(struct taker *taker)
{
	pthread_join(taker->thread, NULL);
}

static void end_by_stop(struct taker *taker)
{
	atomic_store(&stop, true);
	limiter_wake(&limiter);
	end(taker);
}

static void set_up(void)
{
	atomic_store(&stop, false);
	limiter_init(&limiter, 0);
}

/* Disks are copied on while a coordinator is away; memory waits. */
START_TEST(only_what_needs_no_lease_goes_when_the_lease_is_over)
{
	struct taker memory, disk;

	limiter_lease(&limiter, 0);
	begin(&memory, false, PIECE);
	begin(&disk, true, 100 * PIECE);
	end(&disk);
	poll(NULL, 0, 50);
	ck_assert_uint_eq(atomic_load(&disk.taken), 100 * PIECE);
	ck_assert_uint_eq(atomic_load(&memory.taken), 0);
	limiter_lease(&limiter, LIMITER_FOREVER);
	end(&memory);
	ck_assert_uint_eq(atomic_load(&memory.taken), PIECE);
}
END_TEST

/* What waits for a lease takes nothing of the rate. */
START_TEST(rate_is_for_those_that_may_go)
{
	uint64_t began = clock_monotonic_ms(); /* the rate counts from when it is set */
	struct taker memory, disk;

	limiter_set(&limiter, 100 * PIECE);
	limiter_lease(&limiter, 0);
	begin(&memory, false, PIECE);
	begin(&disk, true, 30 * PIECE);
	end(&disk);
	ck_assert_uint_ge(clock_monotonic_ms() - began, 290);
	ck_assert_uint_lt(clock_monotonic_ms() - began, 20000);
	ck_assert_uint_eq(atomic_load(&memory.taken), 0);
	end_by_stop(&memory);
	ck_assert_uint_eq(atomic_load(&memory.taken), 0);
}
END_TEST

/* The limit is that of the move, not of a channel. */
START_TEST(rate_is_shared_by_what_needs_a_lease_and_what_does_not)
{
	struct taker memory, disk;
	uint64_t began = clock_monotonic_ms();

	limiter_set(&limiter, 100 * PIECE);
	limiter_lease(&limiter, 60000);
	begin(&memory, false, 20 * PIECE);
	begin(&disk, true, 20 * PIECE);
	end(&memory);
	end(&disk);
	ck_assert_uint_ge(clock_monotonic_ms() - began, 390);
}
END_TEST

/* Disks are not held up: a guest may wait until a write of it is there too. */
START_TEST(memory_gives_way_until_it_is_told_to_go_on)
{
	struct taker memory, disk;

	limiter_give_way(&limiter, 600000);
	begin(&memory, false, PIECE);
	begin(&disk, true, 100 * PIECE);
	end(&disk);
	ck_assert_uint_eq(atomic_load(&memory.taken), 0);
	limiter_give_way(&limiter, 0);
	end(&memory);
	ck_assert_uint_eq(atomic_load(&memory.taken), PIECE);
}
END_TEST

START_TEST(memory_that_gives_way_goes_on_by_itself)
{
	uint64_t began = clock_monotonic_ms();
	struct taker memory;

	limiter_give_way(&limiter, 100);
	begin(&memory, false, PIECE);
	end(&memory);
	ck_assert_uint_ge(clock_monotonic_ms() - began, 99);
}
END_TEST

START_TEST(channel_that_gives_way_can_be_broken)
{
	struct taker memory;

	limiter_give_way(&limiter, 600000);
	begin(&memory, false, PIECE);
	end_by_stop(&memory);
	ck_assert_uint_eq(atomic_load(&memory.taken), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("limiter");
	TCase *tc = tcase_create("limiter");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, only_what_needs_no_lease_goes_when_the_lease_is_over);
	tcase_add_test(tc, rate_is_for_those_that_may_go);
	tcase_add_test(tc, rate_is_shared_by_what_needs_a_lease_and_what_does_not);
	tcase_add_test(tc, memory_gives_way_until_it_is_told_to_go_on);
	tcase_add_test(tc, memory_that_gives_way_goes_on_by_itself);
	tcase_add_test(tc, channel_that_gives_way_can_be_broken);
	suite_add_tcase(s, tc);
	return s;
}
