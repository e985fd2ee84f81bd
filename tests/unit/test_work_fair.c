/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work that never ends does not hold up the work of other owners. */
#include <pthread.h>
#include <semaphore.h>

#include "base/mem.h"
#include "base/work_fair.h"
#include "check_main.h"

#define THREADS 3
#define EACH    2

/* Work that waits for GATE, unless GATE is NULL. */
struct item {
	struct fair_work work;
	sem_t *gate;
	size_t *done_count;
};

static struct loop *loop;
static struct fair_worker *worker;
static sem_t gate;
static size_t hung_done, good_done;

static void run(struct fair_work *work)
{
	sem_t *at = ((struct item *)work)->gate;

	while (at && sem_wait(at) < 0)
		;
}

static void done(struct fair_work *work)
{
	(*((struct item *)work)->done_count)++;
	free(work);
	loop_stop(loop);
}

static void submit(const char *owner, sem_t *at, size_t *count)
{
	struct item *item = xnew(struct item);

	item->work.run = run;
	item->work.done = done;
	item->gate = at;
	item->done_count = count;
	fair_worker_submit(worker, owner, &item->work);
}

static void set_up(void)
{
	loop = loop_new();
	worker = fair_worker_new(loop, "fair", THREADS, EACH);
	hung_done = good_done = 0;
	sem_init(&gate, 0, 0);
}

static void tear_down(void)
{
	fair_worker_free(worker);
	loop_free(loop);
	sem_destroy(&gate);
}

/* The storage of one peer's offers hangs: another peer's offers are still looked at. */
START_TEST(one_owner_hangs_another_is_served)
{
	for (int i = 0; i < 10; i++)
		submit("hostile", &gate, &hung_done);
	for (size_t i = 1; i <= 5; i++) {
		submit("good", NULL, &good_done);
		while (good_done < i)
			loop_run(loop);
	}
	ck_assert_uint_eq(hung_done, 0);
	ck_assert_uint_eq(fair_worker_count(worker, "hostile"), 10);
	ck_assert_uint_eq(fair_worker_count(worker, "good"), 0);
	for (int i = 0; i < 10; i++)
		sem_post(&gate);
	while (hung_done < 10)
		loop_run(loop);
	ck_assert_uint_eq(fair_worker_count(worker, "hostile"), 0);
}
END_TEST

/* Each item is done once, even if it still waited for its turn. */
START_TEST(freed_it_finishes_all)
{
	for (int i = 0; i < 10; i++)
		submit("a", NULL, &good_done);
	fair_worker_free(TAKE_PTR(worker));
	ck_assert_uint_eq(good_done, 10);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("work_fair");
	TCase *tc = tcase_create("work_fair");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_owner_hangs_another_is_served);
	tcase_add_test(tc, freed_it_finishes_all);
	suite_add_tcase(s, tc);
	return s;
}
