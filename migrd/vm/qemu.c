/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/qemu.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/cmdline.h"

#define QUERY_DEADLINE_MS 5000
#define QUIT_GRACE_MS     2000
#define MONITOR_RETRY_MS  1000
#define MONITOR_COUNT     2
#define WORDS_MAX         400

enum identify_step { STEP_UUID, STEP_NAME, STEP_STATUS, STEP_DONE };

/* The question under way.  Its answer comes even after the connection was
 * freed, and then finds no qemu. */
struct question {
	struct qemu *qemu;
};

struct qemu {
	const struct qemu_env *env;
	struct qemu_callbacks cb;
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	struct proc_id id;
	struct proc *proc;
	struct qmp_conn *conn;
	unsigned monitor;  /* which of the two the connection uses */
	unsigned failures; /* of monitors since one last worked */
	enum identify_step step;
	struct question *question;
	bool is_alive, told_ready, is_quitting;
	enum qmp_run_state run_state;
	struct qmp_version version;
	struct loop_timer *kill_timer;
	struct loop_timer *retry_timer; /* of the monitors, and for a late NOT_FOUND */
};

static void connect_monitor(struct qemu *qemu);

/* ---- places ---------------------------------------------------------- */

static char *vm_path(const struct qemu_env *env, const char *uuid, const char *file)
{
	return xasprintf("%s/vms/%s%s%s", env->run_dir, uuid, file ? "/" : "", file ? file : "");
}

static char *log_path(const struct qemu_env *env, const char *uuid)
{
	return xasprintf("%s/%s.log", env->log_dir, uuid);
}

void qemu_last_words(const struct qemu_env *env, const char *uuid, char *ret_text, size_t size)
{
	CLEANUP(free_charp) char *path = log_path(env, uuid);
	CLEANUP(free_charp) char *text = NULL;
	struct err ignored;
	size_t len;

	snprintf(ret_text, size, "%s", "it printed nothing");
	if (!file_read_tail(path, WORDS_MAX, &text, &ignored))
		return;
	for (len = strlen(text); len && isspace((unsigned char)text[len - 1]); len--)
		text[len - 1] = '\0';
	if (len)
		snprintf(ret_text, size, "%s", text);
}

void qemu_remove_files(const struct qemu_env *env, const char *uuid, bool log)
{
	CLEANUP(free_charp) char *dir = vm_path(env, uuid, NULL);
	CLEANUP(free_charp) char *path = log_path(env, uuid);
	struct err err;

	if (!dir_remove(dir, &err))
		log_warning("qemu", "leftover", "vm_uuid=%s error=\"%s\"", uuid, err.msg);
	if (log && unlink(path) < 0 && errno != ENOENT)
		log_warning("qemu", "leftover", "vm_uuid=%s file=%s", uuid, path);
}

bool qemu_has_listener(const struct qemu_env *env, const char *uuid)
{
	CLEANUP(free_charp) char *path = vm_path(env, uuid, "qmp0.sock");
	CLEANUP(closep) int fd = -1;
	struct err err;

	return unix_connect(path, SOCK_STREAM, &fd, &err) || err.code != ERR_UNAVAILABLE;
}

static void remove_leftover(const struct qemu_env *env, const char *uuid,
			    qemu_is_known_fn *is_known, void *data)
{
	if (!id_uuid_is_valid(uuid) || is_known(data, uuid))
		return;
	if (qemu_has_listener(env, uuid)) {
		log_error("qemu", "unknown",
			  "vm_uuid=%s: a QEMU that no record knows; it is left alone", uuid);
		return;
	}
	log_info("qemu", "leftover", "vm_uuid=%s: removed", uuid);
	qemu_remove_files(env, uuid, true);
}

/* An entry is named by its VM's uuid, and may have more behind it. */
static void remove_leftovers_of(const char *path, const struct qemu_env *env,
				qemu_is_known_fn *is_known, void *data)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char uuid[ID_UUID_SIZE];

	while (dir && (entry = readdir(dir))) {
		snprintf(uuid, sizeof(uuid), "%.*s", ID_UUID_SIZE - 1, entry->d_name);
		remove_leftover(env, uuid, is_known, data);
	}
	if (dir)
		closedir(dir);
}

void qemu_remove_leftovers(const struct qemu_env *env, qemu_is_known_fn *is_known, void *data)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/vms", env->run_dir);

	remove_leftovers_of(path, env, is_known, data);
	remove_leftovers_of(env->log_dir, env, is_known, data);
}

/* ---- telling the owner ----------------------------------------------- */

/* The owner may free the qemu in there: nothing may follow. */
static void tell_ready(struct qemu *qemu, const struct err *err)
{
	if (qemu->told_ready)
		return;
	qemu->told_ready = true;
	qemu->cb.ready(qemu->cb.data, err);
}

static void set_exit_error(struct qemu *qemu, struct err *err)
{
	char words[WORDS_MAX + 1];

	qemu_last_words(qemu->env, qemu->uuid, words, sizeof(words));
	err_set(err, ERR_QEMU, "QEMU ended at its start: %s", words);
}

static void drop_monitor(struct qemu *qemu)
{
	if (qemu->question)
		TAKE_PTR(qemu->question)->qemu = NULL;
	qemu->step = STEP_UUID;
	qmp_conn_free(TAKE_PTR(qemu->conn));
}

static void on_exit_seen(void *data, int status)
{
	struct qemu *qemu = data;
	struct err err;

	fault_hit("qemu.exited", &err);
	qemu->is_alive = false;
	loop_timer_stop(qemu->kill_timer);
	loop_timer_stop(qemu->retry_timer);
	drop_monitor(qemu);
	log_info("qemu", "exited", "vm=%s pid=%d status=%d", qemu->name, (int)qemu->id.pid, status);
	if (!qemu->told_ready) {
		set_exit_error(qemu, &err);
		tell_ready(qemu, &err);
	} else {
		qemu->cb.exited(qemu->cb.data);
	}
}

/* ---- who is at the other end ----------------------------------------- */

static const struct {
	const char *command, *member;
} identify_steps[] = {
	[STEP_UUID] = { "query-uuid", "UUID" },
	[STEP_NAME] = { "query-name", "name" },
	[STEP_STATUS] = { "query-status", "status" },
};

static void monitor_failed(struct qemu *qemu, const struct err *why);
static void ask_next(struct qemu *qemu);

/* The pid file is QEMU's own word; it is there before the monitor answers. */
static bool find_process(struct qemu *qemu, struct err *err)
{
	CLEANUP(free_charp) char *path = vm_path(qemu->env, qemu->uuid, "pid");
	CLEANUP(free_charp) char *text = NULL;
	size_t len;
	long pid;

	if (!file_read(path, 32, &text, &len, err))
		return err_wrap(err, "cannot tell which process the monitor of VM '%s' belongs to",
				qemu->name);
	pid = strtol(text, NULL, 10);
	if (pid <= 1)
		return err_set(err, ERR_INVALID, "'%s' holds no process id", path);
	return proc_identify((pid_t)pid, &qemu->id, err);
}

static bool watch_process(struct qemu *qemu, struct err *err)
{
	if (!qemu->id.pid && !find_process(qemu, err))
		return false;
	qemu->proc = proc_watch(qemu->env->loop, qemu->id, on_exit_seen, qemu, err);
	qemu->is_alive = qemu->proc != NULL;
	return qemu->is_alive;
}

static void identified(struct qemu *qemu)
{
	struct err err;

	if (!qemu->proc && !watch_process(qemu, &err)) {
		tell_ready(qemu, &err);
		return;
	}
	qemu->failures = 0;
	qemu->version = *qmp_conn_version(qemu->conn);
	log_info("qemu", "monitor", "vm=%s pid=%d version=%d.%d.%d state=%s", qemu->name,
		 (int)qemu->id.pid, qemu->version.major, qemu->version.minor, qemu->version.micro,
		 qmp_run_state_name(qemu->run_state));
	tell_ready(qemu, NULL);
}

static bool matches(struct qemu *qemu, const char *found)
{
	switch (qemu->step) {
	case STEP_UUID:
		return strcmp(found, qemu->uuid) == 0;
	case STEP_NAME:
		return strcmp(found, qemu->name) == 0;
	case STEP_STATUS:
		qemu->run_state = qmp_run_state_from_name(found);
		return true;
	case STEP_DONE:
		break;
	}
	return false;
}

static void on_identify_reply(void *data, struct json_object *result, const struct err *err)
{
	struct qemu *qemu = ((struct question *)data)->qemu;
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
	found = json_get_str(result, identify_steps[qemu->step].member);
	if (!found || !matches(qemu, found)) {
		err_set(&wrong, ERR_CONFLICT,
			"the monitor of VM '%s' belongs to another guest: its %s says '%.40s'",
			qemu->name, identify_steps[qemu->step].command, found ? found : "nothing");
		drop_monitor(qemu);
		tell_ready(qemu, &wrong);
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
	qemu->question = xnew(struct question);
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

/* What an event says about the run state (qapi/run-state.json). */
static const struct {
	const char *event;
	enum qmp_run_state state;
} event_states[] = {
	{ "RESUME", QMP_RUN_RUNNING },
	{ "STOP", QMP_RUN_PAUSED },
	{ "GUEST_PANICKED", QMP_RUN_GUEST_PANICKED },
	{ "SUSPEND", QMP_RUN_SUSPENDED },
	{ "SHUTDOWN", QMP_RUN_SHUTDOWN },
};

/* A guest that arrived stopped: QEMU has no event for the end of `inmigrate'
 * without a run. */
static bool has_arrived(const struct qemu *qemu, const struct qmp_event *event)
{
	const char *status = json_get_str(event->data, "status");

	return qemu->run_state == QMP_RUN_INMIGRATE && strcmp(event->name, "MIGRATION") == 0 &&
	       status && strcmp(status, "completed") == 0;
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct qemu *qemu = data;

	if (has_arrived(qemu, event))
		qemu->run_state = QMP_RUN_PAUSED;
	for (size_t i = 0; i < ARRAY_LEN(event_states); i++) {
		if (strcmp(event->name, event_states[i].event) == 0)
			qemu->run_state = event_states[i].state;
	}
	qemu->cb.event(qemu->cb.data, event);
}

/* Nobody holds the monitor's socket, so no QEMU does. */
static bool is_absent(const struct qemu *qemu, const struct err *why)
{
	return !qemu->proc && why->code == ERR_UNAVAILABLE;
}

/* A QEMU that refuses its arguments shuts its sockets a moment before its end
 * is seen: on_exit_seen() has its words, and the retry is for when it has none. */
static bool is_ending(const struct qemu *qemu, const struct err *why)
{
	return qemu->proc && why->code == ERR_UNAVAILABLE && qemu->failures <= MONITOR_COUNT;
}

/* Tries the other monitor.  A hung QEMU is not ours to kill: its owner decides,
 * and we go on trying. */
static void monitor_failed(struct qemu *qemu, const struct err *why)
{
	struct err err = *why;

	drop_monitor(qemu);
	if (qemu->is_quitting || (qemu->proc && !qemu->is_alive))
		return; /* on_exit_seen() tells */
	log_warning("qemu", "monitor-lost", "vm=%s monitor=%u error=\"%s\"", qemu->name,
		    qemu->monitor, err.msg);
	qemu->monitor = (qemu->monitor + 1) % MONITOR_COUNT;
	if (++qemu->failures < MONITOR_COUNT) {
		connect_monitor(qemu);
		return;
	}
	if (is_absent(qemu, why))
		err_set(&err, ERR_NOT_FOUND, "VM '%s' has no QEMU process", qemu->name);
	else
		loop_timer_start(qemu->retry_timer, MONITOR_RETRY_MS);
	if (!is_ending(qemu, why))
		tell_ready(qemu, &err);
}

static void connect_monitor(struct qemu *qemu)
{
	const struct qmp_callbacks cb = { on_monitor_ready, on_event, on_monitor_closed, qemu };
	char file[16];
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(free_charp) char *address = NULL;

	snprintf(file, sizeof(file), "qmp%u.sock", qemu->monitor);
	path = vm_path(qemu->env, qemu->uuid, file);
	address = xasprintf("unix:%s", path);
	qemu->conn = qmp_conn_open(qemu->env->loop, address, qemu->env->start_timeout_ms, &cb);
}

static void on_retry(void *data)
{
	struct qemu *qemu = data;
	struct err err;

	if (qemu->id.pid && !qemu->proc) {
		err_set(&err, ERR_NOT_FOUND, "the QEMU of VM '%s' (pid %d) has ended", qemu->name,
			(int)qemu->id.pid);
		tell_ready(qemu, &err);
	} else if (!qemu->conn) {
		connect_monitor(qemu);
	}
}

/* ---- life cycle ------------------------------------------------------ */

static void on_kill_timer(void *data)
{
	qemu_kill(data);
}

static struct qemu *qemu_new(const struct qemu_env *env, const char *uuid, const char *name,
			     const struct qemu_callbacks *cb)
{
	struct qemu *qemu = xnew(struct qemu);

	loop_assert_thread(env->loop);
	qemu->env = env;
	qemu->cb = *cb;
	snprintf(qemu->uuid, sizeof(qemu->uuid), "%s", uuid);
	snprintf(qemu->name, sizeof(qemu->name), "%s", name);
	qemu->run_state = QMP_RUN_UNKNOWN;
	qemu->kill_timer = loop_timer_new(env->loop, on_kill_timer, qemu);
	qemu->retry_timer = loop_timer_new(env->loop, on_retry, qemu);
	return qemu;
}

static bool make_socket(struct qemu *qemu, const char *file, int *ret_fd, struct err *err)
{
	CLEANUP(free_charp) char *path = vm_path(qemu->env, qemu->uuid, file);

	return unix_listen(path, SOCK_STREAM, ret_fd, err);
}

static bool make_sockets(struct qemu *qemu, const struct vm_def *def, struct cmdline_fds *fds,
			 struct err *err)
{
	CLEANUP(free_charp) char *dir = vm_path(qemu->env, qemu->uuid, NULL);

	return dir_make(dir, 0700, err) && make_socket(qemu, "qmp0.sock", &fds->monitor[0], err) &&
	       make_socket(qemu, "qmp1.sock", &fds->monitor[1], err) &&
	       (!def->guest_agent || make_socket(qemu, "agent.sock", &fds->agent, err));
}

static void close_sockets(struct cmdline_fds *fds)
{
	closep(&fds->monitor[0]);
	closep(&fds->monitor[1]);
	closep(&fds->agent);
}

static bool spawn(struct qemu *qemu, const struct vm_def *def, bool incoming,
		  const struct cmdline_fds *fds, struct err *err)
{
	CLEANUP(free_charp) char *pid_file = vm_path(qemu->env, qemu->uuid, "pid");
	CLEANUP(free_charp) char *log = log_path(qemu->env, qemu->uuid);
	struct cmdline *cmdline = cmdline_build(def, qemu->env->binary, pid_file, incoming, fds);
	const int keep[] = { fds->monitor[0], fds->monitor[1], fds->agent };
	const struct proc_args args = {
		.argv = cmdline_argv(cmdline),
		.keep_fds = keep,
		.keep_fd_count = fds->agent >= 0 ? 3 : 2,
		.log_path = log,
	};
	bool ok = !fault_hit("qemu.spawn", err) && dir_make(qemu->env->log_dir, 0700, err) &&
		  proc_spawn(&args, &qemu->id, err);
	struct err ignored;

	if (ok)
		fault_hit("qemu.spawned", &ignored); /* it runs, and no record knows */
	cmdline_free(cmdline);
	return ok;
}

bool qemu_is_alone(const struct qemu_env *env, const char *uuid, const char *name, struct err *err)
{
	CLEANUP(free_charp) char *pid_file = vm_path(env, uuid, "pid");

	if (!file_is_locked(pid_file))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "another QEMU of VM '%s' is running, which holds '%s': 'migrctl host check' "
		       "tells of it",
		       name, pid_file);
}

struct qemu *qemu_start(const struct qemu_env *env, const struct vm_def *def, bool incoming,
			const struct qemu_callbacks *cb, struct err *err)
{
	struct cmdline_fds fds = CMDLINE_FDS_INIT;
	struct qemu *qemu;
	bool ok;

	if (!qemu_is_alone(env, def->uuid, def->name, err))
		return NULL;
	qemu = qemu_new(env, def->uuid, def->name, cb);
	qemu_remove_files(env, def->uuid, true);
	ok = make_sockets(qemu, def, &fds, err) && spawn(qemu, def, incoming, &fds, err);
	close_sockets(&fds);
	if (ok && !watch_process(qemu, err)) {
		set_exit_error(qemu, err);
		ok = false;
	}
	if (!ok) {
		qemu_free(qemu);
		err_wrap(err, "cannot start VM '%s'", def->name);
		return NULL;
	}
	log_info("qemu", "started", "vm=%s pid=%d incoming=%d", def->name, (int)qemu->id.pid,
		 incoming);
	connect_monitor(qemu);
	return qemu;
}

struct qemu *qemu_attach(const struct qemu_env *env, const char *uuid, const char *name,
			 struct proc_id id, const struct qemu_callbacks *cb)
{
	struct qemu *qemu = qemu_new(env, uuid, name, cb);
	struct err err;

	qemu->id = id;
	if (id.pid && !watch_process(qemu, &err))
		loop_timer_start(qemu->retry_timer, 0);
	else
		connect_monitor(qemu);
	return qemu;
}

void qemu_free(struct qemu *qemu)
{
	if (!qemu)
		return;
	drop_monitor(qemu);
	proc_free(qemu->proc);
	loop_timer_free(qemu->kill_timer);
	loop_timer_free(qemu->retry_timer);
	free(qemu);
}

/* ---- use ------------------------------------------------------------- */

struct qmp_conn *qemu_monitor(const struct qemu *qemu)
{
	return qemu && qemu->is_alive && qemu->step == STEP_DONE ? qemu->conn : NULL;
}

bool qemu_is_alive(const struct qemu *qemu)
{
	return qemu && qemu->is_alive;
}

struct proc_id qemu_proc_id(const struct qemu *qemu)
{
	return qemu->id;
}

const struct qmp_version *qemu_version(const struct qemu *qemu)
{
	return qemu->version.major ? &qemu->version : NULL;
}

enum qmp_run_state qemu_run_state(const struct qemu *qemu)
{
	return qemu->run_state;
}

void qemu_note_run_state(struct qemu *qemu, enum qmp_run_state state)
{
	qemu->run_state = state;
}

/* An answer for a command that could not be sent, given on the loop. */
struct refusal {
	qmp_reply_fn *fn;
	void *data;
	struct err err;
};

static void refuse(void *data)
{
	struct refusal *refusal = data;

	refusal->fn(refusal->data, NULL, &refusal->err);
	free(refusal);
}

void qemu_command(struct qemu *qemu, const char *name, struct json_object *args,
		  uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	struct qmp_conn *conn = qemu_monitor(qemu);
	struct refusal *refusal;

	if (conn) {
		qmp_command(conn, name, args, deadline_ms, fn, data);
		return;
	}
	json_object_put(args);
	if (!fn)
		return;
	refusal = xnew(struct refusal);
	refusal->fn = fn;
	refusal->data = data;
	err_set(&refusal->err, ERR_UNAVAILABLE, "the QEMU of VM '%s' has no monitor at the moment",
		qemu->name);
	loop_post(qemu->env->loop, refuse, refusal);
}

void qemu_quit(struct qemu *qemu)
{
	if (!qemu->is_alive)
		return;
	if (!qemu_monitor(qemu)) {
		qemu_kill(qemu);
		return;
	}
	qemu->is_quitting = true;
	qmp_command(qemu->conn, "quit", NULL, QUIT_GRACE_MS, NULL, NULL);
	loop_timer_start(qemu->kill_timer, QUIT_GRACE_MS);
}

void qemu_kill(struct qemu *qemu)
{
	if (qemu->is_alive)
		proc_kill(qemu->proc, SIGKILL);
}
