/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/rx_filter.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "fake_net.h"
#include "move_rig.h"
#include "vm/devices.h"

#define CHANGED "NIC_RX_FILTER_CHANGED"

/* The VM has three NICs, of which the first two are trusted. */
static void set_up(void)
{
	rig_set_up();
	fake_net_fails = false;
	rig.more_members =
		",\"nics\":[{\"id\":\"n0\",\"type\":\"tap\",\"ifname\":\"tap0\",\"rx_filter\":true}"
		","
		"{\"id\":\"n1\",\"type\":\"tap\",\"ifname\":\"tap1\",\"rx_filter\":true},"
		"{\"id\":\"n2\",\"type\":\"tap\",\"ifname\":\"tap2\"}]";
	fake_qemu_rx_filters = "[{\"name\":\"n2\",\"main-mac\":\"52:54:00:00:00:22\"},"
			       "{\"name\":\"n0\",\"main-mac\":\"52:54:00:00:00:20\","
			       "\"multicast-table\":[\"01:00:5e:01:02:03\"]},{\"name\":7},"
			       "{\"name\":\"n1\",\"main-mac\":\"52:54:00:00:00:21\"}]";
}

/* Starts the VM, and waits until its first questions are done. */
static void run_vm(void)
{
	rig_run_vm();
	rig_advance(RX_FILTER_PAUSE_MS);
	trace_clear();
}

static void changed(void)
{
	fake_qemu_event(CHANGED, "{\"name\":\"n0\",\"path\":\"/machine/peripheral/n0\"}");
	rig_run();
}

START_TEST(guest_begins_to_run_the_host_follows)
{
	rig_run_vm();
	ck_assert_uint_eq(trace_count("net tap0 20+1"), 1);
	ck_assert_uint_eq(trace_count("net tap1 21+0"), 1);
	ck_assert_uint_eq(trace_count("net tap2"), 0);
}
END_TEST

START_TEST(event_comes_the_host_follows)
{
	run_vm();
	changed();
	trace_assert("net tap0 20+1", "net tap1 21+0", NULL);
}
END_TEST

/* A guest that changes its filter without end is followed ten times a second, and its last
 * filter is applied. */
START_TEST(events_in_a_row_are_taken_together)
{
	run_vm();
	for (unsigned i = 0; i < 20; i++)
		changed();
	ck_assert_uint_eq(trace_count("net tap0"), 1);
	rig_advance(RX_FILTER_PAUSE_MS);
	ck_assert_uint_eq(trace_count("net tap0"), 2);
	rig_advance(10 * RX_FILTER_PAUSE_MS);
	ck_assert_uint_eq(trace_count("net tap0"), 2);
}
END_TEST

/* QEMU sends no further event until it was asked, so a failed question is repeated. */
START_TEST(question_fails_it_is_asked_again)
{
	run_vm();
	fake_qmp_refuse("query-rx-filter", ERR_TIMEOUT);
	changed();
	ck_assert_uint_eq(trace_count("net"), 0);
	fake_qmp_accept("query-rx-filter");
	rig_advance(RX_FILTER_RETRY_MS);
	trace_assert("net tap0 20+1", "net tap1 21+0", NULL);
}
END_TEST

START_TEST(vm_dies_while_it_is_asked_nothing_happens)
{
	run_vm();
	fake_qmp_hold("query-rx-filter");
	changed();
	fake_qemu_dies();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_uint_eq(trace_count("net tap0 nothing"), 1);
	ck_assert_uint_eq(trace_count("net tap1 nothing"), 1);
	rig_advance(10 * RX_FILTER_RETRY_MS);
	ck_assert_uint_eq(trace_count("net"), 2);
}
END_TEST

START_TEST(vm_is_deleted_while_the_host_is_changed_nothing_happens)
{
	run_vm();
	changed();
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NONE);
	ck_assert_ptr_null(rig_vm());
	ck_assert_uint_eq(trace_count("net tap0 nothing"), 1);
}
END_TEST

/* Events before the restart are lost, so QEMU is asked. */
START_TEST(restart_the_host_follows)
{
	run_vm();
	rig_restart();
	ck_assert_uint_eq(trace_count("net tap0 20+1"), 1);
}
END_TEST

START_TEST(restart_monitor_hung_the_host_follows_when_it_answers)
{
	run_vm();
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	ck_assert_uint_eq(trace_count("net"), 0);
	fake_qemu_find_monitor();
	ck_assert_uint_eq(trace_count("net tap0 20+1"), 1);
}
END_TEST

START_TEST(answer_is_nonsense_the_host_is_left_alone)
{
	static const char *const bad[] = { "{}", "[]", "[1,null,{\"name\":\"n0\"}]", "7" };

	run_vm();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fake_qemu_rx_filters = bad[i];
		changed();
		rig_advance(RX_FILTER_RETRY_MS);
	}
	trace_assert_empty();
}
END_TEST

START_TEST(host_refuses_the_next_event_tries_again)
{
	run_vm();
	fake_net_fails = true;
	changed();
	rig_advance(RX_FILTER_PAUSE_MS);
	fake_net_fails = false;
	changed();
	trace_assert("net tap0 20+1", "net tap1 21+0", NULL);
}
END_TEST

/* Nothing of this host is changed before the guest is ours; then the host follows its filter. */
START_TEST(arrival_the_host_follows_when_the_guest_runs)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_qemu_event(CHANGED, NULL);
	rig_run();
	ck_assert_uint_eq(trace_count("net"), 0);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_uint_eq(trace_count("net tap0 20+1"), 1);
}
END_TEST

START_TEST(departure_the_host_forgets)
{
	run_vm();
	rig_bring_to("transfer");
	rig_completes();
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_ptr_null(rig_vm());
	ck_assert_uint_eq(trace_count("net tap0 nothing"), 1);
}
END_TEST

/* ---- hot-plug ----------------------------------------------------------------- */

#define NAMES_OF(...) "[{\"name\":\"n0\"},{\"name\":\"n2\"}" __VA_ARGS__ "]"

static enum err_code attached; /* COUNT: not answered yet */
static char first_fault[ERR_MSG_SIZE];

static void on_attached(void *data, const struct faults *faults, const struct err *err)
{
	(void)data;
	attached = err ? err->code : ERR_NONE;
	snprintf(first_fault, sizeof(first_fault), "%s", faults ? faults->list[0].detail : "");
}

static enum err_code attach(const char *device)
{
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(device);

	attached = ERR_CODE_COUNT;
	vm_attach(rig_vm(), obj, on_attached, NULL);
	rig_run();
	return attached;
}

#define NEW_NIC(type)                                      \
	"{\"kind\":\"nic\",\"id\":\"n3\",\"type\":\"" type \
	"\",\"ifname\":\"tap3\",\"rx_filter\":true}"

/* The NIC's events may have come before the daemon knew the NIC. */
START_TEST(nic_joins_the_host_follows)
{
	run_vm();
	fake_qemu_devices = NAMES_OF(",{\"name\":\"n1\"},{\"name\":\"n3\"}");
	fake_qemu_rx_filters = "[{\"name\":\"n3\",\"main-mac\":\"52:54:00:00:00:23\"}]";
	ck_assert_int_eq(attach(NEW_NIC("tap")), ERR_NONE);
	ck_assert_uint_eq(trace_count("net tap3 23+0"), 1);
	ck_assert_uint_eq(trace_count("net"), 1);
}
END_TEST

/* The interface may already belong to another guest, so its entries are left alone. */
START_TEST(nic_is_refused_by_qemu_the_host_is_left_alone)
{
	run_vm();
	fake_qemu_devices = NAMES_OF(",{\"name\":\"n1\"}");
	fake_qmp_refuse("netdev_add", ERR_QEMU);
	ck_assert_int_eq(attach(NEW_NIC("tap")), ERR_QEMU);
	rig_advance(RX_FILTER_PAUSE_MS);
	ck_assert_uint_eq(trace_count("net tap3"), 0);
}
END_TEST

START_TEST(nic_goes_the_host_forgets_it_alone)
{
	run_vm();
	fake_qemu_devices = NAMES_OF("");
	fake_qemu_event("DEVICE_DELETED", "{\"device\":\"n1\"}");
	rig_run();
	ck_assert_uint_eq(trace_count("net tap1 nothing"), 1);
	ck_assert_uint_eq(trace_count("net tap0 nothing"), 0);
	trace_clear();
	rig_advance(RX_FILTER_PAUSE_MS);
	changed();
	ck_assert_uint_eq(trace_count("net tap1"), 0);
}
END_TEST

/* QEMU's own message would only say that it lacks a descriptor of an unknown name. */
START_TEST(macvtap_joins_a_guest_that_runs_is_refused_with_the_way)
{
	run_vm();
	ck_assert_int_eq(attach(NEW_NIC("macvtap")), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(first_fault, "stop the VM and attach it then"));
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert_int_eq(attach(NEW_NIC("macvtap")), ERR_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm rx filter");
	TCase *tc = tcase_create("follow");

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_add_test(tc, guest_begins_to_run_the_host_follows);
	tcase_add_test(tc, event_comes_the_host_follows);
	tcase_add_test(tc, events_in_a_row_are_taken_together);
	tcase_add_test(tc, question_fails_it_is_asked_again);
	tcase_add_test(tc, vm_dies_while_it_is_asked_nothing_happens);
	tcase_add_test(tc, vm_is_deleted_while_the_host_is_changed_nothing_happens);
	tcase_add_test(tc, restart_the_host_follows);
	tcase_add_test(tc, restart_monitor_hung_the_host_follows_when_it_answers);
	tcase_add_test(tc, answer_is_nonsense_the_host_is_left_alone);
	tcase_add_test(tc, host_refuses_the_next_event_tries_again);
	tcase_add_test(tc, arrival_the_host_follows_when_the_guest_runs);
	tcase_add_test(tc, departure_the_host_forgets);
	tcase_add_test(tc, nic_joins_the_host_follows);
	tcase_add_test(tc, nic_is_refused_by_qemu_the_host_is_left_alone);
	tcase_add_test(tc, nic_goes_the_host_forgets_it_alone);
	tcase_add_test(tc, macvtap_joins_a_guest_that_runs_is_refused_with_the_way);
	suite_add_tcase(s, tc);
	return s;
}
