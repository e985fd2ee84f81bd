/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each event is told to a webhook, or its loss is, over receivers that fail, full queues, full
 * disks and restarts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "store_rig.h"
#include "webhook/webhook.h"

#define HOUR_MS INT64_C(3600000)

static struct bus *bus;
static struct webhooks *webhooks;
static struct tls_trust *trust;
static int64_t now_ms;
static char hook[ID_UUID_SIZE];

/* What a receiver got last, which waits for its answer; and how many tries there were. */
static struct {
	char id[STORE_DELIVERY_ID_SIZE];
	char *body;
	notify_done_fn *done;
	void *data;
} asked;
static unsigned tries;

/* The last answer to a user. */
static unsigned answers;
static struct err answer;

static int64_t get_now_ms(void)
{
	return now_ms;
}

static void receive(struct notify *notify, const struct notify_message *message,
		    notify_done_fn *done, void *data)
{
	(void)notify;
	ck_assert_msg(!asked.done, "one at a time");
	ck_assert(message->to && message->to->key_count > 0);
	tries++;
	snprintf(asked.id, sizeof(asked.id), "%s", message->id);
	free(asked.body);
	asked.body = xstrdup(message->body);
	asked.done = done;
	asked.data = data;
}

static void add_row(void *data, void *row)
{
	(void)data;
	webhooks_add_row(webhooks, row);
}

static void add_delivery_row(void *data, void *row)
{
	(void)data;
	webhooks_add_delivery_row(webhooks, row);
}

static void load(void)
{
	struct err err = { 0 };

	bus = bus_new();
	webhooks = webhooks_new(&(struct webhooks_env){ .loop = rig.loop,
							.store = rig.store,
							.bus = bus,
							.host_id = "a",
							.now_ms = get_now_ms,
							.send = receive });
	webhooks_set_trust(webhooks, trust);
	ck_assert_msg(store_load_blocking(rig.store, STORE_WEBHOOK, add_row, NULL, &err) &&
			      store_load_blocking(rig.store, STORE_DELIVERY, add_delivery_row, NULL,
						  &err),
		      "%s", err.msg);
	webhooks_recover(webhooks);
}

static void unload(void)
{
	webhooks_end(webhooks);
	if (asked.done) {
		const struct err stopping = { ERR_CANCELLED, "the daemon is stopping" };

		asked.done(asked.data, NULL, &stopping);
		asked.done = NULL;
	}
	store_close(TAKE_PTR(rig.store));
	webhooks_free(webhooks);
	bus_free(bus);
}

/* Everything that is due happens; MS pass. */
static void pass(uint64_t ms)
{
	now_ms += (int64_t)ms;
	loop_sim_advance_ms(rig.loop, ms);
	rig_run();
}

static void on_done(void *data, const struct webhook *webhook, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
	if (webhook) {
		struct webhook_reply reply;
		const char *types[EVENT_TYPE_COUNT];

		webhook_show(webhook, &reply, types);
		snprintf(hook, sizeof(hook), "%s", reply.id);
	}
}

static enum err_code result(void)
{
	const unsigned before = answers;

	for (unsigned i = 0; i < 100 && answers == before; i++)
		pass(20);
	ck_assert_uint_eq(answers, before + 1);
	return answer.code;
}

static struct webhook_wish wish_of(const char *text)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct faults *faults = faults_new();
	struct webhook_wish wish;

	ck_assert(webhook_request_decode(obj, &wish, faults));
	faults_free(faults);
	if (!wish.secret_count)
		webhook_secret_new(wish.secrets[wish.secret_count++]);
	return wish;
}

static void add(const char *text)
{
	const struct webhook_wish wish = wish_of(text);

	webhooks_add(webhooks, &wish, "alice", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
}

static void set_up(void)
{
	struct err err = { 0 };

	rig_set_up();
	now_ms = INT64_C(1796000000000);
	tries = answers = 0;
	trust = tls_trust_read_blocking(NULL, &err);
	ck_assert_msg(trust != NULL, "%s", err.msg);
	load();
	add("{\"url\":\"https://127.0.0.1:9/\",\"expire_s\":7200}");
}

static void tear_down(void)
{
	unload();
	tls_trust_unref(trust);
	free(TAKE_PTR(asked.body));
	rig_tear_down();
}

static void restart(void)
{
	unload();
	rig_open();
	load();
	pass(20);
}

/* As a kill would leave it: what waits to be written is lost. */
static void publish(const char *type, const char *vm, uint64_t number)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, strcmp(type, "vm") == 0 ? "name" : "vm", vm);
	json_add_uint(obj, "n", number);
	bus_publish(bus, type, obj);
}

static void reply(long status, uint64_t retry_after_s)
{
	const struct notify_reply said = { status, "", 0, retry_after_s };
	notify_done_fn *done = asked.done;

	ck_assert_msg(done != NULL, "something was to be sent");
	asked.done = NULL;
	done(asked.data, &said, NULL);
	pass(20);
	pass(20);
}

static struct webhook_reply show(void)
{
	const struct webhook *webhook = webhooks_find(webhooks, hook);
	const char *types[EVENT_TYPE_COUNT];
	struct webhook_reply shown;

	ck_assert(webhook != NULL);
	webhook_show(webhook, &shown, types);
	return shown;
}

static struct json_object *message(void)
{
	ck_assert_msg(asked.done != NULL, "something was to be sent");
	return json_read_back(asked.body);
}

static int64_t data_int(const char *key)
{
	CLEANUP(json_putp) struct json_object *obj = message();

	return json_get_int(json_get_obj(obj, "data"), key, -1);
}

static void assert_is(const char *type, int64_t number)
{
	CLEANUP(json_putp) struct json_object *obj = message();

	ck_assert_str_eq(json_get_str(obj, "type"), type);
	ck_assert_int_eq(json_get_int(obj, "number", -1), number);
}

static void assert_gap(const char *reason, int64_t lost)
{
	CLEANUP(json_putp) struct json_object *obj = message();
	struct json_object *data = json_get_obj(obj, "data");

	ck_assert_str_eq(json_get_str(obj, "type"), "gap");
	ck_assert_str_eq(json_get_str(data, "reason"), reason);
	ck_assert_int_eq(json_get_int(data, "lost", -1), lost);
}

/* ---- what is told ------------------------------------------------------------------------ */

START_TEST(events_are_told_one_at_a_time_in_their_order)
{
	publish("vm", "vm1", 1);
	publish("move", "vm1", 2);
	ck_assert_msg(!asked.done, "not before it is on disk");
	pass(20);
	assert_is("vm", 1);
	ck_assert_int_eq(data_int("n"), 1);
	pass(1000);
	ck_assert_uint_eq(tries, 1);
	reply(200, 0);
	assert_is("move", 2);
	reply(204, 0);
	ck_assert(!asked.done);
	ck_assert_uint_eq(show().pending, 0);
	ck_assert_uint_eq(show().delivered, 2);
}
END_TEST

START_TEST(only_what_passes_the_filter_is_told)
{
	webhooks_remove(webhooks, hook, "alice", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	add("{\"url\":\"https://127.0.0.1:9/\",\"types\":[\"move\",\"qemu\"],\"vm\":\"vm2\"}");
	publish("vm", "vm2", 1);
	publish("move", "vm1", 2);
	publish("qemu", "vm2", 3);
	pass(20);
	ck_assert_uint_eq(show().pending, 1);
	ck_assert_int_eq(data_int("n"), 3);
}
END_TEST

START_TEST(failed_try_is_repeated_after_pauses_that_double)
{
	static const uint64_t pauses_s[] = { 5, 10, 20, 40, 80 };

	publish("vm", "vm1", 1);
	pass(20);
	for (size_t i = 0; i < ARRAY_LEN(pauses_s); i++) {
		reply(500, 0);
		ck_assert(!asked.done);
		pass(pauses_s[i] * 1000 - 1000);
		ck_assert_msg(!asked.done, "try %zu", i);
		pass(1000);
		assert_is("vm", 1);
	}
	ck_assert_uint_eq(show().failed, ARRAY_LEN(pauses_s));
	ck_assert_str_eq(show().error, "it answered with HTTP status 500");
	reply(200, 0);
	ck_assert(!show().error);
}
END_TEST

START_TEST(retry_after_is_honoured)
{
	publish("vm", "vm1", 1);
	pass(20);
	reply(503, 600);
	pass(599000);
	ck_assert(!asked.done);
	pass(1000);
	assert_is("vm", 1);
}
END_TEST

START_TEST(what_was_not_heard_is_kept_over_a_restart_with_its_next_try)
{
	publish("vm", "vm1", 1);
	pass(20);
	reply(500, 0);
	restart();
	ck_assert_msg(!asked.done, "its pause is not over");
	pass(5000);
	assert_is("vm", 1);
	reply(200, 0);
	assert_gap("restart", -1);
	assert_is("gap", 2);
}
END_TEST

START_TEST(answer_410_disables_it_and_enabling_tells_the_loss)
{
	struct webhook_patch patch = { .has_enabled = true, .enabled = true };

	publish("vm", "vm1", 1);
	pass(20);
	reply(410, 0);
	ck_assert(!show().enabled);
	publish("vm", "vm1", 2);
	publish("vm", "vm1", 3);
	pass(60000);
	ck_assert(!asked.done);
	restart();
	ck_assert(!show().enabled && !asked.done);
	publish("vm", "vm1", 4);

	patch.wish = *webhook_wish(webhooks_find(webhooks, hook));
	webhooks_change(webhooks, hook, &patch, "alice", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	assert_is("vm", 1);
	reply(200, 0);
	assert_gap("restart", -1);
	ck_assert(show().enabled);
}
END_TEST

/* ---- what is lost -------------------------------------------------------------------------- */

START_TEST(expired_one_is_dead_and_its_loss_is_told)
{
	publish("vm", "vm1", 1);
	pass(20);
	reply(500, 0);
	publish("vm", "vm1", 2);
	for (int i = 0; i < 16 && show().dead < 2; i++) {
		pass(1800000);
		if (asked.done)
			reply(500, 0);
	}
	ck_assert_uint_eq(show().dead, 2);
	ck_assert_uint_eq(show().lost, 2);
	while (!asked.done)
		pass(60000);
	assert_gap("expired", 2);
	reply(200, 0);
	ck_assert_uint_eq(show().pending, 0);

	webhooks_redeliver(webhooks, hook, 2, on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	assert_is("vm", 2);
	reply(200, 0);
	webhooks_drop_dead(webhooks, hook, 0, on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	restart();
	ck_assert_uint_eq(show().dead, 0);
}
END_TEST

START_TEST(full_queue_counts_what_it_loses_and_tells_it_behind_the_rest)
{
	for (uint64_t i = 1; i <= WEBHOOK_PENDING_MAX + 25; i++)
		publish("vm", "vm1", i);
	ck_assert_uint_eq(show().pending, WEBHOOK_PENDING_MAX);
	ck_assert_uint_eq(show().lost, 25);
	for (int64_t i = 1; i <= WEBHOOK_PENDING_MAX; i++) {
		while (!asked.done)
			pass(20);
		assert_is("vm", i);
		reply(200, 0);
	}
	assert_gap("overflow", 25);
	publish("vm", "vm1", 0);
	reply(200, 0);
	assert_is("vm", WEBHOOK_PENDING_MAX + 2);
}
END_TEST

START_TEST(disk_that_refuses_delays_what_is_told_and_loses_nothing)
{
	rig_limit_files(0);
	publish("vm", "vm1", 1);
	pass(20);
	pass(60);
	ck_assert_msg(!asked.done, "it is not on disk");
	rig_limit_files(RLIM_INFINITY);
	pass(4000);
	assert_is("vm", 1);
	ck_assert_uint_eq(show().lost, 0);
}
END_TEST

START_TEST(removed_one_is_told_nothing_more_also_while_it_is_asked)
{
	publish("vm", "vm1", 1);
	pass(20);
	publish("vm", "vm1", 2);
	webhooks_remove(webhooks, hook, "alice", on_done, NULL);
	ck_assert_int_eq(result(), ERR_NONE);
	reply(500, 0);
	pass(HOUR_MS);
	ck_assert(!asked.done);
	restart();
	ck_assert(!webhooks_find(webhooks, hook));
}
END_TEST

START_TEST(there_are_16_at_most)
{
	const struct webhook_wish wish = wish_of("{\"url\":\"https://127.0.0.1:9/\"}");

	for (int i = 1; i < WEBHOOKS_MAX; i++)
		add("{\"url\":\"https://127.0.0.1:9/\"}");
	webhooks_add(webhooks, &wish, "alice", on_done, NULL);
	ck_assert_int_eq(result(), ERR_LIMIT);
}
END_TEST

/* ---- anything ------------------------------------------------------------------------------- */

/* What a receiver knows that keeps all it was told. */
#define EVENTS 1500
static struct {
	bool is_told[EVENTS];
	uint64_t number[EVENTS]; /* of its delivery */
	uint64_t gaps[EVENTS];   /* numbers of deliveries that told a loss */
	size_t gap_count;
	uint64_t newest;
} known;

static void note(void)
{
	CLEANUP(json_putp) struct json_object *obj = message();
	const uint64_t number = (uint64_t)json_get_int(obj, "number", 0);
	const int64_t n = json_get_int(json_get_obj(obj, "data"), "n", -1);

	if (n >= 0) {
		ck_assert_msg(!known.is_told[n] || known.number[n] == number, "told twice");
		known.is_told[n] = true;
		known.number[n] = number;
	} else {
		ck_assert_uint_lt(known.gap_count, EVENTS);
		known.gaps[known.gap_count++] = number;
	}
	known.newest = number > known.newest ? number : known.newest;
}

/* A gap was told with a number after that of the event before the lost one. */
static void check_known(uint64_t count, int seed)
{
	uint64_t before = 0;

	for (uint64_t n = 0; n < count; n++) {
		bool is_said = false;

		if (known.is_told[n]) {
			ck_assert_msg(known.number[n] > before, "seed %d: out of order", seed);
			before = known.number[n];
			continue;
		}
		for (size_t i = 0; i < known.gap_count; i++)
			is_said = is_said || known.gaps[i] > before;
		ck_assert_msg(is_said, "seed %d: event %" PRIu64 " was lost without a word", seed,
			      n);
	}
}

static void answer_somehow(long good)
{
	const bool is_good = random() % 100 < good;

	/* A receiver may have heard what it does not answer well. */
	if (is_good || random() % 4 == 0)
		note();
	reply(is_good ? 200 : 500, 0);
}

START_TEST(whatever_happens_each_event_is_told_or_its_loss)
{
	uint64_t count = 0;
	long good = 90;

	srandom((unsigned)_i);
	memset(&known, 0, sizeof(known));
	while (count < EVENTS - 200) {
		const long what = random() % 1000;

		if (what < 500)
			for (long i = random() % 20; i >= 0; i--)
				publish("vm", "vm1", count++);
		else if (what < 900 && asked.done)
			answer_somehow(good);
		else if (what < 950)
			pass((uint64_t)(random() % 100000));
		else if (what < 970)
			good = random() % 100;
		else if (what < 975)
			pass((uint64_t)(HOUR_MS * 3));
		else if (what < 985)
			restart();
		else
			pass((uint64_t)(random() % 30));
	}
	for (unsigned i = 0; i < 100000 && (show().pending || !i); i++) {
		if (asked.done)
			answer_somehow(100);
		else
			pass(60000);
	}
	ck_assert_uint_eq(show().pending, 0);
	check_known(count, _i);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("webhook");
	TCase *tc = tcase_create("webhook");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, events_are_told_one_at_a_time_in_their_order);
	tcase_add_test(tc, only_what_passes_the_filter_is_told);
	tcase_add_test(tc, failed_try_is_repeated_after_pauses_that_double);
	tcase_add_test(tc, retry_after_is_honoured);
	tcase_add_test(tc, what_was_not_heard_is_kept_over_a_restart_with_its_next_try);
	tcase_add_test(tc, answer_410_disables_it_and_enabling_tells_the_loss);
	tcase_add_test(tc, expired_one_is_dead_and_its_loss_is_told);
	tcase_add_test(tc, full_queue_counts_what_it_loses_and_tells_it_behind_the_rest);
	tcase_add_test(tc, disk_that_refuses_delays_what_is_told_and_loses_nothing);
	tcase_add_test(tc, removed_one_is_told_nothing_more_also_while_it_is_asked);
	tcase_add_test(tc, there_are_16_at_most);
	tcase_add_loop_test(tc, whatever_happens_each_event_is_told_or_its_loss, 0, 8);
	return s;
}
