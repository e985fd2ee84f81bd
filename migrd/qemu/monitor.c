/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor connection of a QEMU: picks one of its two monitors, and proves whose it
 * is. */
#include "base/log.h"
#include "base/mem.h"
#include "qemu/offers.h"
#include "qemu/priv.h"

#define QUERY_DEADLINE_MS 5000
#define MONITOR_RETRY_MS  1000
/* For a QEMU that has begun to end: it writes its images, and what it notes of them for backups. */
#define CLOSE_GRACE_MS    10000
/* How long a QEMU that has started may take to greet, on each of its two monitors: a hung one
 * keeps a restarted coordinator for 10 s from its other guests. */
#define GREETING_MS     5000
#define MONITOR_COUNT   2
#define FOREIGN_OPEN_MS 5000

/* The question under way.  Its answer comes even after the connection was freed; `qemu'
 * is NULL then. */
struct qemu_question {
	struct qemu *qemu;
};

void qemu_drop_monitor(struct qemu *qemu)
{
	if (qemu->question)
		TAKE_PTR(qemu->question)->qemu = NULL;
	qemu->step = STEP_UUID;
	qmp_conn_free(TAKE_PTR(qemu->conn));
}

/* ---- who is at the other end ----------------------------------------- */

static const struct {
	const char *command, *member;
} identify_steps[] = {
	[STEP_UUID] = { "query-uuid", "UUID" },
	[STEP_FEATURES] = { "query-migrate-capabilities", NULL },
	[STEP_STATUS] = { "query-status", "status" },
};

static void monitor_failed(struct qemu *qemu, const struct err *why);
static void ask_next(struct qemu *qemu);

/* The caller uses QEMU no more: who hears of that may free it. */
static void tell_gone(struct qemu *qemu, const struct err *err)
{
	qemu->is_alive = false;
	qemu_drop_monitor(qemu);
	loop_timer_stop(qemu->retry_timer);
	if (qemu->told_ready)
		qemu->cb.exited(qemu->cb.data);
	else
		qemu_tell_ready(qemu, err);
}

/* Its process may have ended since it has answered.  One that cannot be watched, as when no
 * descriptor is free or its pid file is gone, is there: it is tried again. */
static void identified(struct qemu *qemu)
{
	struct err err;

	qemu->proved_ms = loop_now_ms(qemu->env->loop);
	if (!qemu->proc && !qemu_watch_process(qemu, &err)) {
		if (err.code == ERR_NOT_FOUND) {
			tell_gone(qemu, &err);
		} else {
			qemu->is_alive = true;
			monitor_failed(qemu, &err);
		}
		return;
	}
	qemu->has_started = true;
	qemu->trouble[0] = '\0';
	qemu->version = *qmp_conn_version(qemu->conn);
	offers_read_version(&qemu->version, &qemu->features);
	if (qemu->features.has_schema)
		qemu_note_program(qemu);
	if (noise_note(qemu->noise, qemu->name, "monitor"))
		log_info("qemu", "monitor", "vm=%s pid=%d version=%d.%d.%d state=%s", qemu->name,
			 (int)qemu->id.pid, qemu->version.major, qemu->version.minor,
			 qemu->version.micro, qmp_run_state_name(qemu->run.state));
	if (qemu->told_ready)
		qemu->cb.found(qemu->cb.data);
	else
		qemu_tell_ready(qemu, NULL);
}

static unsigned monitor_count(const struct qemu *qemu)
{
	return qemu->foreign_path ? 1 : MONITOR_COUNT;
}

static const char *member_of(struct json_object *result, enum identify_step step)
{
	const char *member = identify_steps[step].member;

	return member ? json_get_str(result, member) : NULL;
}

static bool matches(struct qemu *qemu, struct json_object *result)
{
	const char *found = member_of(result, qemu->step);

	if (qemu->foreign_path && qemu->step == STEP_UUID)
		return qemu_foreign_matches(qemu, found);
	if (!found && qemu->step != STEP_FEATURES)
		return false;
	switch (qemu->step) {
	case STEP_UUID:
		return strcmp(found, qemu->uuid) == 0;
	case STEP_FEATURES:
		offers_read_capabilities(result, &qemu->features);
		return true;
	case STEP_STATUS:
		qemu->run.state = qmp_run_state_from_name(found);
		return true;
	case STEP_DONE:
		break;
	}
	return false;
}

static void on_identify_reply(void *data, struct json_object *result, const struct err *err)
{
	struct qemu *qemu = ((struct qemu_question *)data)->qemu;
	const char *found;
	struct err wrong;

	free(data);
	if (!qemu)
		return;
	qemu->question = NULL;
	if (err) {
		monitor_failed(qemu, err);
		return;
	}
	if (!matches(qemu, result)) {
		found = member_of(result, qemu->step);
		err_set(&wrong, ERR_CONFLICT,
			"the monitor of VM '%s' belongs to another guest: its %s says '%.40s'",
			qemu->name, identify_steps[qemu->step].command, found ? found : "nothing");
		monitor_failed(qemu, &wrong);
		return;
	}
	qemu->step++;
	ask_next(qemu);
}

static void ask_next(struct qemu *qemu)
{
	if (qemu->step == STEP_DONE) {
		identified(qemu);
		return;
	}
	qemu->question = xnew(struct qemu_question);
	qemu->question->qemu = qemu;
	qmp_command(qemu->conn, identify_steps[qemu->step].command, NULL, QUERY_DEADLINE_MS,
		    on_identify_reply, qemu->question);
}

/* ---- the monitor connection ------------------------------------------ */

static void on_monitor_ready(void *data, const struct err *err)
{
	struct qemu *qemu = data;

	if (err) {
		monitor_failed(qemu, err);
		return;
	}
	qemu->step = STEP_UUID;
	ask_next(qemu);
}

static void on_monitor_closed(void *data, const struct err *why)
{
	monitor_failed(data, why);
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct qemu *qemu = data;

	if (qemu->step != STEP_DONE)
		return; /* not identified yet; the answers to come tell the state */
	qmp_run_follow(&qemu->run, event);
	if (qemu->is_quitting && strcmp(event->name, "SHUTDOWN") == 0)
		loop_timer_start(qemu->kill_timer, CLOSE_GRACE_MS);
	qemu->cb.event(qemu->cb.data, event);
}

/* No process listens on the monitor's socket, so there is no QEMU. */
static bool is_absent(const struct qemu *qemu, const struct err *why)
{
	return !qemu->foreign_path && !qemu->proc && why->code == ERR_UNAVAILABLE;
}

/* A QEMU that refuses its arguments closes its sockets a moment before its exit is
 * seen: on_exit_seen() then reports its last words.  If no exit is seen, the retry
 * tries the monitors again. */
static bool is_ending(const struct qemu *qemu, const struct err *why)
{
	return !qemu->foreign_path && qemu->proc && why->code == ERR_UNAVAILABLE &&
	       qemu->failures <= MONITOR_COUNT;
}

/* A monitor that proves itself and closes at once counts as a failure: otherwise a
 * hostile QEMU could make us connect without end and without a pause. */
static void forget_failures(struct qemu *qemu)
{
	if (qemu->step == STEP_DONE &&
	    loop_now_ms(qemu->env->loop) - qemu->proved_ms >= MONITOR_RETRY_MS)
		qemu->failures = 0;
}

static void log_lost(struct qemu *qemu, const char *why)
{
	if (noise_note(qemu->noise, qemu->name, "monitor-lost"))
		log_warning("qemu", "monitor-lost", "vm=%s monitor=%u error=%s", qemu->name,
			    qemu->monitor, why);
}

/* It has answered before, and nobody could tell which process it is (identified()), so nobody sees
 * its end. */
static bool is_unknown(const struct qemu *qemu)
{
	return qemu->is_alive && qemu->told_ready && !qemu->foreign_path && !qemu->id.pid;
}

static bool holds_place(const struct qemu *qemu)
{
	struct err ignored;

	return !qemu_is_alone(qemu->env, qemu->place, qemu->name, &ignored);
}

/* Tries the other monitor.  A hung QEMU is never killed here: its owner decides, and we
 * go on trying. */
static void monitor_failed(struct qemu *qemu, const struct err *why)
{
	struct err err = *why;

	forget_failures(qemu);
	qemu_drop_monitor(qemu);
	if (qemu->is_quitting || (qemu->proc && !qemu->is_alive))
		return; /* on_exit_seen() reports the end */
	snprintf(qemu->trouble, sizeof(qemu->trouble), "%s", err.msg);
	log_lost(qemu, err.msg);
	qemu->monitor = (qemu->monitor + 1) % monitor_count(qemu);
	if (++qemu->failures < monitor_count(qemu)) {
		qemu_connect_monitor(qemu);
		return;
	}
	if (!is_absent(qemu, why) || (is_unknown(qemu) && holds_place(qemu))) {
		loop_timer_start(qemu->retry_timer, MONITOR_RETRY_MS);
	} else if (is_unknown(qemu)) {
		tell_gone(qemu, &err);
		return;
	} else {
		err_set(&err, ERR_NOT_FOUND, "VM '%s' has no QEMU process", qemu->name);
	}
	if (!is_ending(qemu, why))
		qemu_tell_ready(qemu, &err);
}

static void connect_foreign(struct qemu *qemu, const struct qmp_callbacks *cb)
{
	int fd;

	if (qemu_foreign_connect(qemu, &fd, &qemu->refusal))
		qemu->conn = qmp_conn_open_fd(qemu->env->loop, fd, FOREIGN_OPEN_MS, cb);
	else
		loop_timer_start(qemu->retry_timer, 0);
}

static uint32_t greeting_ms(const struct qemu *qemu)
{
	uint32_t start_ms = qemu->env->start_timeout_ms;

	return qemu->has_started && start_ms > GREETING_MS ? GREETING_MS : start_ms;
}

static char *monitor_path(const struct qemu *qemu, unsigned number)
{
	char file[32];

	snprintf(file, sizeof(file), "qmp%u.sock", number);
	return qemu_path(qemu->env, qemu->place, file);
}

char *qemu_spare_monitor(const struct qemu *qemu)
{
	return qemu->foreign_path ? xstrdup(qemu->foreign_path)
				  : monitor_path(qemu, !qemu->monitor);
}

char *qemu_used_monitor(const struct qemu *qemu)
{
	return qemu->foreign_path ? NULL : monitor_path(qemu, qemu->monitor);
}

void qemu_connect_monitor(struct qemu *qemu)
{
	const struct qmp_callbacks cb = { on_monitor_ready, on_event, on_monitor_closed, qemu };
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(free_charp) char *address = NULL;

	if (qemu->foreign_path) {
		connect_foreign(qemu, &cb);
		return;
	}
	path = monitor_path(qemu, qemu->monitor);
	address = xasprintf("unix:%s", path);
	qemu->conn = qmp_conn_open(qemu->env->loop, address, greeting_ms(qemu), &cb);
}

void qemu_on_retry(void *data)
{
	struct qemu *qemu = data;
	struct err err = qemu->refusal;

	if (qemu->unheard_until_ms) {
		qemu_look_unheard(qemu);
		return;
	}

	qemu->refusal = (struct err){ 0 };
	if (err_is_set(&err)) {
		monitor_failed(qemu, &err);
	} else if (qemu->id.pid && !qemu->proc && !qemu_watch_process(qemu, &err) &&
		   err.code == ERR_NOT_FOUND) {
		err_set(&err, ERR_NOT_FOUND, "the QEMU of VM '%s' (pid %d) has ended", qemu->name,
			(int)qemu->id.pid);
		tell_gone(qemu, &err);
	} else if (!qemu->conn) {
		qemu_connect_monitor(qemu);
	}
}
