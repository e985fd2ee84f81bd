/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/qmp_rig.h -- a monitor connection to a scripted QEMU, on the simulated loop.
 * All that happens to the connection is written into a trace. */
#ifndef MIGRD_TESTS_LIB_QMP_RIG_H
#define MIGRD_TESTS_LIB_QMP_RIG_H

#include <check.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "qmp/conn.h"
#include "tests/lib/fake_monitor.h"
#include "tests/lib/scratch.h"

#define OPEN_MS 2000
/* DATA of a reply: the name under which the reply is traced. */
#define NAME(s) ((void *)(uintptr_t)(s))

static struct loop *loop;
static struct fake_monitor *fm;
static struct qmp_conn *conn;
static struct strbuf trace; /* what happened, in order, each entry ended by ';' */
static unsigned ready_count, closed_count;
static struct err last_err;

static inline void on_ready(void *data, const struct err *err)
{
	(void)data;
	ready_count++;
	if (err)
		last_err = *err;
	strbuf_addf(&trace, "%s;", err ? err_name(err->code) : "ready");
}

static inline void on_event(void *data, const struct qmp_event *event)
{
	(void)data;
	strbuf_addf(&trace, "event %s;", event->name);
}

static inline void on_closed(void *data, const struct err *why)
{
	(void)data;
	closed_count++;
	last_err = *why;
	strbuf_addf(&trace, "closed %s;", err_name(why->code));
}

static inline void on_reply(void *data, struct json_object *result, const struct err *err)
{
	if (err)
		last_err = *err;
	strbuf_addf(&trace, "%s=%s;", (const char *)data,
		    err ? err_name(err->code)
			: json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

static const struct qmp_callbacks callbacks = { on_ready, on_event, on_closed, NULL };

static inline void setup(void)
{
	int fd;

	scratch_setup();
	loop = loop_new_sim();
	fm = fake_monitor_new(loop, &fd);
	conn = qmp_conn_open_fd(loop, fd, OPEN_MS, &callbacks);
}

static inline void teardown(void)
{
	qmp_conn_free(conn);
	loop_sim_run(loop);
	fake_monitor_free(fm);
	loop_free(loop);
	strbuf_fini(&trace);
	scratch_teardown();
}

static inline void greet_and_run(bool oob)
{
	fake_monitor_greet(fm, oob);
	loop_sim_run(loop);
	ck_assert_str_eq(strbuf_str(&trace), "ready;");
	strbuf_clear(&trace);
}

static inline void setup_ready(void)
{
	setup();
	greet_and_run(true);
}

static inline void ask(const char *command, uint32_t deadline_ms)
{
	qmp_command(conn, command, NULL, deadline_ms, on_reply, NAME(command));
}

#define assert_trace(text) ck_assert_str_eq(strbuf_str(&trace), text)

static inline void assert_says(const char *text)
{
	ck_assert_msg(strstr(last_err.msg, text) != NULL, "'%s' lacks '%s'", last_err.msg, text);
}

static inline void open_with(const struct qmp_callbacks *cb)
{
	int fd;

	qmp_conn_free(conn);
	fake_monitor_free(fm);
	fm = fake_monitor_new(loop, &fd);
	conn = qmp_conn_open_fd(loop, fd, OPEN_MS, cb);
}

static inline TCase *cases(Suite *s, const char *name, SFun with)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, with, teardown);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	return tc;
}

#endif
