/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the two monitors is used, and whether the right process is at the other end; here
 * that is the test's own process. */
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "qemu/qemu.h"
#include "tests/lib/check_main.h"
#include "tests/lib/fake_monitor.h"
#include "tests/lib/scratch.h"

#define UUID "018f0000-0000-7000-8000-000000000001"

static struct loop *loop;
static struct fake_monitor *monitors[2];
static struct qemu_env env;
static struct qemu *qemu;
static struct strbuf told; /* the calls to the owner, in order */
static struct err ready_err;

static void on_ready(void *data, const struct err *err)
{
	(void)data;
	if (err)
		ready_err = *err;
	strbuf_addf(&told, "%s;", err ? err_name(err->code) : "ready");
}

static void on_event(void *data, const struct qmp_event *event)
{
	(void)data;
	strbuf_addf(&told, "%s;", event->name);
}

static void on_exited(void *data)
{
	(void)data;
	strbuf_addf(&told, "exited;");
}

static struct fake_monitor *listen_at(const char *name)
{
	struct fake_monitor *fm;
	struct err err;
	int fd;

	ck_assert_msg(unix_listen(scratch_path(name), SOCK_STREAM, &fd, &err), "%s", err.msg);
	fm = fake_monitor_listen(loop, fd);
	fake_monitor_on(fm, "query-uuid", "{\"UUID\":\"" UUID "\"}");
	fake_monitor_on(fm, "query-migrate-capabilities",
			"[{\"capability\":\"events\",\"state\":false}]");
	fake_monitor_on(fm, "query-status", "{\"status\":\"paused\",\"running\":false}");
	return fm;
}

static void set_up(void)
{
	struct err err;

	scratch_setup();
	log_set_level(LOG_LEVEL_ERROR);
	loop = loop_new_sim();
	ck_assert(dir_make(scratch_path("vms"), 0700, &err));
	ck_assert(dir_make(scratch_path("vms/" UUID), 0700, &err));
	monitors[0] = listen_at("vms/" UUID "/qmp0.sock");
	monitors[1] = listen_at("vms/" UUID "/qmp1.sock");
	env = (struct qemu_env){
		.loop = loop,
		.binary = "qemu",
		.run_dir = scratch_dir,
		.log_dir = scratch_dir,
		.start_timeout_ms = 1000,
	};
}

static void tear_down(void)
{
	qemu_free(qemu);
	loop_sim_run(loop);
	fake_monitor_free(monitors[0]);
	fake_monitor_free(monitors[1]);
	loop_free(loop);
	strbuf_fini(&told);
	scratch_teardown();
}

static void on_found(void *data)
{
	(void)data;
	strbuf_addf(&told, "found;");
}

static struct proc_id own_id(void)
{
	struct proc_id id;
	struct err err;

	ck_assert(proc_identify(getpid(), &id, &err));
	return id;
}

static void attach_to(struct proc_id id)
{
	const struct qemu_callbacks cb = { on_ready, on_event, on_exited, on_found, NULL };

	qemu = qemu_attach(&env, UUID, "vm1", false, id, &cb);
}

static void attach(void)
{
	attach_to(own_id());
	loop_sim_run(loop);
}

static void assert_told(const char *text)
{
	ck_assert_str_eq(strbuf_str(&told), text);
	strbuf_clear(&told);
}

START_TEST(right_one_is_asked_and_found)
{
	attach();
	assert_told("ready;");
	ck_assert_int_eq(qemu_run_state(qemu), QMP_RUN_PAUSED);
	ck_assert_str_eq(qemu_trouble(qemu), "");
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
	ck_assert_uint_eq(fake_monitor_heard(monitors[0]), 4);
	ck_assert_uint_eq(fake_monitor_heard(monitors[1]), 0);
}
END_TEST

/* The end of another guest must not be taken for the end of this one. */
START_TEST(event_before_the_proof_is_nobodys)
{
	fake_monitor_on(monitors[0], "query-uuid", NULL);
	attach();
	fake_monitor_event(monitors[0], "SHUTDOWN", "{\"guest\":true}");
	fake_monitor_event(monitors[0], "RESUME", NULL);
	loop_sim_run(loop);
	assert_told("");
	fake_monitor_reply(monitors[0], "query-uuid", "{\"UUID\":\"" UUID "\"}");
	loop_sim_run(loop);
	assert_told("ready;");
	ck_assert_int_eq(qemu_run_state(qemu), QMP_RUN_PAUSED);
	fake_monitor_event(monitors[0], "RESUME", NULL);
	loop_sim_run(loop);
	assert_told("RESUME;");
	ck_assert_int_eq(qemu_run_state(qemu), QMP_RUN_RUNNING);
}
END_TEST

static const struct {
	const char *command, *answer, *says;
} twins[] = {
	{ "query-uuid", "{\"UUID\":\"018f0000-0000-7000-8000-000000000002\"}",
	  "belongs to another guest: its query-uuid says '018f0000-0000-7000-8000-000000000002'" },
	{ "query-uuid", "{\"UUID\":7}", "says 'nothing'" },
};

/* Both monitors are tried, the reason is kept, and the right QEMU is found when it is back. */
START_TEST(another_guest_is_told_and_left_alone_until_the_right_one_is_back)
{
	for (size_t i = 0; i < 2; i++)
		fake_monitor_on(monitors[i], twins[_i].command, twins[_i].answer);
	attach();
	assert_told("conflict;");
	ck_assert_msg(strstr(ready_err.msg, twins[_i].says) != NULL, "%s", ready_err.msg);
	ck_assert_str_eq(qemu_trouble(qemu), ready_err.msg);
	ck_assert_ptr_null(qemu_monitor(qemu));
	ck_assert_uint_eq(fake_monitor_heard_of(monitors[0], "query-status"), 0);
	ck_assert_uint_eq(fake_monitor_heard_of(monitors[1], "query-uuid"), 1);
	loop_sim_advance_ms(loop, 5000);
	ck_assert_ptr_null(qemu_monitor(qemu));
	fake_monitor_on(monitors[0], "query-uuid", "{\"UUID\":\"" UUID "\"}");
	loop_sim_advance_ms(loop, 2000);
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
	ck_assert_str_eq(qemu_trouble(qemu), "");
	assert_told("found;"); /* ready() was called only once */
}
END_TEST

START_TEST(one_of_two_is_another_guest_the_other_is_taken)
{
	fake_monitor_on(monitors[0], "query-uuid", "{\"UUID\":\"\"}");
	attach();
	assert_told("ready;");
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
}
END_TEST

START_TEST(first_closes_second_takes_over)
{
	attach();
	fake_monitor_close(monitors[0]);
	loop_sim_run(loop);
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
	ck_assert_uint_eq(fake_monitor_heard_of(monitors[1], "query-status"), 1);
	assert_told("ready;found;");
}
END_TEST

static void close_after_proof(void *data)
{
	fake_monitor_close(data);
}

/* A hostile QEMU that connects and closes must not keep the loop busy. */
START_TEST(closed_after_each_proof_it_is_tried_once_a_second)
{
	for (size_t i = 0; i < 2; i++)
		fake_monitor_on_call(monitors[i], "query-status", close_after_proof, monitors[i]);
	attach();
	loop_sim_advance_ms(loop, 10000);
	ck_assert_uint_le(fake_monitor_heard_of(monitors[0], "query-status") +
				  fake_monitor_heard_of(monitors[1], "query-status"),
			  2 + 10);
	ck_assert_uint_ge(fake_monitor_heard_of(monitors[0], "query-status"), 3);
}
END_TEST

/* A monitor that worked for a while has not failed: the other one is tried at once. */
START_TEST(closed_again_after_a_while_the_other_is_taken_at_once)
{
	attach();
	for (size_t i = 0; i < 4; i++) {
		loop_sim_advance_ms(loop, 5000);
		fake_monitor_close(monitors[i % 2]);
		loop_sim_run(loop);
		ck_assert_ptr_nonnull(qemu_monitor(qemu));
	}
}
END_TEST

/* A guest that runs would be taken for one that has crashed, and be started a second time. */
START_TEST(process_that_cannot_be_watched_is_not_said_to_have_ended)
{
	const struct proc_id id = own_id();
	struct rlimit limit, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	attach_to(id);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	loop_sim_advance_ms(loop, 3000);
	ck_assert(qemu_is_alive(qemu));
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
	assert_told("ready;");
}
END_TEST

#define DESCRIPTORS 64

/* The loop goes on with those that it has. */
static void use_up_descriptors(int ret[DESCRIPTORS])
{
	struct rlimit limit;
	size_t count = 0;
	int fd;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = DESCRIPTORS;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = dup(STDERR_FILENO)) >= 0)
		ret[count++] = fd;
	ret[count] = -1;
}

static void give_back(const int *fds)
{
	while (*fds >= 0)
		close(*fds++);
}

static void write_own_pid(void)
{
	struct err err;
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	ck_assert(file_write(scratch_path("vms/" UUID "/pid"), text, (size_t)len, 0600, &err));
}

/* It answers, so it is there. */
START_TEST(process_that_nobody_can_name_is_there_until_its_monitors_are_gone)
{
	attach_to((struct proc_id){ 0 });
	loop_sim_run(loop);
	assert_told("internal;");
	ck_assert(qemu_is_alive(qemu));
	write_own_pid();
	loop_sim_advance_ms(loop, 3000);
	ck_assert(qemu_is_alive(qemu));
	ck_assert_ptr_nonnull(qemu_monitor(qemu));
	assert_told("found;");
}
END_TEST

START_TEST(process_that_nobody_can_name_is_gone_with_its_monitors)
{
	attach_to((struct proc_id){ 0 });
	loop_sim_run(loop);
	assert_told("internal;");
	for (size_t i = 0; i < 2; i++)
		fake_monitor_free(TAKE_PTR(monitors[i]));
	loop_sim_advance_ms(loop, 3000);
	assert_told("exited;");
	ck_assert(!qemu_is_alive(qemu));
}
END_TEST

static struct proc_id child(void)
{
	const pid_t pid = fork();
	struct proc_id id = { 0 };
	struct err err;

	if (pid == 0)
		for (;;)
			pause();
	ck_assert(proc_identify(pid, &id, &err));
	return id;
}

static void await_end(void)
{
	for (int i = 0; i < 1000 && qemu_is_alive(qemu); i++) {
		poll(NULL, 0, 10);
		loop_sim_advance_ms(loop, 10);
	}
	ck_assert(!qemu_is_alive(qemu));
}

/* A guest of it could run beside the one that was to take its place. */
START_TEST(end_of_one_beside_that_cannot_be_watched_is_tried_again)
{
	const struct qemu_callbacks cb = { on_ready, on_event, on_exited, NULL, NULL };
	const struct proc_id id = child();
	int fds[DESCRIPTORS + 1];

	use_up_descriptors(fds);
	qemu = qemu_end_unheard(&env, UUID, "vm1", false, id, &cb);
	loop_sim_advance_ms(loop, 500);
	assert_told("");
	give_back(fds);
	await_end();
	assert_told("exited;");
}
END_TEST

START_TEST(kill_of_one_that_cannot_be_watched_is_tried_again)
{
	const struct proc_id id = child();
	int fds[DESCRIPTORS + 1];

	use_up_descriptors(fds);
	attach_to(id);
	qemu_kill(qemu);
	give_back(fds);
	ck_assert(qemu_is_alive(qemu));
	await_end();
}
END_TEST

/* One that was killed while it closed its images would have lost what it notes of them for
 * backups. */
START_TEST(qemu_that_has_begun_to_end_is_given_time)
{
	attach_to(child());
	loop_sim_run(loop);
	assert_told("ready;");
	qemu_quit(qemu);
	loop_sim_run(loop);
	if (_i) {
		fake_monitor_event(monitors[0], "SHUTDOWN", "{\"guest\":false}");
		loop_sim_run(loop);
		assert_told("SHUTDOWN;");
		loop_sim_advance_ms(loop, 9000);
		poll(NULL, 0, 20);
		loop_sim_run(loop);
		ck_assert(qemu_is_alive(qemu));
	}
	loop_sim_advance_ms(loop, 2100);
	await_end();
}
END_TEST

static void write_pid_of_the_dead(void)
{
	const pid_t pid = fork();
	struct err err;
	char text[32];
	int len;

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	len = snprintf(text, sizeof(text), "%d\n", (int)pid);
	ck_assert(file_write(scratch_path("vms/" UUID "/pid"), text, (size_t)len, 0600, &err));
}

/* Whoever was told before that it cannot be had would wait for ever. */
START_TEST(process_that_ends_after_it_has_answered_is_told_of)
{
	for (size_t i = 0; i < 2; i++)
		fake_monitor_on(monitors[i], twins[0].command, twins[0].answer);
	write_pid_of_the_dead();
	attach_to((struct proc_id){ 0 });
	loop_sim_run(loop);
	assert_told("conflict;");
	for (size_t i = 0; i < 2; i++)
		fake_monitor_on(monitors[i], "query-uuid", "{\"UUID\":\"" UUID "\"}");
	loop_sim_advance_ms(loop, 3000);
	assert_told("exited;");
	ck_assert(!qemu_is_alive(qemu));
	loop_sim_advance_ms(loop, 10000);
	assert_told("");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qemu_monitor");
	TCase *tc = tcase_create("monitor");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, right_one_is_asked_and_found);
	tcase_add_loop_test(tc, qemu_that_has_begun_to_end_is_given_time, 0, 2);
	tcase_add_test(tc, event_before_the_proof_is_nobodys);
	tcase_add_loop_test(tc, another_guest_is_told_and_left_alone_until_the_right_one_is_back, 0,
			    ARRAY_LEN(twins));
	tcase_add_test(tc, one_of_two_is_another_guest_the_other_is_taken);
	tcase_add_test(tc, first_closes_second_takes_over);
	tcase_add_test(tc, closed_after_each_proof_it_is_tried_once_a_second);
	tcase_add_test(tc, closed_again_after_a_while_the_other_is_taken_at_once);
	tcase_add_test(tc, process_that_cannot_be_watched_is_not_said_to_have_ended);
	tcase_add_test(tc, process_that_ends_after_it_has_answered_is_told_of);
	tcase_add_test(tc, process_that_nobody_can_name_is_there_until_its_monitors_are_gone);
	tcase_add_test(tc, process_that_nobody_can_name_is_gone_with_its_monitors);
	tcase_add_test(tc, end_of_one_beside_that_cannot_be_watched_is_tried_again);
	tcase_add_test(tc, kill_of_one_that_cannot_be_watched_is_tried_again);
	suite_add_tcase(s, tc);
	return s;
}
