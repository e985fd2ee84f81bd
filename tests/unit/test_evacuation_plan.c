/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a plan is waited for: it is made off the loop, and meanwhile much may happen.
 *
 * On the simulated loop the worker's part runs on the loop thread too; it is told apart by
 * --wrap=evac_plan_make, and what happens meanwhile is begun there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "evacuation/priv.h"
#include "move_rig.h"

#define GUESTS 20 /* of each peer */

static char names[1001][16];
static const char *ids[ARRAY_LEN(names) + 1];
static struct capacity *capacity;
static struct queue *queue;
static struct evacuations *evacs;
static struct evacuation_request request;
static void (*meanwhile)(void); /* called once, while a plan is made */
static uint64_t worker_us, made_us;

/* ---- what is looked at ---------------------------------------------------------------------- */

static uint64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct evac_plan *real_evac_plan_make(struct evac_making *making,
				      struct err *err) __asm__("__real_evac_plan_make");
struct evac_plan *wrap_evac_plan_make(struct evac_making *making,
				      struct err *err) __asm__("__wrap_evac_plan_make");

struct evac_plan *wrap_evac_plan_make(struct evac_making *making, struct err *err)
{
	void (*fn)(void) = meanwhile;
	uint64_t begun_us = cpu_us();
	struct evac_plan *plan = real_evac_plan_make(making, err);

	made_us = cpu_us();
	worker_us += made_us - begun_us;
	meanwhile = NULL;
	if (fn)
		fn();
	return plan;
}

/* What was answered, in turn. */
static struct {
	char name;
	enum err_code code;
	char id[ID_UUID_SIZE]; /* of the evacuation */
} answers[32];
static size_t answer_count;

static void note(char name, const struct err *err, const struct evacuation *evac)
{
	ck_assert_uint_lt(answer_count, ARRAY_LEN(answers));
	answers[answer_count].name = name;
	answers[answer_count].code = err ? err->code : ERR_NONE;
	snprintf(answers[answer_count].id, sizeof(answers[0].id), "%s", evac ? evac->row.id : "");
	answer_count++;
}

/* Passed as data: who asked. */
static char who_1[] = "1", who_2[] = "2", who_3[] = "3", who_t[] = "t", who_a[] = "a",
	    who_p[] = "p", who_r[] = "r", who_w[] = "w", who_x[] = "x", who_y[] = "y";

static char state_id[EVACUATION_STATE_ID_SIZE];

static void on_planned(void *data, struct evac_plan *plan, const struct err *err)
{
	ck_assert_int_eq(plan == NULL, err != NULL);
	if (plan)
		snprintf(state_id, sizeof(state_id), "%s", plan->state_id);
	note(*(const char *)data, err, NULL);
}

static void on_tried(void *data, const struct evacuation_reply *reply, const struct err *err)
{
	ck_assert_int_eq(reply == NULL, err != NULL);
	note(*(const char *)data, err, NULL);
}

static void on_done(void *data, struct evacuation *evac, const struct err *err)
{
	note(*(const char *)data, err, evac);
}

/* ---- one host and its peers ------------------------------------------- */

static void set_up(void)
{
	static const struct move_options defaults = { 0 };

	snprintf(names[0], sizeof(names[0]), "b");
	ids[0] = names[0];
	ids[1] = NULL;
	rig_set_up();
	capacity = capacity_new(&(struct capacity_env){
		.loop = rig.loop,
		.vms = rig.vms,
		.moves = rig.moves,
		.peers = rig.peers,
		.peer_ids = ids,
		.host_id = "a",
		.settings = { .in_max = 4, .out_max = 3, .ask_every_s = 10 },
	});
	queue = queue_new(&(struct queue_env){
		.loop = rig.loop,
		.store = rig.store,
		.vms = rig.vms,
		.moves = rig.moves,
		.policies = rig.policies,
		.holds = rig.holds,
		.peers = rig.peers,
		.defaults = &defaults,
		.host_id = "a",
		.out_max = 1,
		.setups_max = 1,
	});
	evacs = evacuations_new(&(struct evacuations_env){
		.loop = rig.loop,
		.store = rig.store,
		.vms = rig.vms,
		.moves = rig.moves,
		.policies = rig.policies,
		.queue = queue,
		.holds = rig.holds,
		.capacity = capacity,
		.peers = rig.peers,
		.host_id = "a",
	});
	request = (struct evacuation_request){
		.powerdown_s = EVACUATION_POWERDOWN_S,
		.move.options.priority = MOVE_PRIORITY_EVACUATION,
	};
	answer_count = 0;
	meanwhile = NULL;
	evacuations_recover(evacs);
}

static void tear_down(void)
{
	evacuations_clear(evacs);
	queue_clear(queue);
	capacity_end(capacity);
	rig_advance(CAPACITY_ASK_MS); /* the last questions end */
	evacuations_free(evacs);
	queue_free(queue);
	capacity_free(capacity);
	rig_tear_down();
}

static void answer_for(const char *host, unsigned number)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text,
		    "{\"id\":\"%s\",\"state\":\"online\",\"memory_mib\":{\"total\":262144,"
		    "\"available\":4096,\"reserved\":512,\"guests\":0,\"incoming\":0,"
		    "\"huge_total\":0,\"huge_free\":0},\"cores\":64,\"vcpus\":0,\"load\":0.5,"
		    "\"limits\":{\"out_max\":16,\"in_max\":2,\"vcpus_per_core\":4},"
		    "\"link_bytes_per_s\":1250000000,\"rack\":\"r%u\",\"labels\":{},"
		    "\"guests\":0,\"stopped\":0,\"left_out\":0,\"vms\":[",
		    host, number % 20);
	for (unsigned i = 0; i < GUESTS; i++)
		strbuf_addf(&text,
			    "%s{\"name\":\"g%05u-%02u\",\"uuid\":\"018f0000-0000-7000-8000-%08x"
			    "%04x\",\"state\":\"running\",\"memory_mib\":%u,\"vcpus\":2,"
			    "\"load\":0.25,\"forecast_bytes\":1048576,\"movable\":true}",
			    i ? "," : "", number, i, number + 1, i, 512 * (1 + (number + i) % 16));
	strbuf_adds(&text, "],\"next\":null}");
	fake_peer_answer_at(host, "capacity", strbuf_str(&text));
}

/* The peers are asked, and answer. */
static void answer_all(void)
{
	rig_run();
	for (unsigned i = 0; ids[i]; i++) {
		answer_for(ids[i], i);
		trace_clear();
	}
	rig_run();
}

static void on_heard(void *data)
{
	(void)data;
}

static void hear_all(void)
{
	capacity_ask(capacity, on_heard, NULL);
	answer_all();
}

static void ask(char *name, bool is_run)
{
	const struct evac_others others = { 0 };

	evac_plan_ask(evacs->planner, &request, &others, is_run, on_planned, name);
}

/* ---- who waits -------------------------------------------------------- */

START_TEST(plan_comes_once_and_never_from_inside_the_question)
{
	rig_run_vm();
	hear_all();
	ask(who_1, false);
	ck_assert_uint_eq(answer_count, 0);
	rig_run();
	ck_assert_uint_eq(answer_count, 1);
	ck_assert_int_eq(answers[0].code, ERR_NONE);
	ck_assert_uint_eq(strlen(state_id), 16);
}
END_TEST

/* The host that is being emptied waits for one plan that others wanted, not for all. */
START_TEST(run_goes_before_those_who_only_look)
{
	hear_all();
	ask(who_1, false);
	ask(who_2, false);
	ask(who_3, false);
	ask(who_r, true);
	rig_run();
	ck_assert_uint_eq(answer_count, 4);
	ck_assert_int_eq(answers[0].name, '1');
	ck_assert_int_eq(answers[1].name, 'r');
	ck_assert_int_eq(answers[2].name, '2');
	ck_assert_int_eq(answers[3].name, '3');
}
END_TEST

START_TEST(plans_that_wait_have_a_limit_and_a_run_has_none)
{
	hear_all();
	for (int i = 0; i < 1 + EVAC_PLANS_MAX; i++) /* one of them is being made */
		ask(who_w, false);
	ask(who_x, false);
	ask(who_r, true);
	ck_assert_uint_eq(answer_count, 0);
	rig_run();
	ck_assert_uint_eq(answer_count, 1 + EVAC_PLANS_MAX + 2);
	for (size_t i = 0; i < answer_count; i++)
		ck_assert_int_eq(answers[i].code, answers[i].name == 'x' ? ERR_LIMIT : ERR_NONE);
	ask(who_y, false);
	rig_run();
	ck_assert_int_eq(answers[answer_count - 1].code, ERR_NONE);
}
END_TEST

/* Each is answered once, also the one for which a plan is being made. */
START_TEST(end_of_the_daemon_answers_all_who_wait)
{
	hear_all();
	ask(who_1, false);
	ask(who_2, true);
	evacuations_try(evacs, &request, "alice", on_tried, who_t);
	answer_all(); /* 1 and 2 have their plans, t has not asked yet or has its own */
	answer_count = 0;
	ask(who_1, false);
	ask(who_2, true);
	evacuations_try(evacs, &request, "alice", on_tried, who_t);
	evacuations_clear(evacs);
	ck_assert_uint_eq(answer_count, 3);
	ask(who_3, false);
	answer_all();
	ck_assert_uint_eq(answer_count, 4);
	for (size_t i = 0; i < answer_count; i++)
		ck_assert_int_eq(answers[i].code, ERR_UNAVAILABLE);
}
END_TEST

/* ---- what happens meanwhile ------------------------------------------- */

static struct evacuation *current(void)
{
	return evacuations_find(evacs, "current");
}

static void begin(char *name)
{
	evacuations_request(evacs, &request, name, on_done, name);
}

/* Both have asked before there was one. */
START_TEST(two_who_ask_at_once_get_one_evacuation)
{
	rig_run_vm();
	request.approval = true;
	begin(who_1);
	begin(who_2);
	answer_all();
	ck_assert_uint_eq(answer_count, 2);
	ck_assert_int_eq(answers[0].code, ERR_NONE);
	ck_assert_int_eq(answers[1].code, ERR_NONE);
	ck_assert_str_eq(answers[0].id, answers[1].id);
	ck_assert_uint_eq(current()->detail.asker_count, 2);
	ck_assert_ptr_null(evacuation_next(current()));
}
END_TEST

static void abort_it(void)
{
	evacuation_abort(current(), &(struct evacuation_abort){ 0 }, "ops", on_done, who_a);
}

START_TEST(approval_that_an_abort_overtakes_is_refused)
{
	struct evacuation_approve wish = { 0 };

	rig_run_vm();
	request.approval = true;
	begin(who_1);
	answer_all();
	memcpy(wish.state_id, current()->detail.state_id, sizeof(wish.state_id));
	meanwhile = abort_it;
	evacuation_approve(current(), &wish, on_done, who_p);
	answer_all();
	rig_advance(100);
	ck_assert_uint_eq(answer_count, 3);
	ck_assert(!current()->detail.approved);
	ck_assert_int_eq(answers[1].name, 'p');
	ck_assert_int_eq(answers[1].code, ERR_CONFLICT);
	ck_assert_int_eq(answers[2].name, 'a');
	ck_assert_str_eq(current()->row.state, "aborted");
}
END_TEST

START_TEST(approval_of_the_plan_that_was_seen_is_taken_and_of_another_not)
{
	struct evacuation_approve wish = { "0123456789abcdef" };

	rig_run_vm();
	request.approval = true;
	begin(who_1);
	answer_all();
	evacuation_approve(current(), &wish, on_done, who_p);
	answer_all();
	ck_assert_int_eq(answers[1].code, ERR_CONFLICT);
	ck_assert(!current()->detail.approved);
	memcpy(wish.state_id, current()->detail.state_id, sizeof(wish.state_id));
	evacuation_approve(current(), &wish, on_done, who_p);
	answer_all();
	ck_assert_int_eq(answers[2].code, ERR_NONE);
	ck_assert(current()->detail.approved);
}
END_TEST

/* Until the evacuation asks for a plan; the peers answer then. */
static void drain(void)
{
	rig_run_vm();
	begin(who_1);
	answer_all();
	ck_assert_int_eq(answers[0].code, ERR_NONE);
	for (int i = 0; i < 100 && !fake_peer_pending_at("b", "capacity"); i++)
		rig_advance(10);
	ck_assert_str_eq(current()->row.state, "draining");
	ck_assert_uint_ne(current()->now.planning, 0);
}

static const struct evac_vm *the_vm(void)
{
	return evac_vm_find(current(), RIG_VM_UUID);
}

START_TEST(plan_of_an_evacuation_gives_its_vm_an_attempt)
{
	drain();
	answer_all();
	ck_assert_uint_eq(the_vm()->attempt, 1);
	ck_assert_str_eq(the_vm()->to[0], "b");
	ck_assert_uint_eq(current()->now.planning, 0);
	ck_assert_ptr_nonnull(strstr(current()->row.plan, "\"to\":\"b\""));
}
END_TEST

static void pause_it(void)
{
	evacuation_pause(current(), &(struct evacuation_pause){ 0 }, "ops", on_done, who_a);
}

START_TEST(plan_that_finds_its_evacuation_paused_is_dropped)
{
	drain();
	meanwhile = pause_it;
	answer_all();
	ck_assert_ptr_null(meanwhile);
	ck_assert_uint_eq(the_vm()->attempt, 0);
	ck_assert_uint_eq(current()->now.planning, 0);
	evacuation_resume(current(), on_done, who_r);
	for (int i = 0; i < 100 && !fake_peer_pending_at("b", "capacity"); i++)
		rig_advance(10);
	answer_all();
	ck_assert_uint_eq(the_vm()->attempt, 1);
}
END_TEST

START_TEST(plan_that_finds_its_evacuation_at_its_end_is_dropped)
{
	drain();
	meanwhile = abort_it;
	answer_all();
	ck_assert_uint_eq(the_vm()->attempt, 0);
	rig_advance(1000);
	ck_assert_str_eq(current()->row.state, "aborted");
}
END_TEST

static void close_all(void)
{
	evacuations_clear(evacs);
}

START_TEST(plan_that_finds_the_daemon_at_its_end_is_dropped)
{
	drain();
	meanwhile = close_all;
	answer_all();
	ck_assert_ptr_null(meanwhile);
	ck_assert_ptr_null(evacuations_first(evacs));
}
END_TEST

/* What was planned for a guest that runs is no plan for one that does not. */
START_TEST(vm_that_has_changed_waits_for_the_next_plan)
{
	struct evac_seen *seen;

	rig_run_vm();
	seen = evac_seen_new(evacs, &request);
	ck_assert(evac_seen_is_right(seen, evacs, RIG_VM_UUID));
	ck_assert(!evac_seen_is_right(seen, evacs, "018f0000-0000-7000-8000-0000000000ff"));
	rig_act(VM_ACTION_STOP);
	ck_assert(!evac_seen_is_right(seen, evacs, RIG_VM_UUID));
	evac_seen_free(seen);
	seen = evac_seen_new(evacs, &request);
	ck_assert_ptr_nonnull(evac_seen_find(seen, RIG_VM_UUID)->definition);
	ck_assert(evac_seen_is_right(seen, evacs, RIG_VM_UUID));
	vm_give_up(rig_vm(), "b", 9);
	rig_run();
	ck_assert(!evac_seen_is_right(seen, evacs, RIG_VM_UUID));
	evac_seen_free(seen);
}
END_TEST

/* ---- how long the loop is kept ---------------------------------------- */

/* MIGRD_TEST_PEERS=1000 (that is the most) tells the figures of a large fleet. */
START_TEST(loop_has_a_small_part_of_the_work)
{
	const char *wanted = getenv("MIGRD_TEST_PEERS");
	unsigned count = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 150;
	uint64_t asked_us, begun_us, back_us, tried_us;

	ck_assert_uint_lt(count, ARRAY_LEN(names));
	for (unsigned i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "h%04u", i);
		ids[i] = names[i];
	}
	ids[count] = NULL;
	rig_run_vm();
	hear_all();
	worker_us = 0;
	begun_us = cpu_us();
	ask(who_1, false);
	asked_us = cpu_us() - begun_us;
	rig_run();
	back_us = cpu_us() - made_us;
	ck_assert_int_eq(answers[0].code, ERR_NONE);
	if (wanted)
		fprintf(stderr,
			"%u peers, %u guests: worker %" PRIu64 " us; loop: begun in %" PRIu64
			" us, back in %" PRIu64 " us\n",
			count, count * GUESTS, worker_us, asked_us, back_us);
	/* A sixth on a quiet machine; a busy one adds to each what its caches have lost. */
	ck_assert_uint_lt(asked_us + back_us, worker_us);
	evacuations_try(evacs, &request, "alice", on_tried, who_t);
	answer_all();
	tried_us = cpu_us() - made_us;
	ck_assert_int_eq(answers[1].code, ERR_NONE);
	if (wanted)
		fprintf(stderr, "a dry run: back in %" PRIu64 " us\n", tried_us);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation_plan");
	TCase *tc = tcase_create("plan");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, plan_comes_once_and_never_from_inside_the_question);
	tcase_add_test(tc, run_goes_before_those_who_only_look);
	tcase_add_test(tc, plans_that_wait_have_a_limit_and_a_run_has_none);
	tcase_add_test(tc, end_of_the_daemon_answers_all_who_wait);
	tcase_add_test(tc, two_who_ask_at_once_get_one_evacuation);
	tcase_add_test(tc, approval_that_an_abort_overtakes_is_refused);
	tcase_add_test(tc, approval_of_the_plan_that_was_seen_is_taken_and_of_another_not);
	tcase_add_test(tc, plan_of_an_evacuation_gives_its_vm_an_attempt);
	tcase_add_test(tc, plan_that_finds_its_evacuation_paused_is_dropped);
	tcase_add_test(tc, plan_that_finds_its_evacuation_at_its_end_is_dropped);
	tcase_add_test(tc, plan_that_finds_the_daemon_at_its_end_is_dropped);
	tcase_add_test(tc, vm_that_has_changed_waits_for_the_next_plan);
	tcase_add_test(tc, loop_has_a_small_part_of_the_work);
	suite_add_tcase(s, tc);
	return s;
}
