/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes of the link: who asks for one and when, who is let in, and what is kept of it. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/links.h"
#include "move/priv.h"
#include "move_rig.h"
#include "stream/preamble.h"
#include "wire/peer_msg.h"

#define PROBE_ID "018f0000-0000-7000-8000-0000000000bb"
#define TOKEN    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OFFERED                                                                                 \
	"{\"id\":\"" PROBE_ID "\",\"token\":\"" TOKEN "\",\"data_address\":\"192.0.2.7:8441\"," \
	"\"bytes\":1048577,\"ms\":200}"

static void set_up(void)
{
	fake_probes = fake_probes_served = 0;
	memset(&fake_probe_wish, 0, sizeof(fake_probe_wish));
	fake_probe_result = (struct stream_probe_result){
		.end = STREAM_PROBE_DONE,
		.report = { .bytes = 30000000, .us = 300000, .bytes_per_s = 100000000 },
		.mtu_bytes = 1500,
	};
	rig_set_up();
	rig.moves->env.link_probe_ms = 300;
}

/* ---- source ------------------------------------------------------------ */

static struct {
	unsigned calls;
	bool has_result;
	struct err why;
} answer;

static void on_probed(void *data, const struct stream_probe_result *result, const struct err *why)
{
	(void)data;
	answer.calls++;
	answer.has_result = result != NULL;
	answer.why = why ? *why : (struct err){ 0 };
}

static void ask_for(uint64_t bytes, uint64_t limit)
{
	const struct link_question question = { .peer = "b",
						.bytes = bytes,
						.limit_bytes_per_s = limit };

	memset(&answer, 0, sizeof(answer));
	links_probe(rig.moves->links, &question, on_probed, NULL);
	ck_assert_uint_eq(answer.calls, 0);
	rig_run();
}

static bool is_found(struct link_found *ret)
{
	return links_found(rig.moves->links, "b", ret);
}

START_TEST(probe_uses_what_the_host_offers_and_is_kept)
{
	struct link_found found;

	ck_assert(!is_found(&found));
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(answer.calls, 1);
	ck_assert(answer.has_result);
	ck_assert_uint_eq(fake_probe_wish.bytes, 1048577);
	ck_assert_uint_eq(fake_probe_wish.ms, 200);
	ck_assert_str_eq(fake_probe_wish.config.data_address, "192.0.2.7:8441");
	ck_assert_str_eq(fake_probe_wish.config.token, TOKEN);
	ck_assert_str_eq(fake_probe_wish.config.peer_id, "b");
	ck_assert_int_eq(fake_probe_wish.config.side, STREAM_SRC);
	ck_assert(is_found(&found));
	ck_assert_uint_eq(found.bytes_per_s, 100000000);
	ck_assert(!found.is_least);
}
END_TEST

/* A limit that held it back says nothing of a faster link. */
START_TEST(limited_probe_tells_the_least)
{
	struct link_found found;

	ask_for(STREAM_PROBE_BYTES_MAX, 100000000);
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(fake_probe_wish.config.bandwidth_bytes_per_s, 100000000);
	ck_assert(is_found(&found));
	ck_assert(found.is_least);
}
END_TEST

#define OFFERED_WITH(limit)                                                                     \
	"{\"id\":\"" PROBE_ID "\",\"token\":\"" TOKEN "\",\"data_address\":\"192.0.2.7:8441\"," \
	"\"bytes\":1048577,\"ms\":200,\"limit_bytes_per_s\":" limit "}"

static const struct {
	uint64_t ours;
	const char *offered;
	uint64_t used;
} limits[] = {
	{ 0, OFFERED_WITH("5000000"), 5000000 },
	{ 4000000, OFFERED_WITH("5000000"), 4000000 },
	{ 6000000, OFFERED_WITH("5000000"), 5000000 },
	{ 6000000, OFFERED_WITH("0"), 6000000 },
	{ 6000000, OFFERED_WITH("1"), MOVE_BANDWIDTH_MIN },
	{ 0, OFFERED, 0 },
};

START_TEST(probe_keeps_to_the_lower_of_both_limits)
{
	ask_for(STREAM_PROBE_BYTES_MAX, limits[_i].ours);
	fake_peer_answer("probe", limits[_i].offered);
	ck_assert_uint_eq(fake_probe_wish.config.bandwidth_bytes_per_s, limits[_i].used);
}
END_TEST

START_TEST(look_or_failure_is_not_kept)
{
	struct link_found found;

	ask_for(LINKS_LOOK_BYTES, 0);
	fake_peer_answer("probe", OFFERED);
	ck_assert(answer.has_result);
	ck_assert(!is_found(&found));
	fake_probe_result.end = STREAM_PROBE_SMALL_ONLY;
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	fake_peer_answer("probe", OFFERED);
	ck_assert(answer.has_result);
	ck_assert(!is_found(&found));
}
END_TEST

START_TEST(refused_question_makes_no_probe)
{
	static const enum err_code codes[] = { ERR_NOT_FOUND, ERR_BUSY, ERR_LIMIT,
					       ERR_UNAVAILABLE };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		ask_for(STREAM_PROBE_BYTES_MAX, 0);
		fake_peer_fail("probe", codes[i]);
		ck_assert_uint_eq(answer.calls, 1);
		ck_assert(!answer.has_result);
		ck_assert_int_eq(answer.why.code, codes[i]);
	}
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	fake_peer_answer("probe", "{\"id\":\"x\"}");
	ck_assert_int_eq(answer.why.code, ERR_INVALID);
	ck_assert_uint_eq(fake_probes, 0);
}
END_TEST

START_TEST(probes_that_are_off_ask_nobody)
{
	rig.moves->env.link_probe_ms = 0;
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	ck_assert_int_eq(answer.why.code, ERR_CONFLICT);
	ck_assert_uint_eq(fake_peer_pending("probe"), 0);
}
END_TEST

START_TEST(move_under_way_is_not_disturbed)
{
	rig.moves->env.link_probe_ms = 0;
	rig_run_vm();
	rig_bring_to("transfer");
	rig.moves->env.link_probe_ms = 300;
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	ck_assert_int_eq(answer.why.code, ERR_BUSY);
	ck_assert_uint_eq(fake_peer_pending("probe"), 0);
}
END_TEST

START_TEST(daemon_that_stops_answers_the_question)
{
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	rig_crash();
	ck_assert_uint_eq(answer.calls, 1);
	ck_assert(!answer.has_result);
	rig_start_again();
}
END_TEST

/* ---- the first move to a host -------------------------------------------- */

START_TEST(first_move_probes_and_goes_on)
{
	CLEANUP(free_charp) char *timeline = NULL;

	rig_run_vm();
	rig_start_move();
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
	timeline = rig_timeline();
	ck_assert_msg(strstr(timeline, "link host 'b' took 29 MiB in 300 ms") != NULL, "%s",
		      timeline);
}
END_TEST

START_TEST(first_move_probes_within_the_budget)
{
	rig.moves->env.limits.budget_bytes_per_s = 7000000;
	rig_run_vm();
	rig_start_move();
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(fake_probe_wish.config.bandwidth_bytes_per_s, 7000000);
}
END_TEST

START_TEST(first_move_goes_on_whatever_the_probe_finds)
{
	CLEANUP(free_charp) char *timeline = NULL;

	fake_probe_result.end = STREAM_PROBE_SMALL_ONLY;
	rig_run_vm();
	rig_start_move();
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
	timeline = rig_timeline();
	ck_assert_msg(strstr(timeline, "check the MTU of the path") != NULL, "%s", timeline);
}
END_TEST

START_TEST(first_move_to_an_older_host_goes_on)
{
	rig_run_vm();
	rig_start_move();
	fake_peer_fail("probe", ERR_NOT_FOUND);
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
	ck_assert_uint_eq(fake_probes, 0);
}
END_TEST

START_TEST(move_after_a_probe_makes_none)
{
	ask_for(STREAM_PROBE_BYTES_MAX, 0);
	fake_peer_answer("probe", OFFERED);
	rig_run_vm();
	rig_start_move();
	ck_assert_uint_eq(fake_peer_pending("probe"), 0);
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
}
END_TEST

START_TEST(cancel_while_the_link_is_probed_ends_the_move)
{
	struct err err;

	rig_run_vm();
	rig_start_move();
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	fake_peer_answer("probe", OFFERED);
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_str_ne(rig_state(), "begin");
}
END_TEST

/* ---- destination --------------------------------------------------------- */

static struct peer_probe_reply offered;

static enum err_code offer_to(const char *peer)
{
	const struct peer_probe wish = { .bytes = UINT64_C(1) << 40, .ms = 5000 };
	struct err err = { 0 };

	moves_offer_probe(rig.moves, peer, &wish, &offered, &err);
	return err.code;
}

static bool claim(const char *channel, const char *token, uint32_t attempt)
{
	struct stream_preamble preamble = { .attempt = attempt };
	char key[STREAM_PROOF_SIZE];

	memcpy(preamble.move_id, offered.id, sizeof(preamble.move_id));
	snprintf(preamble.channel, sizeof(preamble.channel), "%s", channel);
	stream_preamble_key(token, key);
	stream_preamble_prove(&preamble, key);
	return moves_claim(rig.moves, &preamble, -1);
}

/* An older source does not know of the limit, so there are no more bytes than it lets come. */
START_TEST(offer_is_within_the_budget_of_this_host)
{
	rig.moves->env.limits.budget_in_bytes_per_s = 10000000;
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
	ck_assert_uint_eq(offered.limit_bytes_per_s, 10000000);
	ck_assert_uint_eq(offered.bytes, 3000000);
}
END_TEST

START_TEST(offer_has_the_bounds_of_this_host)
{
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
	ck_assert_uint_eq(offered.bytes, STREAM_PROBE_BYTES_MAX);
	ck_assert_uint_eq(offered.ms, 300);
	ck_assert_str_eq(offered.data_address, "192.0.2.9:8441");
}
END_TEST

START_TEST(claim_needs_id_channel_proof_and_a_new_attempt)
{
	ck_assert(!claim("probe", TOKEN, 1)); /* nothing was offered */
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
	ck_assert(!claim("probe", TOKEN, 1));
	ck_assert(!claim("ram", offered.token, 1));
	ck_assert_uint_eq(fake_probes_served, 0);
	ck_assert(claim("probe", offered.token, 1));
	ck_assert(!claim("probe", offered.token, 1));
	ck_assert_str_eq(fake_probe_wish.config.peer_id, "b");
	ck_assert_int_eq(fake_probe_wish.config.side, STREAM_DST);
	ck_assert(claim("probe", offered.token, 2));
	ck_assert(claim("probe", offered.token, 3));
	ck_assert(!claim("probe", offered.token, 4)); /* so many tries */
	ck_assert_uint_eq(fake_probes_served, 3);
}
END_TEST

START_TEST(claim_that_is_late_is_refused)
{
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
	rig_advance(4000);
	ck_assert(!claim("probe", offered.token, 1));
}
END_TEST

START_TEST(one_host_at_a_time_and_each_once_in_ten_seconds)
{
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
	ck_assert_int_eq(offer_to("c"), ERR_BUSY);
	rig_advance(4000);
	ck_assert_int_eq(offer_to("b"), ERR_LIMIT);
	ck_assert_int_eq(offer_to("c"), ERR_NONE);
	rig_advance(6000);
	ck_assert_int_eq(offer_to("b"), ERR_NONE);
}
END_TEST

START_TEST(offer_is_refused_while_a_guest_comes)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_int_eq(offer_to("b"), ERR_BUSY);
}
END_TEST

START_TEST(offer_is_refused_where_probes_are_off)
{
	rig.moves->env.link_probe_ms = 0;
	ck_assert_int_eq(offer_to("b"), ERR_CONFLICT);
}
END_TEST

/* A crowd of hosts is forgotten, and takes no more memory. */
START_TEST(many_hosts_are_bounded)
{
	char peer[ID_NAME_SIZE];

	for (unsigned i = 0; i < 600; i++) {
		snprintf(peer, sizeof(peer), "host-%u", i);
		ck_assert_int_eq(offer_to(peer), ERR_NONE);
		rig_advance(4000);
	}
	ck_assert_int_eq(offer_to("host-599"), ERR_LIMIT);
	ck_assert_int_eq(offer_to("host-0"), ERR_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("links");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_add_test(tc, probe_uses_what_the_host_offers_and_is_kept);
	tcase_add_test(tc, limited_probe_tells_the_least);
	tcase_add_loop_test(tc, probe_keeps_to_the_lower_of_both_limits, 0, (int)ARRAY_LEN(limits));
	tcase_add_test(tc, look_or_failure_is_not_kept);
	tcase_add_test(tc, refused_question_makes_no_probe);
	tcase_add_test(tc, probes_that_are_off_ask_nobody);
	tcase_add_test(tc, move_under_way_is_not_disturbed);
	tcase_add_test(tc, daemon_that_stops_answers_the_question);
	tcase_add_test(tc, first_move_probes_and_goes_on);
	tcase_add_test(tc, first_move_probes_within_the_budget);
	tcase_add_test(tc, first_move_goes_on_whatever_the_probe_finds);
	tcase_add_test(tc, first_move_to_an_older_host_goes_on);
	tcase_add_test(tc, move_after_a_probe_makes_none);
	tcase_add_test(tc, cancel_while_the_link_is_probed_ends_the_move);
	tcase_add_test(tc, offer_has_the_bounds_of_this_host);
	tcase_add_test(tc, offer_is_within_the_budget_of_this_host);
	tcase_add_test(tc, claim_needs_id_channel_proof_and_a_new_attempt);
	tcase_add_test(tc, claim_that_is_late_is_refused);
	tcase_add_test(tc, one_host_at_a_time_and_each_once_in_ten_seconds);
	tcase_add_test(tc, offer_is_refused_while_a_guest_comes);
	tcase_add_test(tc, offer_is_refused_where_probes_are_off);
	tcase_add_test(tc, many_hosts_are_bounded);
	suite_add_tcase(s, tc);
	return s;
}
