/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "hold/hold.h"
#include "store_rig.h"

#define VM1 "018f0000-0000-7000-8000-000000000001"
#define VM2 "018f0000-0000-7000-8000-000000000002"

#define DAY_MS INT64_C(86400000)

static struct holds *holds;
static int64_t now_ms;

/* The last answer. */
static unsigned answers;
static struct err answer;
static char answered[ID_UUID_SIZE];
/* The last event. */
static unsigned events;
static char event[256];

static int64_t get_now_ms(void)
{
	return now_ms;
}

static void on_changed(void *data, const struct store_hold *hold, enum hold_change change,
		       const char *by)
{
	(void)data;
	events++;
	snprintf(event, sizeof(event), "%s %s by '%s'", hold->kind, hold_change_names[change], by);
}

static void add_row(void *data, void *row)
{
	(void)data;
	holds_add_row(holds, row);
}

static void load(void)
{
	struct err err;

	holds = holds_new(&(struct holds_env){ .loop = rig.loop,
					       .store = rig.store,
					       .host_id = "a",
					       .now_ms = get_now_ms,
					       .changed = on_changed });
	ck_assert_msg(store_load_blocking(rig.store, STORE_HOLD, add_row, NULL, &err), "%s",
		      err.msg);
	holds_recover(holds);
}

static void set_up(void)
{
	rig_set_up();
	now_ms = INT64_C(1796000000000);
	events = answers = 0;
	load();
}

static void tear_down(void)
{
	holds_end(holds);
	store_close(TAKE_PTR(rig.store));
	holds_free(holds);
	rig_tear_down();
}

static void restart(void)
{
	holds_end(holds);
	store_close(rig.store);
	holds_free(holds);
	rig_open();
	load();
}

static void on_done(void *data, const struct store_hold *hold, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	snprintf(answered, sizeof(answered), "%s", hold ? hold->id : "");
}

static enum err_code result(void)
{
	unsigned before = answers;

	rig_run();
	ck_assert_uint_eq(answers, before + 1);
	return answer.code;
}

static enum err_code set_cordon(enum cordon_party party, bool on, const char *reason)
{
	cordon_set(holds,
		   &(struct cordon_wish){
			   .party = party, .on = on, .reason = reason, .by = "alice" },
		   on_done, NULL);
	return result();
}

static struct hold_request request_of(const char *vm, const char *reason, uint64_t for_s)
{
	struct hold_request request = { .end.for_s = for_s };

	snprintf(request.vm, sizeof(request.vm), "%s", vm);
	snprintf(request.reason, sizeof(request.reason), "%s", reason);
	return request;
}

static void begin_add(const struct hold_request *request, const char *vm_uuid, const char *key)
{
	holds_add(holds,
		  &(struct hold_wish){
			  .request = request, .vm_uuid = vm_uuid, .key = key, .by = "alice" },
		  on_done, NULL);
}

static const char *add(const char *vm, const char *vm_uuid, uint64_t for_s)
{
	static char id[ID_UUID_SIZE];
	const struct hold_request request = request_of(vm, "new disks", for_s);

	begin_add(&request, vm_uuid, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	memcpy(id, answered, sizeof(id));
	return id;
}

static bool vm_is_held(const char *vm, const char *words)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	bool is_held = holds_vm(holds, vm, &why);

	ck_assert_int_eq(is_held, why.len > 0);
	ck_assert_int_eq(is_held, holds_vm(holds, vm, NULL));
	if (words)
		ck_assert_msg(strstr(strbuf_str(&why), words), "'%s' does not say '%s'",
			      strbuf_str(&why), words);
	return is_held;
}

/* ---- what is held ------------------------------------------------------------- */

START_TEST(hold_of_a_vm_holds_it_alone_and_of_the_host_all)
{
	const char *id = add("vm1", VM1, 3600);

	ck_assert(vm_is_held(VM1, "VM 'vm1' is held by 'alice' until 2026-11-30T"));
	ck_assert(vm_is_held(VM1, "(new disks)"));
	ck_assert(vm_is_held(VM1, id));
	ck_assert(!vm_is_held(VM2, NULL));
	ck_assert(!holds_host(holds, NULL));
	add("", NULL, 3600);
	ck_assert(holds_host(holds, NULL));
	ck_assert(vm_is_held(VM2, "host 'a' is held by 'alice'"));
	ck_assert(vm_is_held(VM1, "VM 'vm1'"));
}
END_TEST

START_TEST(without_holds_nothing_is_held_or_refused)
{
	struct err err;

	ck_assert(!holds_vm(NULL, VM1, NULL));
	ck_assert(!holds_host(NULL, NULL));
	ck_assert(!cordon_is_on(NULL, NULL));
	ck_assert(cordon_lets_in(NULL, &err));
}
END_TEST

/* Who waits for the end wants to know of the last one. */
START_TEST(of_several_holds_the_last_to_end_is_told_and_the_others_are_counted)
{
	add("vm1", VM1, 60);
	add("vm1", VM1, 7200);
	add("vm1", VM1, 600);
	ck_assert(vm_is_held(VM1, "and by 2 others"));
	now_ms += 600 * 1000;
	ck_assert(vm_is_held(VM1, "(new disks): "));
}
END_TEST

/* ---- on disk before it counts ---------------------------------------------------- */

START_TEST(hold_counts_when_it_is_on_disk_and_after_a_restart)
{
	const struct hold_request request = request_of("vm1", "new disks", 3600);

	begin_add(&request, VM1, "k");
	ck_assert(!vm_is_held(VM1, NULL));
	ck_assert_ptr_null(holds_next(holds, NULL));
	ck_assert_int_eq(result(), ERR_NONE);
	ck_assert(vm_is_held(VM1, NULL));
	ck_assert_str_eq(event, "vm added by 'alice'");
	restart();
	ck_assert(vm_is_held(VM1, "by 'alice'"));
	ck_assert_str_eq(holds_next(holds, NULL)->idempotency_key, "k");
	ck_assert_ptr_null(holds_next(holds, holds_next(holds, NULL)));
}
END_TEST

START_TEST(removed_hold_is_gone_also_after_a_restart)
{
	const char *id = add("vm1", VM1, 3600);

	holds_remove(holds, id, "bob", on_done, NULL);
	ck_assert(vm_is_held(VM1, NULL));
	ck_assert_int_eq(result(), ERR_NONE);
	ck_assert_str_eq(event, "vm removed by 'bob'");
	ck_assert(!vm_is_held(VM1, NULL));
	restart();
	ck_assert(!vm_is_held(VM1, NULL));
	holds_remove(holds, id, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NOT_FOUND);
}
END_TEST

START_TEST(disk_that_refuses_leaves_all_as_it_was)
{
	const char *id = add("vm1", VM1, 3600);
	const struct hold_patch patch = { .end.for_s = 7200 };
	const struct hold_request request = request_of("vm2", "new disks", 3600);
	int64_t until_ms = holds_find(holds, id)->until_ms;

	rig_limit_files(1);
	begin_add(&request, VM2, NULL);
	ck_assert_int_eq(result(), ERR_NO_SPACE);
	ck_assert(!vm_is_held(VM2, NULL));
	holds_renew(holds, id, &patch, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NO_SPACE);
	ck_assert_int_eq(holds_find(holds, id)->until_ms, until_ms);
	holds_remove(holds, id, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NO_SPACE);
	ck_assert(vm_is_held(VM1, NULL));
	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "firmware"), ERR_NO_SPACE);
	ck_assert(!cordon_is_on(holds, NULL));
	ck_assert_uint_eq(events, 1);
	rig_limit_files(RLIM_INFINITY);
	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "firmware"), ERR_NONE);
	holds_remove(holds, id, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
}
END_TEST

/* It counts no more, and is removed when there is room. */
START_TEST(expired_hold_that_the_disk_keeps_is_removed_later)
{
	add("vm1", VM1, 30);
	rig_limit_files(1);
	now_ms += 30000;
	loop_sim_advance_ms(rig.loop, 30000);
	rig_run();
	ck_assert_uint_eq(events, 1);
	ck_assert(!vm_is_held(VM1, NULL));
	rig_limit_files(RLIM_INFINITY);
	loop_sim_advance_ms(rig.loop, 4999);
	rig_run();
	ck_assert_uint_eq(events, 1);
	loop_sim_advance_ms(rig.loop, 1);
	rig_run();
	ck_assert_str_eq(event, "vm expired by ''");
}
END_TEST

/* ---- its end ------------------------------------------------------------------------ */

START_TEST(hold_that_has_expired_counts_no_more_and_is_removed_by_itself)
{
	const char *id = add("vm1", VM1, 30);

	loop_sim_advance_ms(rig.loop, 29999);
	ck_assert_uint_eq(events, 1);
	now_ms += 30000;
	ck_assert(!vm_is_held(VM1, NULL));
	ck_assert_ptr_null(holds_find(holds, id));
	holds_remove(holds, id, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NOT_FOUND);
	loop_sim_advance_ms(rig.loop, 1);
	rig_run();
	ck_assert_uint_eq(events, 2);
	ck_assert_str_eq(event, "vm expired by ''");
	restart();
	ck_assert_uint_eq(events, 2);
}
END_TEST

START_TEST(hold_that_expires_while_the_daemon_is_away_is_removed_at_the_start)
{
	add("vm1", VM1, 30);
	now_ms += 31000;
	restart();
	ck_assert(!vm_is_held(VM1, NULL));
	rig_run();
	ck_assert_str_eq(event, "vm expired by ''");
}
END_TEST

/* Somebody sets the host's clock forth: the end is seen within a minute. */
START_TEST(clock_that_is_set_forth_ends_it)
{
	add("vm1", VM1, 30 * 86400);
	now_ms += 30 * DAY_MS;
	loop_sim_advance_ms(rig.loop, 60000);
	rig_run();
	ck_assert_str_eq(event, "vm expired by ''");
}
END_TEST

START_TEST(renewed_hold_ends_later_or_earlier)
{
	const char *id = add("vm1", VM1, 30);
	const struct hold_patch later = { .end.for_s = 7200 }, sooner = { .end.for_s = 60 };

	holds_renew(holds, id, &later, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	ck_assert_str_eq(event, "vm renewed by 'bob'");
	now_ms += 31000;
	ck_assert(vm_is_held(VM1, "by 'alice'"));
	restart();
	ck_assert(vm_is_held(VM1, NULL));
	holds_renew(holds, id, &sooner, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	now_ms += 61000;
	ck_assert(!vm_is_held(VM1, NULL));
	holds_renew(holds, id, &later, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NOT_FOUND);
}
END_TEST

/* A record that is being written is not overtaken by another one. */
START_TEST(second_change_while_the_first_is_written_is_told_to_try_again)
{
	const char *id = add("vm1", VM1, 30);
	const struct hold_patch later = { .end.for_s = 7200 };

	holds_remove(holds, id, "bob", on_done, NULL);
	holds_renew(holds, id, &later, "carol", on_done, NULL);
	answers = 0;
	rig_run();
	ck_assert_uint_eq(answers, 2);
	ck_assert(!vm_is_held(VM1, NULL));
	restart();
	ck_assert(!vm_is_held(VM1, NULL));
}
END_TEST

/* ---- requests ----------------------------------------------------------------------- */

START_TEST(same_key_gives_the_same_hold_also_while_it_is_written)
{
	const struct hold_request request = request_of("vm1", "new disks", 3600);
	const struct hold_request other = request_of("vm1", "new memory", 3600);
	char id[ID_UUID_SIZE];

	begin_add(&request, VM1, "k");
	begin_add(&request, VM1, "k");
	answers = 0;
	rig_run();
	ck_assert_uint_eq(answers, 2);
	ck_assert_int_eq(answer.code, ERR_NONE);
	memcpy(id, answered, sizeof(id));
	restart();
	begin_add(&request, VM1, "k");
	ck_assert_int_eq(result(), ERR_NONE);
	ck_assert_str_eq(answered, id);
	begin_add(&other, VM1, "k");
	ck_assert_int_eq(result(), ERR_KEY_REUSED);
	ck_assert_ptr_null(holds_next(holds, holds_next(holds, NULL)));
}
END_TEST

START_TEST(there_are_256_at_most)
{
	const struct hold_request request = request_of("", "one more", 3600);

	for (int i = 0; i < HOLDS_MAX; i++)
		add("vm1", VM1, 30);
	begin_add(&request, NULL, NULL);
	ck_assert_int_eq(result(), ERR_LIMIT);
	now_ms += 31000;
	loop_sim_advance_ms(rig.loop, 31000);
	rig_run();
	begin_add(&request, NULL, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
}
END_TEST

START_TEST(end_is_in_the_future_and_within_30_days)
{
	static const struct {
		const char *until;
		enum err_code code;
	} rows[] = {
		{ "2026-11-30T00:00:00Z", ERR_INVALID }, /* before now_ms */
		{ "2026-12-02T00:00:00Z", ERR_NONE },
		{ "2026-12-20T02:00:00+02:00", ERR_NONE },
		{ "2027-06-01T00:00:00Z", ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hold_request request = request_of("", "new disks", 0);

		snprintf(request.end.until, sizeof(request.end.until), "%s", rows[i].until);
		begin_add(&request, NULL, NULL);
		ck_assert_int_eq(result(), rows[i].code);
	}
}
END_TEST

static void assert_fault(const char *body, const char *words)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(body);
	struct faults *faults = faults_new();
	struct hold_request request;
	struct err err;

	ck_assert_msg(!hold_request_decode(obj, &request, faults), "'%s' was taken", body);
	faults_to_err(faults, &err);
	ck_assert_msg(strstr(err.msg, words), "'%s' does not say '%s'", err.msg, words);
	faults_free(faults);
}

START_TEST(senseless_request_is_refused_with_a_reason)
{
	char body[1024], text[300];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_fault("{\"reason\":\"r\"}", "/until: a hold must end");
	assert_fault("{\"reason\":\"r\",\"for_s\":0}", "/for_s: 0 is out of range");
	assert_fault("{\"reason\":\"r\",\"for_s\":2592001}", "/for_s: 2592001 is out of range");
	assert_fault("{\"reason\":\"r\",\"until\":\"tomorrow\"}", "/until: no moment");
	assert_fault("{\"reason\":\"r\",\"until\":\"2026-12-02T00:00:00Z\",\"for_s\":5}",
		     "one of the two");
	assert_fault("{\"for_s\":5}", "/reason");
	assert_fault("{\"reason\":\"\",\"for_s\":5}", "/reason: may not be empty");
	assert_fault("{\"reason\":\"  \",\"for_s\":5}", "/reason: may not be empty");
	assert_fault("{\"reason\":\"a\\nb\",\"for_s\":5}", "/reason: one line");
	assert_fault("{\"reason\":\"a\\u009bb\",\"for_s\":5}", "/reason: one line");
	snprintf(body, sizeof(body), "{\"reason\":\"%s\",\"for_s\":5}", text);
	assert_fault(body, "/reason: 299 bytes: 1 to 255");
	snprintf(body, sizeof(body), "{\"reason\":\"r\",\"owner\":\"%s\",\"for_s\":5}", text);
	assert_fault(body, "/owner: 299 bytes: 1 to 63");
	assert_fault("{\"reason\":\"r\",\"vm\":\"../x\",\"for_s\":5}", "/vm: no name of a VM");
	assert_fault("{\"reason\":\"r\",\"for_s\":5,\"forever\":true}", "/forever");
}
END_TEST

/* ---- the cordon ------------------------------------------------------------------------ */

static size_t arrivals(const void *data)
{
	return *(const size_t *)data;
}

START_TEST(cordon_keeps_new_guests_away_also_after_a_restart)
{
	struct err err = { 0 };

	ck_assert(cordon_lets_in(holds, &err));
	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "firmware"), ERR_NONE);
	ck_assert_str_eq(event, "cordon-person added by 'alice'");
	restart();
	ck_assert(!cordon_lets_in(holds, &err));
	rig_assert_says(&err, ERR_CONFLICT,
			"host 'a' takes no new guests, as 'alice' wants it (firmware)");
	rig_assert_says(&err, ERR_CONFLICT, "migrctl host uncordon");
	ck_assert_ptr_null(holds_next(holds, NULL));
	ck_assert(!holds_host(holds, NULL));
	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "new disks"), ERR_NONE);
	ck_assert_str_eq(event, "cordon-person renewed by 'alice'");
	ck_assert_str_eq(cordon_of(holds, CORDON_PERSON)->reason, "new disks");
	ck_assert_int_eq(set_cordon(CORDON_PERSON, false, NULL), ERR_NONE);
	ck_assert(cordon_lets_in(holds, &err));
	restart();
	ck_assert(cordon_lets_in(holds, &err));
	ck_assert_int_eq(set_cordon(CORDON_PERSON, false, NULL), ERR_NONE);
}
END_TEST

START_TEST(cordon_of_an_evacuation_and_of_a_person_do_not_end_each_other)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "firmware"), ERR_NONE);
	ck_assert_int_eq(set_cordon(CORDON_EVACUATION, true, "evacuation 1"), ERR_NONE);
	ck_assert_int_eq(set_cordon(CORDON_PERSON, false, NULL), ERR_NONE);
	ck_assert(cordon_is_on(holds, &why));
	ck_assert_ptr_nonnull(strstr(strbuf_str(&why), "evacuation 1"));
	ck_assert_int_eq(set_cordon(CORDON_PERSON, true, "firmware"), ERR_NONE);
	ck_assert_int_eq(set_cordon(CORDON_EVACUATION, false, NULL), ERR_NONE);
	strbuf_clear(&why);
	ck_assert(cordon_is_on(holds, &why));
	ck_assert_ptr_nonnull(strstr(strbuf_str(&why), "firmware"));
}
END_TEST

START_TEST(what_is_under_way_is_counted)
{
	size_t count = 2;

	ck_assert_uint_eq(cordon_creations_under_way(holds), 0);
	cordon_creation_begins(holds);
	cordon_count_arrivals(holds, arrivals, &count);
	ck_assert_uint_eq(cordon_creations_under_way(holds), 3);
	cordon_creation_ends(holds);
	count = 1;
	ck_assert_uint_eq(cordon_creations_under_way(holds), 1);
	cordon_count_arrivals(holds, NULL, NULL);
	ck_assert_uint_eq(cordon_creations_under_way(holds), 0);
}
END_TEST

/* A later version's rows are not understood, and not thrown away either. */
START_TEST(row_of_an_unknown_kind_stays_on_disk)
{
	struct store_hold row = { .kind = "moon", .owner = "x", .reason = "y" };

	snprintf(row.id, sizeof(row.id), "%s", VM1);
	rig_commit_ok(&(struct store_txn){ { store_put_hold(&row) } });
	restart();
	ck_assert_ptr_null(holds_next(holds, NULL));
	ck_assert(!holds_host(holds, NULL));
	holds_remove(holds, VM1, "bob", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NOT_FOUND);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("holds");
	TCase *tc = tcase_create("holds");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, hold_of_a_vm_holds_it_alone_and_of_the_host_all);
	tcase_add_test(tc, without_holds_nothing_is_held_or_refused);
	tcase_add_test(tc, of_several_holds_the_last_to_end_is_told_and_the_others_are_counted);
	tcase_add_test(tc, hold_counts_when_it_is_on_disk_and_after_a_restart);
	tcase_add_test(tc, removed_hold_is_gone_also_after_a_restart);
	tcase_add_test(tc, disk_that_refuses_leaves_all_as_it_was);
	tcase_add_test(tc, expired_hold_that_the_disk_keeps_is_removed_later);
	tcase_add_test(tc, hold_that_has_expired_counts_no_more_and_is_removed_by_itself);
	tcase_add_test(tc, hold_that_expires_while_the_daemon_is_away_is_removed_at_the_start);
	tcase_add_test(tc, clock_that_is_set_forth_ends_it);
	tcase_add_test(tc, renewed_hold_ends_later_or_earlier);
	tcase_add_test(tc, second_change_while_the_first_is_written_is_told_to_try_again);
	tcase_add_test(tc, same_key_gives_the_same_hold_also_while_it_is_written);
	tcase_add_test(tc, there_are_256_at_most);
	tcase_add_test(tc, end_is_in_the_future_and_within_30_days);
	tcase_add_test(tc, senseless_request_is_refused_with_a_reason);
	tcase_add_test(tc, cordon_keeps_new_guests_away_also_after_a_restart);
	tcase_add_test(tc, cordon_of_an_evacuation_and_of_a_person_do_not_end_each_other);
	tcase_add_test(tc, what_is_under_way_is_counted);
	tcase_add_test(tc, row_of_an_unknown_kind_stays_on_disk);
	return s;
}
