/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/qemu.h with fake processes, and the events that they tell. */
#include "fake_qemu_priv.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "trace.h"

#define PROCESSES_MAX 1024

bool fake_qemu_has_schema = true;
struct qmp_version fake_qemu_version = { .major = 7, .minor = 2 };
bool fake_qemu_cancel_keeps_images = true;
bool fake_qemu_start_fails, fake_qemu_start_hangs, fake_qemu_quit_hangs;
bool fake_qemu_is_stray;
int64_t fake_qemu_time_us = 1;
char fake_boot_id[ID_UUID_SIZE] = "6a1b0000-0000-4000-8000-000000000001";

static struct loop *loop;
static struct fake_process processes[PROCESSES_MAX];
static size_t process_count;
static struct qemu *qemus;
static uint64_t last_number;

/* ---- processes and their watchers ------------------------------------ */

void fake_qemu_init(struct loop *the_loop)
{
	loop = the_loop;
	process_count = 0;
	fake_qmp_init(the_loop);
	fake_qemu_time_us = 1;
	fake_qemu_start_fails = fake_qemu_start_hangs = fake_qemu_quit_hangs = false;
}

void fake_qemu_fini(void)
{
	ck_assert_ptr_null(qemus);
	fake_qmp_fini();
}

static struct fake_process *youngest(void)
{
	ck_assert_uint_gt(process_count, 0);
	return &processes[process_count - 1];
}

struct fake_qemu *fake_qemu(void)
{
	return &youngest()->fake;
}

struct qemu *fake_qemu_watcher(uint64_t number)
{
	struct qemu *qemu = qemus;

	while (qemu && qemu->number != number)
		qemu = qemu->next;
	return qemu;
}

static struct qemu *watcher(void)
{
	struct qemu *qemu = qemus;

	while (qemu && qemu->process != youngest())
		qemu = qemu->next;
	return qemu;
}

/* --wrap of the linker needs this name. */
const char *wrap_proc_boot_id(void) __asm__("__wrap_proc_boot_id");

const char *wrap_proc_boot_id(void)
{
	return fake_boot_id;
}

/* ---- events, delivered on the loop ----------------------------------- */

struct happening {
	uint64_t qemu;
	void (*fn)(struct qemu *qemu, struct happening *what);
	char name[32];
	struct json_object *data;
	struct err err;
};

static void happen(void *data)
{
	struct happening *what = data;
	struct qemu *qemu = fake_qemu_watcher(what->qemu);

	if (qemu)
		what->fn(qemu, what);
	json_object_put(what->data);
	free(what);
}

static struct happening *post(const struct qemu *qemu,
			      void (*fn)(struct qemu *qemu, struct happening *what))
{
	struct happening *what = xnew(struct happening);

	what->qemu = qemu->number;
	what->fn = fn;
	loop_post(loop, happen, what);
	return what;
}

static void tell_ready(struct qemu *qemu, struct happening *what)
{
	if (qemu->told_ready)
		return;
	qemu->told_ready = true;
	qemu->has_monitor = !err_is_set(&what->err);
	qemu->cb.ready(qemu->cb.data, err_is_set(&what->err) ? &what->err : NULL);
}

static void tell_exit(struct qemu *qemu, struct happening *what)
{
	if (!qemu->is_alive)
		return;
	qemu->is_alive = qemu->has_monitor = false;
	fake_qmp_lose(qemu);
	if (!qemu->told_ready) {
		err_set(&what->err, ERR_QEMU, "QEMU ended at its start: bad luck");
		tell_ready(qemu, what);
	} else {
		qemu->cb.exited(qemu->cb.data);
	}
}

static void tell_event(struct qemu *qemu, struct happening *what)
{
	const struct qmp_event event = { what->name, what->data, fake_qemu_time_us };

	if (qemu->has_monitor)
		qemu->cb.event(qemu->cb.data, &event);
}

void fake_qemu_event(const char *name, const char *data)
{
	const struct qemu *qemu = watcher();
	struct happening *what;

	if (!qemu)
		return;
	what = post(qemu, tell_event);
	snprintf(what->name, sizeof(what->name), "%s", name);
	what->data = data ? json_tokener_parse(data) : NULL;
}

static void end(struct fake_process *process)
{
	const struct qemu *qemu = qemus;

	process->fake.is_alive = false;
	while (qemu && qemu->process != process)
		qemu = qemu->next;
	if (qemu)
		post(qemu, tell_exit);
}

void fake_qemu_dies(void)
{
	end(youngest());
	loop_sim_run(loop);
}

void fake_qemu_dies_unseen(void)
{
	ck_assert_ptr_null(watcher());
	fake_qemu()->is_alive = false;
}

void fake_qemu_lose_monitor(void)
{
	watcher()->has_monitor = false;
	fake_qmp_lose(watcher());
	loop_sim_run(loop);
}

static void tell_found(struct qemu *qemu, struct happening *what)
{
	(void)what;
	if (!qemu->is_alive)
		return;
	qemu->has_monitor = true;
	qemu->cb.found(qemu->cb.data);
}

void fake_qemu_find_monitor(void)
{
	fake_qemu()->is_hung = false;
	post(watcher(), tell_found);
	loop_sim_run(loop);
}

void fake_qemu_ready(const char *error)
{
	struct happening *what = post(watcher(), tell_ready);

	if (error)
		err_set(&what->err, ERR_TIMEOUT, "%s", error);
	loop_sim_run(loop);
}

static bool has_loaded(const char *state)
{
	return strcmp(state, "completed") == 0 || strcmp(state, "postcopy-active") == 0;
}

/* qapi/migration.json: the CPUs stop before the state is `device', and go on
 * by themselves when a transfer fails. */
void fake_qemu_migrates(const char *state)
{
	struct fake_qemu *fake = fake_qemu();
	bool is_over = strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
	bool is_last = strcmp(state, "device") == 0 || strcmp(state, "pre-switchover") == 0;
	char data[64];

	if (is_last && fake->run == QMP_RUN_RUNNING)
		fake_qemu_event("STOP", NULL);
	if (is_last)
		fake->run = QMP_RUN_FINISH_MIGRATE;
	if (strcmp(state, "completed") == 0 && !fake->is_incoming)
		fake->run = QMP_RUN_POSTMIGRATE;
	if (has_loaded(state) && fake->run == QMP_RUN_INMIGRATE)
		fake->run = QMP_RUN_PAUSED;
	if (is_over && fake->run == QMP_RUN_FINISH_MIGRATE) {
		fake->run = QMP_RUN_RUNNING;
		fake_qemu_event("RESUME", NULL);
	}
	fake->mig = state;
	snprintf(data, sizeof(data), "{\"status\":\"%s\"}", state);
	fake_qemu_event("MIGRATION", data);
	loop_sim_run(loop);
}

/* ---- qemu/qemu.h ------------------------------------------------------- */

static struct qemu *qemu_new(const struct qemu_callbacks *cb)
{
	struct qemu *qemu = xnew(struct qemu);

	qemu->number = ++last_number;
	qemu->cb = *cb;
	qemu->version = fake_qemu_version;
	qemu->next = qemus;
	qemus = qemu;
	return qemu;
}

struct qemu *qemu_start(const struct qemu_env *env, const struct qemu_start *how,
			const struct qemu_callbacks *cb, struct err *err)
{
	const struct vm_def *def = how->def;
	bool incoming = how->incoming != CMDLINE_INCOMING_NONE;
	struct fake_process *process = &processes[process_count];
	struct qemu *qemu;

	(void)env;
	trace_add("qemu start%s", incoming ? " incoming" : "");
	if (fake_qemu_start_fails) {
		err_set(err, ERR_QEMU, "cannot start VM '%s': no such program", def->name);
		return NULL;
	}
	ck_assert_uint_lt(++process_count, PROCESSES_MAX);
	*process = (struct fake_process){
		.fake = { .is_alive = true,
			  .is_incoming = incoming,
			  .has_oob = true,
			  .run = incoming ? QMP_RUN_INMIGRATE : QMP_RUN_PRELAUNCH },
		.id = { .pid = (pid_t)(1000 + process_count), .start_time = process_count },
	};
	snprintf(process->uuid, sizeof(process->uuid), "%s", def->uuid);
	qemu = qemu_new(cb);
	qemu->process = process;
	qemu->id = process->id;
	qemu->is_alive = true;
	if (!fake_qemu_start_hangs)
		post(qemu, tell_ready);
	return qemu;
}

static struct fake_process *find_process(const char *uuid, struct proc_id id)
{
	for (size_t i = 0; i < process_count; i++) {
		struct fake_process *process = &processes[i];

		if (process->fake.is_alive && strcmp(process->uuid, uuid) == 0 &&
		    (!id.pid ||
		     (id.pid == process->id.pid && id.start_time == process->id.start_time)))
			return process;
	}
	return NULL;
}

struct qemu *qemu_attach(const struct qemu_env *env, const char *uuid, const char *name,
			 bool is_second, struct proc_id id, const struct qemu_callbacks *cb)
{
	struct qemu *qemu = qemu_new(cb);
	struct happening *what = post(qemu, tell_ready);

	(void)env;
	(void)is_second;
	trace_add("qemu attach");
	qemu->process = find_process(uuid, id);
	qemu->is_alive = qemu->process != NULL;
	if (!qemu->process)
		err_set(&what->err, ERR_NOT_FOUND, "VM '%s' has no QEMU process", name);
	else if (qemu->process->fake.is_hung)
		err_set(&what->err, ERR_TIMEOUT, "the monitor does not answer");
	if (qemu->process)
		qemu->id = qemu->process->id;
	return qemu;
}

struct qemu *qemu_attach_foreign(const struct qemu_env *env, const char *uuid, const char *name,
				 const char *path, struct proc_id id,
				 const struct qemu_callbacks *cb)
{
	trace_add("qemu monitor %s", path);
	return qemu_attach(env, uuid, name, false, id, cb);
}

void qemu_hand_over(struct qemu *qemu, const char *uuid, const char *name,
		    const struct qemu_callbacks *cb)
{
	(void)uuid;
	(void)name;
	qemu->cb = *cb;
}

void qemu_rename(struct qemu *qemu, const char *name)
{
	(void)qemu;
	(void)name;
}

void qemu_place(const char *uuid, bool is_second, char ret[QEMU_PLACE_SIZE])
{
	snprintf(ret, QEMU_PLACE_SIZE, "%s%s", uuid, is_second ? QEMU_PLACE_SUFFIX : "");
}

void qemu_free(struct qemu *qemu)
{
	struct qemu **link = &qemus;

	if (!qemu)
		return;
	fake_qmp_lose(qemu);
	while (*link != qemu)
		link = &(*link)->next;
	*link = qemu->next;
	free(qemu);
}

/* The result is no real connection: callers only hand it to the two functions below. */
struct qmp_conn *qemu_monitor(const struct qemu *qemu)
{
	union {
		const struct qemu *qemu;
		struct qmp_conn *conn;
	} cast = { qemu };

	return qemu && qemu->is_alive && qemu->has_monitor ? cast.conn : NULL;
}

static struct qemu *of_conn(const struct qmp_conn *conn)
{
	struct qemu *qemu = qemus;

	while (qemu && qemu_monitor(qemu) != conn)
		qemu = qemu->next;
	ck_assert_ptr_nonnull(qemu);
	return qemu;
}

bool qmp_conn_has_oob(const struct qmp_conn *conn)
{
	return of_conn(conn)->process->fake.has_oob;
}

void qmp_command_fd(struct qmp_conn *conn, const char *name, struct json_object *args, int fd,
		    uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	close(fd);
	fake_qmp_send(of_conn(conn), name, args, deadline_ms, fn, data);
}

void qmp_command_oob(struct qmp_conn *conn, const char *name, struct json_object *args,
		     uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	fake_qmp_send(of_conn(conn), name, args, deadline_ms, fn, data);
}

const char *qemu_trouble(const struct qemu *qemu)
{
	return qemu->has_monitor ? "" : "the monitor does not answer";
}

bool qemu_is_alive(const struct qemu *qemu)
{
	return qemu && qemu->is_alive;
}

struct proc_id qemu_proc_id(const struct qemu *qemu)
{
	return qemu->id;
}

char *qemu_spare_monitor(const struct qemu *qemu)
{
	(void)qemu;
	return xstrdup("spare.sock");
}

char *qemu_used_monitor(const struct qemu *qemu)
{
	(void)qemu;
	return xstrdup("used.sock");
}

/* The capabilities of QEMU 7.2 that migrd uses. */
const struct transfer_features *qemu_migration_features(const struct qemu *qemu)
{
	static struct transfer_features features = {
		.capabilities = { "events", "return-path", "late-block-activate", "multifd",
				  "xbzrle", "auto-converge", "postcopy-ram",
				  "pause-before-switchover" },
		.capability_count = 8,
	};

	features.has_schema = fake_qemu_has_schema;
	features.cancel_keeps_images = fake_qemu_cancel_keeps_images;
	return qemu->told_ready ? &features : NULL;
}

bool qemu_knows_schema(struct qemu *qemu)
{
	(void)qemu;
	return fake_qemu_has_schema;
}

void qemu_note_schema(struct qemu *qemu, struct json_object *result)
{
	(void)qemu;
	(void)result;
	fake_qemu_has_schema = true;
}

const struct qmp_version *qemu_version(const struct qemu *qemu)
{
	return qemu->told_ready ? &qemu->version : NULL;
}

bool qemu_may_lack_images(const struct qemu *qemu, enum qmp_mig_state state)
{
	return qemu && state == QMP_MIG_CANCELLED && !qmp_version_is_since(&qemu->version, 10, 0);
}

enum qmp_run_state qemu_run_state(const struct qemu *qemu)
{
	return qemu->process->fake.run;
}

void qemu_note_run_state(struct qemu *qemu, enum qmp_run_state state)
{
	qemu->process->fake.run = state;
}

void qemu_command(struct qemu *qemu, const char *name, struct json_object *args,
		  uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	fake_qmp_note_args(name, args);
	fake_qmp_send(qemu, name, args, deadline_ms, fn, data);
}

void qemu_quit(struct qemu *qemu)
{
	trace_add("qemu quit");
	if (!fake_qemu_quit_hangs)
		end(qemu->process);
}

void qemu_kill(struct qemu *qemu)
{
	if (!qemu->is_alive)
		return;
	trace_add("qemu kill");
	end(qemu->process);
}

void qemu_last_words(const struct qemu_env *env, const char *uuid, char *ret_text, size_t size)
{
	(void)env;
	(void)uuid;
	snprintf(ret_text, size, "last words");
}

void qemu_remove_files(const struct qemu_env *env, const char *uuid, bool log)
{
	(void)env;
	(void)uuid;
	(void)log;
}

char *qemu_agent_path(const struct qemu_env *env, const char *uuid)
{
	return xasprintf("%s/%s.agent", env->run_dir, uuid);
}

char *qemu_console_path(const struct qemu_env *env, const char *uuid)
{
	return xasprintf("%s/%s.console", env->run_dir, uuid);
}

char *qemu_vnc_path(const struct qemu_env *env, const char *uuid)
{
	return xasprintf("%s/%s.vnc", env->run_dir, uuid);
}

bool qemu_has_listener(const struct qemu_env *env, const char *uuid)
{
	(void)env;
	return find_process(uuid, (struct proc_id){ 0 }) != NULL;
}

void qemu_remove_leftovers(const struct qemu_env *env, qemu_is_known_fn *is_known, void *data)
{
	(void)env;
	(void)is_known;
	(void)data;
}

bool qemu_is_alone(const struct qemu_env *env, const char *uuid, const char *name, struct err *err)
{
	(void)env;
	(void)uuid;
	(void)name;
	return !fake_qemu_is_stray || err_set(err, ERR_CONFLICT, "another QEMU is running");
}
