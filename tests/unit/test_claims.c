/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers tell what they know of a VM: what follows for our record of generation 4? */
#include <string.h>

#include "check_main.h"
#include "owner/claims.h"

#define UUID  "0190a000-0000-7000-8000-000000000001"
#define OTHER "0190a000-0000-7000-8000-000000000002"
#define OURS  4

static struct claim list[3];
static struct claims claims;

static void setup(void)
{
	memset(list, 0, sizeof(list));
	claims = (struct claims){ .list = list };
}

static void says(const char *host, const char *role, const char *state, uint64_t generation)
{
	struct claim *claim = &list[claims.count++];

	snprintf(claim->host, sizeof(claim->host), "%s", host);
	snprintf(claim->vm.uuid, sizeof(claim->vm.uuid), UUID);
	snprintf(claim->vm.role, sizeof(claim->vm.role), "%s", role);
	snprintf(claim->vm.state, sizeof(claim->vm.state), "%s", state);
	claim->vm.generation = generation;
}

static void assert_verdict(enum claims_verdict verdict, const char *host)
{
	const struct claim *claim = NULL;

	ck_assert_int_eq(claims_judge(&claims, UUID, OURS, &claim), verdict);
	if (host)
		ck_assert_str_eq(claim->host, host);
	else
		ck_assert_ptr_null(claim);
}

/* The usual case: a peer that never had the VM does not list it. */
START_TEST(nobody_has_it_and_it_is_ours)
{
	says("b", "owned", "running", 9);
	snprintf(list[0].vm.uuid, sizeof(list[0].vm.uuid), OTHER);
	assert_verdict(CLAIMS_OURS, NULL);
}
END_TEST

/* A higher generation means that a move has ended which this record does not know. */
START_TEST(higher_generation_is_the_owner_wherever_it_stands_in_the_list)
{
	says("b", "owned", "stopped", 5);
	says("c", "owned", "running", 6);
	says("d", "owned", "running", OURS);
	assert_verdict(CLAIMS_ELSEWHERE, "c");
}
END_TEST

/* With equal generations the records do not tell which copy is the right one. */
START_TEST(same_generation_is_a_conflict_also_when_it_is_stopped)
{
	says("b", "owned", "stopped", OURS);
	assert_verdict(CLAIMS_CONFLICT, "b");
}
END_TEST

/* A VM of a lower generation should not run on the peer; when it does, that is a conflict. */
START_TEST(lower_generation_is_a_conflict_only_while_it_runs)
{
	says("b", "owned", "stopped", OURS - 1);
	assert_verdict(CLAIMS_OURS, NULL);
	says("c", "owned", "running", OURS - 1);
	assert_verdict(CLAIMS_CONFLICT, "c");
}
END_TEST

/* A record of a VM that has left its host makes no claim. */
START_TEST(record_that_was_there_is_no_claim)
{
	says("b", "was-here", "was-here", OURS);
	assert_verdict(CLAIMS_OURS, NULL);
}
END_TEST

/* A QEMU without a record, or a VM in an unknown role, may run the guest. */
START_TEST(qemu_without_a_record_and_unknown_roles_are_conflicts)
{
	struct err err;

	says("b", "unrecorded", "unknown", 0);
	assert_verdict(CLAIMS_CONFLICT, "b");
	claims_say(&list[0], "g1", OURS, &err);
	ck_assert_ptr_nonnull(strstr(err.msg, "host 'b', which has no record of it"));
	setup();
	says("c", "shadowed", "running", 1);
	assert_verdict(CLAIMS_CONFLICT, "c");
}
END_TEST

/* The move may hand the guest over to that host at any moment. */
START_TEST(incoming_is_a_conflict_that_names_its_move)
{
	struct err err;

	says("b", "incoming", "incoming", OURS);
	snprintf(list[0].vm.move, sizeof(list[0].vm.move), OTHER);
	assert_verdict(CLAIMS_CONFLICT, "b");
	claims_say(&list[0], "g1", OURS, &err);
	ck_assert_ptr_nonnull(strstr(err.msg, OTHER));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("claims");
	TCase *c = tcase_create("judge");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, nobody_has_it_and_it_is_ours);
	tcase_add_test(c, higher_generation_is_the_owner_wherever_it_stands_in_the_list);
	tcase_add_test(c, same_generation_is_a_conflict_also_when_it_is_stopped);
	tcase_add_test(c, lower_generation_is_a_conflict_only_while_it_runs);
	tcase_add_test(c, record_that_was_there_is_no_claim);
	tcase_add_test(c, qemu_without_a_record_and_unknown_roles_are_conflicts);
	tcase_add_test(c, incoming_is_a_conflict_that_names_its_move);
	suite_add_tcase(s, c);
	return s;
}
