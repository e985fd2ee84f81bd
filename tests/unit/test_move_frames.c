/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's frames are watched around its move, and what the destination saw comes to the source's
 * record after the end.  Whatever fails of that, the move does not. */
#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "fake_agent.h"
#include "fake_net.h"
#include "move/priv.h"
#include "move/totals.h"
#include "move_rig.h"

#define AHEAD_US INT64_C(3600000000) /* the other host's clock */
#define STOP_US  INT64_C(1795248000000000)

static void set_up(void)
{
	rig_set_up();
	fake_frames_refused = NULL;
	fake_frames_open = fake_frames_pings = 0;
	fake_frames_ipv4 = 0;
	rig.more_members = ",\"nics\":[{\"id\":\"n0\",\"type\":\"tap\",\"ifname\":\"tap0\"}]";
}

static struct move_measured measured(void)
{
	return move_show(rig_move()).measured;
}

static void assert_note(const char *words)
{
	struct move_measured now = measured();

	ck_assert(!now.has_outage);
	ck_assert_msg(strstr(now.outage_note, words), "%s", now.outage_note);
}

static void answer_fates(const char *more)
{
	CLEANUP(free_charp)
	char *reply = xasprintf("{\"state\":\"done\",\"final\":true,\"verdict\":\"none\",\"at_us\":"
				"%lld%s}",
				(long long)clock_wall_us() + AHEAD_US, more);

	while (!fake_peer_pending("fate"))
		rig_advance(50);
	while (fake_peer_pending("fate"))
		fake_peer_answer("fate", reply);
	rig_run();
}

/* To a source that has seen a frame 5 ms before the guest's stop, or none. */
static void move_away(bool sends)
{
	CLEANUP(free_charp)
	char *reply = xasprintf("{\"verdict\":\"taken\",\"resumed_us\":%lld}",
				(long long)(STOP_US + AHEAD_US + 70000));

	rig_bring_to("transfer");
	answer_fates("");
	if (sends)
		fake_frames_add((uint64_t)STOP_US - 5000, false);
	fake_qemu_time_us = STOP_US;
	rig_completes();
	snprintf(rig.heard, sizeof(rig.heard), "taken");
	fake_peer_answer("go", reply);
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
}

/* The destination saw an announcement 80 ms after the stop, and a frame 10 ms later. */
static void destination_tells(const char *more)
{
	CLEANUP(free_charp)
	char *frames = xasprintf(",\"frames\":{%s\"nics\":[{\"nic\":\"n0\",\"first_us\":%lld,"
				 "\"own_us\":%lld}]}",
				 more, (long long)(STOP_US + AHEAD_US + 80000),
				 (long long)(STOP_US + AHEAD_US + 90000));

	answer_fates(frames);
}

static void assert_95_ms(void)
{
	struct move_measured now = measured();

	ck_assert_msg(now.has_outage, "%s", now.outage_note);
	ck_assert_double_lt(now.outage_ms - 95, now.outage_error_ms);
	ck_assert_double_lt(95 - now.outage_ms, now.outage_error_ms);
	ck_assert_double_lt(now.outage_error_ms, 5000);
	ck_assert_str_eq(now.outage_nic, "n0");
}

START_TEST(what_the_destination_saw_comes_into_the_record_after_the_end)
{
	move_away(true);
	ck_assert_uint_eq(fake_frames_open, 0);
	assert_note("host 'b' has not told yet");
	destination_tells("");
	assert_95_ms();
	ck_assert_uint_eq(moves_totals(rig.moves)->outage.count, 1);
	ck_assert_ptr_nonnull(
		strstr(move_show(rig_move()).explanation, "The network saw no frame"));
	rig_restart();
	assert_95_ms();
}
END_TEST

START_TEST(destination_that_still_watches_is_asked_again)
{
	move_away(true);
	answer_fates(",\"frames\":{\"watching\":true,\"nics\":[{\"nic\":\"n0\"}]}");
	assert_note("was seen yet on host 'b'");
	destination_tells("\"watching\":true,");
	assert_95_ms();
	rig_advance(20000);
	ck_assert_uint_eq(fake_peer_pending("fate"), 0);
}
END_TEST

START_TEST(older_destination_is_named)
{
	move_away(true);
	answer_fates("");
	assert_note("host 'b' has an older migrd");
	rig_restart();
	assert_note("host 'b' has an older migrd");
}
END_TEST

START_TEST(destination_that_is_silent_is_asked_for_some_seconds)
{
	move_away(true);
	rig_advance(30000);
	assert_note("host 'b' has not told when");
	ck_assert_uint_eq(fake_peer_pending("fate"), 0);
	ck_assert_uint_eq(moves_totals(rig.moves)->outage.count, 0);
	ck_assert_uint_eq(moves_totals(rig.moves)->blackout.count, 1);
	ck_assert_uint_eq(moves_totals(rig.moves)->of_limit.count, 1);
	ck_assert_uint_eq(moves_totals(rig.moves)->out[TOTALS_DONE][TOTALS_PRECOPY], 1);
	ck_assert_ptr_null(moves_next_active(rig.moves, NULL));
}
END_TEST

START_TEST(restart_before_it_was_told_is_said)
{
	move_away(true);
	rig_restart();
	assert_note("migrd was restarted on host 'a' before host 'b' had told");
}
END_TEST

/* What the source saw is with the record of the handover. */
START_TEST(restart_while_the_guest_stands_still_loses_nothing_of_the_source)
{
	rig_bring_to("transfer");
	answer_fates("");
	fake_frames_add((uint64_t)STOP_US - 5000, false);
	fake_qemu_time_us = STOP_US;
	rig_completes();
	rig_restart();
	while (!fake_peer_pending("go"))
		rig_advance(50);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	assert_note("migrd was restarted on host 'a'");
	ck_assert_uint_eq(measured().nic_count, 1);
}
END_TEST

START_TEST(guest_that_sends_nothing_is_not_asked_for)
{
	move_away(false);
	assert_note("no frame of the guest was seen on host 'a'");
	rig_advance(5000);
	ck_assert_uint_eq(fake_peer_pending("fate"), 0);
}
END_TEST

START_TEST(lack_of_a_right_fails_no_move)
{
	fake_frames_refused = "it needs CAP_NET_RAW";
	move_away(true);
	assert_note("on host 'a': it needs CAP_NET_RAW");
}
END_TEST

START_TEST(guest_that_comes_back_is_watched_here)
{
	rig_bring_to("transfer");
	answer_fates("");
	fake_frames_add((uint64_t)STOP_US - 5000, false);
	fake_qemu_time_us = STOP_US;
	fake_qemu_migrates("device");
	fake_qemu_time_us = STOP_US + 250000;
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	assert_note("was seen yet on host 'a'");
	fake_frames_add((uint64_t)STOP_US + 260000, false);
	rig_advance(100);
	ck_assert(measured().has_outage);
	ck_assert_double_eq(measured().outage_ms, 265);
	ck_assert_double_eq(measured().outage_error_ms, 0);
	ck_assert_uint_eq(fake_frames_open, 0);
	rig_restart();
	ck_assert_double_eq(measured().outage_ms, 265);
}
END_TEST

START_TEST(guest_that_was_not_stopped_has_no_outage)
{
	rig_bring_to("transfer");
	assert_note("the guest does not stand still yet");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	assert_note("the guest was not stopped by the move");
	ck_assert_uint_eq(fake_frames_open, 0);
}
END_TEST

/* ---- asking the guest ----------------------------------------------------------- */

START_TEST(guest_is_asked_for_answers_only_where_that_is_allowed)
{
	fake_frames_ipv4 = htonl(0xc0000207);
	move_away(true);
	ck_assert_uint_eq(fake_frames_pings, 0);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
}
END_TEST

/* By an address that was seen, at its pace and not for ever. */
START_TEST(guest_is_asked_for_answers_around_its_switch)
{
	rig.outage_ping_ms = 10;
	rig_restart();
	rig_bring_to("transfer");
	rig_advance(200);
	ck_assert_uint_eq(fake_frames_pings, 0);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 1);
	fake_frames_ipv4 = htonl(0xc0000207);
	fake_frames_add((uint64_t)STOP_US - 5000, false);
	rig_advance(200);
	ck_assert_uint_ge(fake_frames_pings, 10);
	ck_assert_uint_le(fake_frames_pings, 21);
	ck_assert_uint_eq(fake_frames_pinged, htonl(0xc0000207));
	rig_advance(100000);
	ck_assert_uint_le(fake_frames_pings, 6100);
}
END_TEST

static struct move_options wants(uint64_t ms)
{
	return (struct move_options){ .downtime_limit_ms = 300,
				      .outage_ping_ms = ms,
				      .has_outage_ping = true };
}

/* How often the guest is asked within 200 ms by a move that wants it each MS. */
static size_t asked_by(uint64_t ms)
{
	const struct move_options options = wants(ms);

	rig_restart();
	rig_run_vm();
	rig_start_move_with(&options);
	rig_bring_to("transfer");
	rig_advance(200);
	fake_frames_ipv4 = htonl(0xc0000207);
	fake_frames_add((uint64_t)STOP_US - 5000, false);
	fake_frames_pings = 0;
	rig_advance(200);
	return fake_frames_pings;
}

START_TEST(move_may_want_its_guest_asked)
{
	size_t count = asked_by(20);

	ck_assert_uint_ge(count, 5);
	ck_assert_uint_le(count, 11);
	ck_assert_uint_eq(move_show(rig_move()).options.outage_ping_ms, 20);
	rig_restart();
	ck_assert_uint_eq(move_show(rig_move()).options.outage_ping_ms, 20);
}
END_TEST

START_TEST(move_may_want_its_guest_left_alone)
{
	rig.outage_ping_ms = 10;
	ck_assert_uint_eq(asked_by(0), 0);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
}
END_TEST

static enum err_code refused;

static void on_started(void *data, struct move *move, const struct err *err)
{
	(void)data;
	(void)move;
	refused = err ? err->code : ERR_NONE;
}

START_TEST(host_may_forbid_it)
{
	const struct move_wish wish = { .vm = "vm1", .to = "b", .options = wants(20) };

	rig.forbids_outage_ping = true;
	rig_restart();
	rig_run_vm();
	moves_start(rig.moves, &wish, on_started, NULL);
	rig_run();
	ck_assert_int_eq(refused, ERR_CONFLICT);
	ck_assert(!fake_peer_pending("prepare"));
}
END_TEST

/* A wish that is not allowed leaves what this host does by itself. */
START_TEST(policy_is_not_heeded_where_no_move_may_want_it)
{
	static const struct {
		uint32_t own_ms;
		uint64_t policy_ms, asked_ms;
	} cases[] = { { 25, 10, 25 }, { 5, 20, 10 }, { 0, 20, 0 }, { 25, 0, 0 } };
	struct move *move;

	rig.outage_ping_ms = cases[_i].own_ms;
	rig.forbids_outage_ping = true;
	rig_restart();
	rig_bring_to("transfer");
	move = rig_move();
	move->policy.has_outage_ping = true;
	move->policy.outage_ping_ms = cases[_i].policy_ms;
	ck_assert_uint_eq(move_show(move).options.outage_ping_ms, cases[_i].asked_ms);
}
END_TEST

#define INTERFACES                                                                           \
	"\"return\":[{\"name\":\"lo\",\"ip-addresses\":[{\"ip-address\":\"127.0.0.1\"}]},"   \
	"{\"name\":\"eth0\",\"hardware-address\":\"52:54:00:AA:00:01\",\"ip-addresses\":["   \
	"{\"ip-address\":\"fe80::1\"},{\"ip-address\":\"192.0.2.9\"}]},"                     \
	"{\"name\":\"eth0:1\",\"hardware-address\":\"52:54:00:aa:00:01\",\"ip-addresses\":[" \
	"{\"ip-address\":\"192.0.2.10\"}]},"                                                 \
	"{\"name\":\"eth1\",\"hardware-address\":\"52:54:00:aa:00:02\",\"ip-addresses\":["   \
	"{\"ip-address\":\"192.0.2.11\"}]}]"

/* A guest that sends nothing does not tell its address by its frames. */
START_TEST(agent_tells_the_address_of_a_guest_that_is_quiet)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s.agent", rig.dir, RIG_VM_UUID);
	struct fake_agent *fa = fake_agent_new(rig.loop, path);
	struct nic_address addresses[NIC_FRAMES_MAX];

	rig.more_members = ",\"guest_agent\":true,\"nics\":[{\"id\":\"n0\",\"type\":\"tap\","
			   "\"ifname\":\"tap0\",\"mac\":\"52:54:00:aa:00:01\"}]";
	rig.outage_ping_ms = 10;
	rig_restart();
	fake_agent_on(fa, "guest-network-get-interfaces", INTERFACES);
	rig_run_vm();
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"agent-port\",\"open\":true}");
	rig_run();
	rig_bring_to("transfer");
	rig_advance(500);
	ck_assert_uint_ge(fake_frames_pings, 10);
	ck_assert_uint_eq(fake_frames_pinged, htonl(0xc0000209));
	ck_assert_uint_eq(move_frames_addresses(rig_move(), addresses), 1);
	ck_assert_str_eq(addresses[0].ipv4, "192.0.2.9");
	fake_agent_free(fa);
}
END_TEST

/* ---- the destination ------------------------------------------------------------ */

static struct nic_frames_list told(void)
{
	struct nic_frames_list ret = { 0 };

	ck_assert(move_frames_told(rig_move(), &ret));
	return ret;
}

START_TEST(destination_watches_until_the_guest_has_sent_a_frame)
{
	struct nic_frames_list ignored;

	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert(!move_frames_told(rig_move(), &ignored));
	fake_qemu_time_us = STOP_US;
	fake_frames_add((uint64_t)STOP_US - 1, false); /* the guest does not run yet */
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_state(), "done");
	rig_advance(100);
	ck_assert_uint_eq(told().nics[0].own_us, 0);
	ck_assert(told().is_watching);
	ck_assert_uint_eq(told().count, 1);
	fake_frames_add((uint64_t)STOP_US, true);
	rig_advance(100);
	ck_assert(told().is_watching);
	ck_assert_uint_eq(told().nics[0].first_us, (uint64_t)STOP_US);
	fake_frames_add((uint64_t)STOP_US + 1, false);
	rig_advance(100);
	ck_assert(!told().is_watching);
	ck_assert_uint_eq(told().nics[0].own_us, (uint64_t)STOP_US + 1);
	ck_assert_uint_eq(fake_frames_open, 0);
	rig_restart();
	ck_assert_ptr_nonnull(strstr(told().note, "restarted"));
}
END_TEST

/* The source says how often, whatever the configuration here, unless that allows it to nobody: then
 * the guest is asked as this host says. */
START_TEST(destination_asks_as_its_source_says)
{
	static const struct {
		uint32_t own_ms;
		bool is_forbidden;
		uint64_t told_ms;
		size_t least, most; /* questions */
	} cases[] = {
		{ 0, false, 20, 5, 12 }, { 10, false, 0, 0, 0 }, { 20, true, 1000, 5, 12 },
		{ 0, true, 20, 0, 0 },   { 20, true, 0, 0, 0 },
	};
	const struct nic_address address = { .nic = "n0", .ipv4 = "192.0.2.7" };
	const struct move_claim claim = { .id = RIG_MOVE_ID,
					  .source = "b",
					  .vm_uuid = RIG_VM_UUID,
					  .generation = RIG_GENERATION,
					  .run = true,
					  .addresses = &address,
					  .address_count = 1,
					  .has_outage_ping = true,
					  .outage_ping_ms = cases[_i].told_ms };
	struct err err;

	rig.outage_ping_ms = cases[_i].own_ms;
	rig.forbids_outage_ping = cases[_i].is_forbidden;
	rig_restart();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	rig.go_came = true;
	ck_assert_ptr_nonnull(moves_go(rig.moves, &claim, &err));
	rig_run();
	rig_advance(200);
	ck_assert_uint_ge(fake_frames_pings, cases[_i].least);
	ck_assert_uint_le(fake_frames_pings, cases[_i].most);
	rig_advance(15000);
}
END_TEST

START_TEST(destination_does_not_watch_for_ever)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_advance(15000);
	ck_assert(!told().is_watching);
	ck_assert_uint_eq(told().nics[0].first_us, 0);
	ck_assert_uint_eq(fake_frames_open, 0);
}
END_TEST

START_TEST(offer_that_is_dropped_leaves_no_watch)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_uint_eq(fake_frames_open, 1);
	ck_assert_str_eq(rig_drop(), "refused");
	rig_run();
	ck_assert_uint_eq(fake_frames_open, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_frames");
	TCase *tc = tcase_create("move_frames");

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_add_test(tc, what_the_destination_saw_comes_into_the_record_after_the_end);
	tcase_add_test(tc, destination_that_still_watches_is_asked_again);
	tcase_add_test(tc, older_destination_is_named);
	tcase_add_test(tc, destination_that_is_silent_is_asked_for_some_seconds);
	tcase_add_test(tc, restart_before_it_was_told_is_said);
	tcase_add_test(tc, restart_while_the_guest_stands_still_loses_nothing_of_the_source);
	tcase_add_test(tc, guest_that_sends_nothing_is_not_asked_for);
	tcase_add_test(tc, lack_of_a_right_fails_no_move);
	tcase_add_test(tc, guest_that_comes_back_is_watched_here);
	tcase_add_test(tc, guest_that_was_not_stopped_has_no_outage);
	tcase_add_test(tc, guest_is_asked_for_answers_only_where_that_is_allowed);
	tcase_add_test(tc, guest_is_asked_for_answers_around_its_switch);
	tcase_add_test(tc, move_may_want_its_guest_asked);
	tcase_add_test(tc, move_may_want_its_guest_left_alone);
	tcase_add_test(tc, host_may_forbid_it);
	tcase_add_loop_test(tc, policy_is_not_heeded_where_no_move_may_want_it, 0, 4);
	tcase_add_test(tc, agent_tells_the_address_of_a_guest_that_is_quiet);
	tcase_add_loop_test(tc, destination_asks_as_its_source_says, 0, 5);
	tcase_add_test(tc, destination_watches_until_the_guest_has_sent_a_frame);
	tcase_add_test(tc, destination_does_not_watch_for_ever);
	tcase_add_test(tc, offer_that_is_dropped_leaves_no_watch);
	suite_add_tcase(s, tc);
	return s;
}
