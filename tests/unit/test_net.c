/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "net/plan.h"
#include "net/tap_share.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"

static struct net_filter *filter;
static struct net_present *present;
static struct net_plan *plan;

static void setup(void)
{
	filter = xnew(struct net_filter);
	present = xnew(struct net_present);
	plan = xnew(struct net_plan);
}

static void teardown(void)
{
	free(filter);
	free(present);
	free(plan);
}

#define MAIN   "52:54:00:00:00:01"
#define OTHER  "52:54:00:00:00:02"
#define GROUP  "01:00:5e:01:02:03"
#define GROUP6 "33:33:00:00:00:fb"

static struct net_mac mac(const char *text)
{
	struct net_mac ret = { 0 };

	ck_assert(net_mac_parse(text, &ret));
	return ret;
}

static bool decode(const char *text, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);

	return net_filter_decode(obj, filter, err);
}

/* ---- what the guest wants ------------------------------------------------- */

/* The filter of a Linux guest as QEMU 7.2 tells it. */
#define USUAL                                                                                     \
	"'name':'n','promiscuous':false,'multicast':'normal','unicast':'normal',"                 \
	"'vlan':'all','broadcast-allowed':true,'multicast-overflow':false,"                       \
	"'unicast-overflow':false,'main-mac':'" MAIN "','vlan-table':[],'unicast-table':['" OTHER \
	"'],'multicast-table':['" GROUP "','" GROUP6 "']"

START_TEST(usual_filter_has_its_addresses)
{
	struct err err;

	ck_assert(decode("{" USUAL "}", &err));
	ck_assert(filter->has_main && memcmp(filter->main.bytes, "\x52\x54\0\0\0\1", 6) == 0);
	ck_assert(!filter->promiscuous && !filter->all_multicast);
	ck_assert_uint_eq(filter->count, 3);
	ck_assert(!net_mac_is_multicast(&filter->macs[0]));
	ck_assert(net_mac_is_multicast(&filter->macs[1]));
}
END_TEST

static const struct {
	const char *json;
	bool promiscuous, all_multicast;
	size_t count;
} modes[] = {
	{ "{'main-mac':'" MAIN "','promiscuous':true}", true, false, 0 },
	{ "{'main-mac':'" MAIN "','unicast':'all','unicast-table':['" OTHER "']}", true, false, 0 },
	{ "{'main-mac':'" MAIN "','unicast-overflow':true}", true, false, 0 },
	{ "{'main-mac':'" MAIN "','multicast':'all','multicast-table':['" GROUP "']}", false, true,
	  0 },
	{ "{'main-mac':'" MAIN "','multicast-overflow':true}", false, true, 0 },
	{ "{'main-mac':'" MAIN "','multicast':'none','multicast-table':['" GROUP "']}", false,
	  false, 0 },
	{ "{'main-mac':'" MAIN "'}", false, false, 0 },
	{ "{'main-mac':'" MAIN "','multicast-table':[1,null,'','01:00','" GROUP "0','0g:" GROUP
	  "','" GROUP "']}",
	  false, false, 1 },
	{ "{'main-mac':'" MAIN "','multicast-table':{'a':1}}", false, false, 0 },
};

START_TEST(mode_says_whether_the_table_counts)
{
	struct err err;

	ck_assert(decode(modes[_i].json, &err));
	ck_assert_int_eq(filter->promiscuous, modes[_i].promiscuous);
	ck_assert_int_eq(filter->all_multicast, modes[_i].all_multicast);
	ck_assert_uint_eq(filter->count, modes[_i].count);
}
END_TEST

START_TEST(no_main_address_is_no_filter)
{
	static const char *const bad[] = { "{}", "{'main-mac':1}", "{'main-mac':'" GROUP "'}",
					   "{'main-mac':'52-54-00-00-00-01'}" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert(!decode(bad[i], &err));
}
END_TEST

/* If the guest's table has no room here, the NIC takes all multicast frames. */
START_TEST(table_too_long_means_all)
{
	struct strbuf sb = STRBUF_INIT;
	CLEANUP(free_charp) char *text = NULL;
	struct err err;

	strbuf_addf(&sb, "{'main-mac':'" MAIN "','multicast-table':['" GROUP "'");
	for (unsigned i = 0; i < NET_FILTER_MAX; i++)
		strbuf_addf(&sb, ",'01:00:5e:00:01:%02x'", i);
	strbuf_addf(&sb, "]}");
	text = strbuf_take(&sb);
	ck_assert(decode(text, &err));
	ck_assert(filter->all_multicast);
	ck_assert_uint_eq(filter->count, NET_FILTER_MAX);
}
END_TEST

/* ---- what to change ---------------------------------------------------------- */

static void want(const char *main, const char *const *list)
{
	filter->has_main = main != NULL;
	if (main)
		filter->main = mac(main);
	for (; list && *list; list++)
		filter->macs[filter->count++] = mac(*list);
}

static void is_there(enum net_kind kind, const char *main, const char *const *list)
{
	present->kind = kind;
	if (main)
		present->main = mac(main);
	for (; list && *list; list++)
		present->macs[present->count++] = mac(*list);
}

/* The expected text: "main MAC", "promiscuous 1", "+MAC", "-MAC", one after another. */
static void assert_plan(const char *expected)
{
	static const char *const words[] = {
		[NET_CHANGE_MAIN] = "main ",
		[NET_CHANGE_PROMISCUOUS] = "promiscuous ",
		[NET_CHANGE_ALL_MULTICAST] = "multicast ",
		[NET_CHANGE_ADD] = "+",
		[NET_CHANGE_REMOVE] = "-",
	};
	struct strbuf sb = STRBUF_INIT;
	CLEANUP(free_charp) char *text = NULL;

	net_plan_make(present, filter, plan);
	strbuf_addf(&sb, "%s", "");
	for (size_t i = 0; i < plan->count; i++) {
		const struct net_change *change = &plan->list[i];
		const uint8_t *b = change->mac.bytes;
		bool is_flag = change->kind == NET_CHANGE_PROMISCUOUS ||
			       change->kind == NET_CHANGE_ALL_MULTICAST;

		strbuf_addf(&sb, "%s%s", i ? " " : "", words[change->kind]);
		if (is_flag)
			strbuf_addf(&sb, "%d", change->on);
		else
			strbuf_addf(&sb, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
				    b[4], b[5]);
	}
	text = strbuf_take(&sb);
	ck_assert_str_eq(text, expected);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(bridge_learns_the_guest)
{
	is_there(NET_KIND_BRIDGE_PORT, NULL, NULL);
	want(MAIN, LIST(OTHER, GROUP));
	assert_plan("+" MAIN " +" OTHER " +" GROUP);
}
END_TEST

/* The new address is added before the old one is removed, so no frame is missed in between. */
START_TEST(bridge_guest_changes_its_address)
{
	is_there(NET_KIND_BRIDGE_PORT, NULL, LIST(MAIN, GROUP));
	want(OTHER, LIST(GROUP));
	assert_plan("+" OTHER " -" MAIN);
}
END_TEST

START_TEST(bridge_guest_ends_all_is_forgotten)
{
	is_there(NET_KIND_BRIDGE_PORT, NULL, LIST(MAIN, GROUP, MAIN));
	want(NULL, NULL);
	assert_plan("-" MAIN " -" GROUP);
}
END_TEST

START_TEST(nothing_changed_nothing_to_do)
{
	is_there(NET_KIND_BRIDGE_PORT, NULL, LIST(GROUP, MAIN));
	want(MAIN, LIST(GROUP, GROUP, MAIN));
	assert_plan("");
}
END_TEST

START_TEST(macvtap_takes_address_flags_and_groups)
{
	is_there(NET_KIND_MACVTAP, OTHER, LIST("01:00:5e:00:00:01"));
	want(MAIN, LIST(GROUP, GROUP));
	filter->promiscuous = filter->all_multicast = true;
	assert_plan("main " MAIN " promiscuous 1 multicast 1 +" GROUP);
}
END_TEST

/* The guest must not remove multicast groups of the host's own IP stack. */
START_TEST(macvtap_groups_of_the_host_stay)
{
	is_there(NET_KIND_MACVTAP, MAIN,
		 LIST("01:00:5e:00:00:01", "33:33:00:00:00:01", "33:33:ff:01:02:03", GROUP6));
	want(MAIN, NULL);
	present->promiscuous = present->all_multicast = true;
	assert_plan("promiscuous 0 multicast 0 -" GROUP6);
}
END_TEST

/* Only a macvtap of mode passthru takes further unicast addresses (linux, macvlan.c). */
START_TEST(macvtap_further_unicast_only_if_it_takes_it)
{
	is_there(NET_KIND_MACVTAP, MAIN, NULL);
	want(MAIN, LIST(OTHER));
	assert_plan("");
	present->takes_unicast = true;
	assert_plan("+" OTHER);
}
END_TEST

START_TEST(macvtap_guest_ends_its_address_stays)
{
	is_there(NET_KIND_MACVTAP, MAIN, LIST(GROUP));
	want(NULL, NULL);
	assert_plan("-" GROUP);
}
END_TEST

/* The plan has room even for two full lists without a common address. */
START_TEST(plan_of_full_lists_fits)
{
	present->kind = NET_KIND_BRIDGE_PORT;
	for (size_t i = 0; i < NET_PRESENT_MAX; i++)
		present->macs[present->count++] =
			(struct net_mac){ { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
	filter->has_main = true;
	filter->main = mac(MAIN);
	for (size_t i = 0; i < NET_FILTER_MAX; i++)
		filter->macs[filter->count++] = (struct net_mac){ { 4, 0, 0, 0, 0, (uint8_t)i } };
	net_plan_make(present, filter, plan);
	ck_assert_uint_eq(plan->count, 1 + NET_FILTER_MAX + NET_PRESENT_MAX);
}
END_TEST

START_TEST(tap_of_a_process_that_has_none_is_refused)
{
	struct err err = { 0 };
	int fd = -1;

	ck_assert(!net_tap_take(getpid(), "migrd-none", &fd, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "'migrd-none'"));
	ck_assert_int_eq(fd, -1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("net");
	TCase *tc = tcase_create("filter");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, usual_filter_has_its_addresses);
	tcase_add_loop_test(tc, mode_says_whether_the_table_counts, 0, ARRAY_LEN(modes));
	tcase_add_test(tc, no_main_address_is_no_filter);
	tcase_add_test(tc, table_too_long_means_all);
	suite_add_tcase(s, tc);
	tc = tcase_create("plan");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bridge_learns_the_guest);
	tcase_add_test(tc, bridge_guest_changes_its_address);
	tcase_add_test(tc, bridge_guest_ends_all_is_forgotten);
	tcase_add_test(tc, nothing_changed_nothing_to_do);
	tcase_add_test(tc, macvtap_takes_address_flags_and_groups);
	tcase_add_test(tc, macvtap_groups_of_the_host_stay);
	tcase_add_test(tc, macvtap_further_unicast_only_if_it_takes_it);
	tcase_add_test(tc, macvtap_guest_ends_its_address_stays);
	tcase_add_test(tc, plan_of_full_lists_fits);
	suite_add_tcase(s, tc);
	tc = tcase_create("tap");
	tcase_add_test(tc, tap_of_a_process_that_has_none_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
