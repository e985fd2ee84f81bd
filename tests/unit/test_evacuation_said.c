/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of an evacuation: to the conductor of a maintenance, who asks twice a second, and of
 * VMs that are blocked, also right after a restart. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "evacuation_rig.h"

#define ID   "01a22bf1-4a2b-76da-a80e-535e716d2089"
#define UUID "01a22bf1-4a2b-76da-a80e-535e716d200"

static unsigned made; /* so often it was made anew */

void real_of(const struct evacuation_reply *reply,
	     struct peer_evacuation *ret) __asm__("__real_peer_evacuation_of");
void wrap_of(const struct evacuation_reply *reply,
	     struct peer_evacuation *ret) __asm__("__wrap_peer_evacuation_of");

void wrap_of(const struct evacuation_reply *reply, struct peer_evacuation *ret)
{
	made++;
	real_of(reply, ret);
}

/* A restart finds an evacuation that is drained. */
static void find(const char *state, const char *vms, const char *plan)
{
	struct store_evacuation row = {
		.id = ID,
		.request = xstrdup("{}"),
		.detail = xstrdup("{\"requests\":[{\"requester\":\"x\"},{\"requester\":\"y\"}]}"),
		.vms = xstrdup(vms),
		.plan = plan ? xstrdup(plan) : NULL,
		.created_ms = 1,
	};

	snprintf(row.state, sizeof(row.state), "%s", state);
	evacuation_set_up();
	evacuations_add_row(evacs, &row);
	made = 0;
}

static struct evacuation *the_one(void)
{
	return evacuations_find(evacs, ID);
}

/* ---- in short --------------------------------------------------------- */

START_TEST(who_asks_again_gets_what_was_said_until_there_are_news)
{
	find("waiting", "[]", NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(evacuation_brief_of(the_one())->state, "waiting");
	ck_assert_uint_eq(made, 1);
	ck_assert_uint_eq(evacuation_brief_of(the_one())->requester_count, 2);
	/* A request that was withdrawn counts at once. */
	ck_assert(evac_withdraw(the_one(), "x"));
	ck_assert_uint_eq(evacuation_brief_of(the_one())->requester_count, 1);
	ck_assert_str_eq(evacuation_brief_of(the_one())->requesters[0], "y");
	evac_tell(the_one());
	the_one()->now.is_news = false;
	made = 0;
	for (int i = 0; i < 3; i++)
		evacuation_brief_of(the_one());
	ck_assert_uint_eq(made, 1);
	rig_advance(6000); /* forecasts become old */
	evacuation_brief_of(the_one());
	ck_assert_uint_eq(made, 2);
}
END_TEST

/* ---- VMs that are blocked --------------------------------------------- */

#define VM(number, state)                                                            \
	"{\"number\":" #number ",\"uuid\":\"" UUID #number "\",\"name\":\"g" #number \
	"\",\"attempt\":1,\"is_over\":true,\"state\":\"" state "\",\"host\":\"a\"}"

static const char plan[] = "{\"stays\":["
			   "{\"vm\":\"g2\",\"rejected\":[{\"host\":\"b\",\"why\":\"no memory\"},"
			   "{\"host\":\"c\",\"why\":\"is cordoned\"}]},"
			   "{\"vm\":\"g3\",\"rejected\":[{\"host\":\"b\",\"why\":\"pinned\"}]},"
			   "{\"vm\":\"nobody\",\"rejected\":[{\"host\":\"b\"}]},"
			   "{\"vm\":\"g1\"}]}";

START_TEST(why_nobody_takes_it_is_known_right_after_a_restart)
{
	const struct evacuation_reply *reply;

	find("draining", "[" VM(1, "blocked") "," VM(2, "blocked") "," VM(3, "waiting") "]", plan);
	reply = evacuation_show(the_one());
	ck_assert_uint_eq(reply->vm_count, 3);
	for (size_t i = 0; i < reply->vm_count; i++) {
		const struct evacuation_vm_reply *vm = &reply->vms[i];

		if (strcmp(vm->vm, "g2") != 0) {
			ck_assert_uint_eq(vm->rejected_count, 0);
			continue;
		}
		ck_assert_uint_eq(vm->rejected_count, 2);
		ck_assert_str_eq(vm->rejected[0].host, "b");
		ck_assert_str_eq(vm->rejected[0].why, "no memory");
		ck_assert_str_eq(vm->rejected[1].host, "c");
	}
}
END_TEST

/* A guest is not stopped for what may be of the moment. */
START_TEST(guest_is_stopped_or_saved_only_for_what_lasts)
{
	static const struct {
		uint64_t count, ms;
		int becomes;
		bool is_for_good;
	} rows[] = {
		{ 1, 60000, EVAC_VM_BLOCKED, false },  { 2, 0, EVAC_VM_BLOCKED, true },
		{ 2, 0, EVAC_VM_LEFT, true },          { 2, 2000, EVAC_VM_STOPPING, false },
		{ 4, 29999, EVAC_VM_STOPPING, false }, { 5, 30000, EVAC_VM_STOPPING, true },
		{ 5, 29999, EVAC_VM_SAVING, false },   { 5, 30000, EVAC_VM_SAVING, true },
		{ 1, 30000, EVAC_VM_SAVING, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_msg(evac_is_refused_for_good(rows[i].count, rows[i].ms,
						       rows[i].becomes) == rows[i].is_for_good,
			      "row %zu", i);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation_said");
	TCase *tc = tcase_create("shown"), *pure = tcase_create("pure");

	tcase_add_checked_fixture(tc, NULL, evacuation_tear_down);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, pure);
	tcase_add_test(tc, who_asks_again_gets_what_was_said_until_there_are_news);
	tcase_add_test(tc, why_nobody_takes_it_is_known_right_after_a_restart);
	tcase_add_test(pure, guest_is_stopped_or_saved_only_for_what_lasts);
	return s;
}
