/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of states of a maintenance and of its hosts, and what may be asked of one. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "maintenance/priv.h"

#define BIT(state) (1u << MAINT_STATE_##state)

/* ---- states ------------------------------------------------------------------------- */

START_TEST(maintenance_ends_only_when_no_host_is_under_way)
{
	static const struct {
		const char *name;
		uint32_t next;
	} wanted[MAINT_STATE_COUNT] = {
		[MAINT_STATE_PLANNED] = { "planned", BIT(RUNNING) | BIT(STOPPING) },
		[MAINT_STATE_RUNNING] = { "running", BIT(WAITING) | BIT(STOPPING) | BIT(DONE) },
		[MAINT_STATE_WAITING] = { "waiting", BIT(RUNNING) | BIT(STOPPING) | BIT(DONE) },
		[MAINT_STATE_STOPPING] = { "stopping", BIT(FAILED) | BIT(ABORTED) },
		[MAINT_STATE_DONE] = { "done", 0 },
		[MAINT_STATE_FAILED] = { "failed", 0 },
		[MAINT_STATE_ABORTED] = { "aborted", 0 },
	};
	struct maint_host hosts[2] = { [0] = { .state = MAINT_HOST_DONE } };
	struct maintenance m = { .hosts = hosts, .host_count = 2 };

	for (size_t i = 0; i < MAINT_STATE_COUNT; i++) {
		const struct machine_state *state = &maint_states[i];
		bool is_final = !wanted[i].next;

		ck_assert_str_eq(state->name, wanted[i].name);
		ck_assert_uint_eq(state->next, wanted[i].next);
		ck_assert_int_eq(!!(state->flags & MACHINE_FINAL), is_final);
		ck_assert_int_eq(state->restart,
				 is_final ? MACHINE_RESTART_NOTHING : MACHINE_RESTART_CONTINUE);
		ck_assert_int_eq(state->step != NULL, !is_final);
		if (!is_final)
			continue;
		for (int host = 0; host < MAINT_HOST_STATE_COUNT; host++) {
			bool is_between = host != MAINT_HOST_TODO && host < MAINT_HOST_DONE;

			hosts[1].state = host;
			ck_assert_int_eq(state->invariant(&m.machine), !is_between);
		}
	}
}
END_TEST

START_TEST(each_state_of_a_host_has_a_name_and_those_under_way_a_limit)
{
	struct maintenance_request request = {
		.hook = "x", .check_s = 1, .evacuate_s = 2, .hook_s = 3, .heal_s = 4, .return_s = 5
	};
	static const int64_t limits[MAINT_HOST_STATE_COUNT] = {
		[MAINT_HOST_CHECKING] = 1, [MAINT_HOST_EVACUATING] = 2, [MAINT_HOST_HOOKING] = 3,
		[MAINT_HOST_HEALING] = 4,  [MAINT_HOST_RETURNING] = 5,  [MAINT_HOST_ABORTING] = 5,
	};
	struct maintenance m = { .request = &request };
	struct maint_host host = { .since_ms = 7000 };

	for (int i = 0; i < MAINT_HOST_STATE_COUNT; i++) {
		host.state = i;
		ck_assert_ptr_nonnull(maint_host_names[i]);
		ck_assert_int_eq(maint_host_deadline_ms(&m, &host),
				 limits[i] ? 7000 + 1000 * limits[i] : 0);
		ck_assert_int_eq(maint_host_is_under_way(&host), limits[i] != 0);
	}
	ck_assert_ptr_null(maint_host_names[MAINT_HOST_STATE_COUNT]);
	/* A person has all the time. */
	request.hook[0] = '\0';
	host.state = MAINT_HOST_HOOKING;
	ck_assert(maint_host_is_by_hand(&m, &host));
	ck_assert_int_eq(maint_host_deadline_ms(&m, &host), 0);
	/* Also one who has said go at last. */
	host.is_by_hand = true;
	ck_assert(!maint_host_is_by_hand(&m, &host));
	ck_assert_int_eq(maint_host_deadline_ms(&m, &host), 0);
}
END_TEST

/* The longest host id makes no id of a hook that is cut, and each host has one of its own. */
START_TEST(hook_is_known_by_run_and_host)
{
	struct maintenance m = { .row.id = "01a22bf1-4a2b-76da-a80e-535e716d2089" };
	struct maint_host host = { 0 };
	char id[HOOK_ID_SIZE], who[EVACUATION_WHO_SIZE];

	memset(host.host, 'h', sizeof(host.host) - 1);
	maint_hook_id(&m, &host, id);
	ck_assert_uint_eq(strlen(id), strlen(m.row.id) + 1 + strlen(host.host));
	ck_assert(hook_id_is_valid(id));
	maint_who(&m, who);
	ck_assert_str_eq(who, "maintenance:01a22bf1-4a2b-76da-a80e-535e716d2089");
}
END_TEST

/* U+FFFD of the record takes more room than the byte that it stands for. */
START_TEST(text_that_was_cut_is_no_longer_in_the_record)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "" },
		{ "a\xc3\xa9", "a\xc3\xa9" },
		{ "a\xc3", "a" },             /* its end was cut */
		{ "\x82\xac b", "?? b" },     /* its beginning */
		{ "a\xe2\x82; b", "a??; b" }, /* of two the first */
	};
	struct maintenance m = { 0 };
	struct maint_host host = { 0 };
	char text[16], euros[MAINT_WHY_SIZE + 8];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "%s", rows[i].text);
		maint_text_repair(text);
		ck_assert_str_eq(text, rows[i].wanted);
	}
	for (size_t i = 0; i + 3 < sizeof(euros); i += 3)
		snprintf(euros + i, sizeof(euros) - i, "\xe2\x82\xac");
	maint_host_say(&m, &host, "%s", euros);
	ck_assert(m.is_news);
	ck_assert_uint_eq(strlen(host.why), (MAINT_WHY_SIZE - 1) / 3 * 3);
}
END_TEST

/* ---- a host that is skipped ------------------------------------------------------------ */

static void on_look(void *data)
{
	(void)data;
}

/* One whose plan was stale may be being emptied by a request whose answer was not heard. */
START_TEST(host_that_is_checked_again_is_undone_before_it_ends)
{
	static const struct {
		uint64_t checks;
		bool is_late, is_blocked;
		int state, result;
	} rows[] = {
		{ 1, false, false, MAINT_HOST_SKIPPED, MAINT_HOST_TODO },
		{ 2, false, false, MAINT_HOST_ABORTING, MAINT_HOST_SKIPPED },
		{ 1, true, false, MAINT_HOST_SKIPPED, MAINT_HOST_TODO },
		{ 2, true, false, MAINT_HOST_ABORTING, MAINT_HOST_SKIPPED },
		{ 1, true, true, MAINT_HOST_FAILED, MAINT_HOST_TODO },
		{ 2, true, true, MAINT_HOST_ABORTING, MAINT_HOST_FAILED },
	};
	struct maintenance_request request = { .check_s = 1 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loop *loop = loop_new_sim();
		struct maintenances all = { .env.loop = loop };
		struct maintenance m = { .all = &all, .request = &request };
		struct maint_host host = { .host = "b",
					   .state = MAINT_HOST_CHECKING,
					   .checks = rows[i].checks,
					   .is_blocked = rows[i].is_blocked,
					   .why = "is held",
					   .since_ms = rows[i].is_late ? 1 : clock_wall_ms() };
		uint64_t wait_ms = UINT64_MAX;

		all.look = loop_timer_new(loop, on_look, NULL);
		if (rows[i].is_late)
			maint_host_step(&m, &host, &wait_ms);
		else
			maint_host_skip(&m, &host, ERR_CONFLICT, "is held");
		ck_assert_int_eq(host.state, rows[i].state);
		ck_assert_int_eq(host.result, rows[i].result);
		ck_assert_ptr_nonnull(strstr(host.why, "is held"));
		loop_timer_free(all.look);
		loop_free(loop);
	}
}
END_TEST

/* ---- plans ---------------------------------------------------------------------------- */

START_TEST(plan_that_leaves_a_guest_or_no_spare_host_is_told)
{
	struct maintenance_request request = { 0 };
	struct maint_plan plan = { .is_there = true, .homeless = "big", .homeless_host = "b" };
	struct err err = { 0 };

	ck_assert(maint_plan_check(&plan, &request, &err));
	request.spare = true;
	ck_assert(!maint_plan_check(&plan, &request, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "without 'b' VM 'big' would find no place"));
	request.spare = false;
	plan.blocked = 1;
	snprintf(plan.blocked_by, sizeof(plan.blocked_by), "stuck");
	ck_assert(!maint_plan_check(&plan, &request, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "1 VM would stay that may not, 'stuck'"));
	plan.blocked = 2;
	ck_assert(!maint_plan_check(&plan, &request, &err));
	ck_assert_ptr_nonnull(
		strstr(err.msg, "2 VMs would stay that may not, the first is 'stuck'"));
}
END_TEST

/* ---- requests ----------------------------------------------------------------------------- */

START_TEST(requests_are_taken_or_refused_with_the_place)
{
	static const struct {
		const char *body, *pointer; /* "": it is taken */
	} rows[] = {
		{ "{\"hosts\":[\"a\"]}", "" },
		{ "{\"hosts\":[\"a\",\"b\"],\"hook\":\"reboot\",\"at_once\":2,\"by_rack\":true,"
		  "\"pause\":true,\"failures\":3,\"spare\":true,\"adopt\":true,\"back\":\"stay\","
		  "\"on_failure\":\"return\",\"version\":\"migrd 1\",\"why\":\"kernel\"}",
		  "" },
		{ "{\"hosts\":[\"a\"],\"evacuation\":{\"may_leave\":true,\"stopped\":\"leave\","
		  "\"move\":{\"policy\":\"gentle\"}}}",
		  "" },
		{ "{}", "/hosts" },
		{ "{\"hosts\":[]}", "/hosts" },
		{ "{\"hosts\":[\"a\",\"b\",\"a\"]}", "/hosts/2" },
		{ "{\"hosts\":[\"A!\"]}", "/hosts/0" },
		{ "{\"hosts\":[\"a\"],\"hook\":\"../x\"}", "/hook" },
		{ "{\"hosts\":[\"a\"],\"at_once\":0}", "/at_once" },
		{ "{\"hosts\":[\"a\"],\"at_once\":33}", "/at_once" },
		{ "{\"hosts\":[\"a\"],\"failures\":0}", "/failures" },
		{ "{\"hosts\":[\"a\"],\"not_before\":\"soon\"}", "/not_before" },
		{ "{\"hosts\":[\"a\"],\"state_id\":\"x\"}", "/state_id" },
		{ "{\"hosts\":[\"a\"],\"back\":\"away\"}", "/back" },
		{ "{\"hosts\":[\"a\"],\"heal_s\":2592001}", "/heal_s" },
		{ "{\"hosts\":[\"a\"],\"program\":\"/bin/sh\"}", "/program" },
		{ "{\"hosts\":[\"a\"],\"evacuation\":{\"requester\":\"x\"}}",
		  "/evacuation/requester" },
		{ "{\"hosts\":[\"a\"],\"evacuation\":{\"may_save\":true}}",
		  "/evacuation/save_dir" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_putp) struct json_object *obj = json_read_back(rows[i].body);
		struct maintenance_request *request = xnew(struct maintenance_request);
		struct faults *faults = faults_new();
		bool ok = maintenance_request_decode(obj, request, faults);

		ck_assert_int_eq(ok, !rows[i].pointer[0]);
		ck_assert_msg(ok || strcmp(faults->list[0].pointer, rows[i].pointer) == 0,
			      "%s: '%s'", rows[i].body, faults->list[0].pointer);
		ck_assert_uint_le(faults->count, 1);
		faults_free(faults);
		free(request);
	}
}
END_TEST

/* What is on disk of it means the same. */
START_TEST(request_is_read_back_as_it_was)
{
	CLEANUP(json_putp)
	struct json_object *obj = json_read_back(
		"{\"hosts\":[\"a\",\"b\"],\"hook\":\"x\",\"at_once\":2,\"back\":\"stay\","
		"\"evacuation\":{\"may_stop\":true,\"move\":{\"downtime_limit_ms\":500}}}");
	struct maintenance_request *one = xnew(struct maintenance_request);
	struct maintenance_request *two = xnew(struct maintenance_request);
	struct faults *faults = faults_new();
	char *text, *again;
	struct json_object *read;

	ck_assert(maintenance_request_decode(obj, one, faults));
	ck_assert_uint_eq(one->failures, 1);
	ck_assert_uint_eq(one->evacuate_s, MAINTENANCE_EVACUATE_S);
	text = maint_request_text(one);
	read = json_read_back(text);
	ck_assert_msg(maintenance_request_decode(read, two, faults), "%s", text);
	again = maint_request_text(two);
	ck_assert_str_eq(text, again);
	json_object_put(read);
	free(text);
	free(again);
	faults_free(faults);
	free(one);
	free(two);
}
END_TEST

/* A body may be left out, and says nothing unusual then; but who skips says which host. */
START_TEST(orders_without_a_body_have_their_defaults)
{
	struct faults *faults = faults_new();
	struct maintenance_go go;
	struct maintenance_abort abort_wish;
	struct maintenance_skip skip;

	ck_assert(maintenance_go_decode(NULL, &go, faults));
	ck_assert(maintenance_abort_decode(NULL, &abort_wish, faults));
	ck_assert_str_eq(go.host, "");
	ck_assert(!abort_wish.stay);
	ck_assert_uint_eq(faults->count, 0);
	ck_assert(!maintenance_skip_decode(NULL, &skip, faults));
	faults_free(faults);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("maintenance");
	TCase *tc = tcase_create("maintenance");

	tcase_add_test(tc, maintenance_ends_only_when_no_host_is_under_way);
	tcase_add_test(tc, each_state_of_a_host_has_a_name_and_those_under_way_a_limit);
	tcase_add_test(tc, hook_is_known_by_run_and_host);
	tcase_add_test(tc, text_that_was_cut_is_no_longer_in_the_record);
	tcase_add_test(tc, host_that_is_checked_again_is_undone_before_it_ends);
	tcase_add_test(tc, plan_that_leaves_a_guest_or_no_spare_host_is_told);
	tcase_add_test(tc, requests_are_taken_or_refused_with_the_place);
	tcase_add_test(tc, request_is_read_back_as_it_was);
	tcase_add_test(tc, orders_without_a_body_have_their_defaults);
	suite_add_tcase(s, tc);
	return s;
}
