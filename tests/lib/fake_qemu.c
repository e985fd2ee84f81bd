/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_qemu.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "qemu/qemu.h"
#include "trace.h"

#define PROCESSES_MAX 1024
#define RULES_MAX     16

struct process {
	struct fake_qemu fake;
	struct proc_id id;
	char uuid[ID_UUID_SIZE];
};

struct qemu {
	struct qemu *next;
	uint64_t number;
	struct qemu_callbacks cb;
	struct process *process; /* NULL: none was found */
	struct proc_id id;
	bool is_alive, told_ready, has_monitor;
	struct qmp_version version;
};

struct command {
	struct command *next;
	uint64_t qemu; /* number */
	char name[32];
	qmp_reply_fn *fn;
	void *data;
	struct json_object *args;
	struct loop_timer *deadline;
	bool is_answered;
	struct json_object *result;
	struct err err;
};

struct rule {
	char command[32];
	bool is_held;
	enum err_code refusal; /* NONE: none */
	const char *result;    /* JSON; NULL: the answer of carry_out() */
};

void (*fake_qemu_before)(const char *command);
bool fake_qemu_has_schema = true;
struct qmp_version fake_qemu_version = { .major = 7, .minor = 2 };
const char *fake_qmp_words = "";
const char *fake_qemu_rx_filters, *fake_qemu_devices;
bool fake_qemu_start_fails, fake_qemu_start_hangs, fake_qemu_quit_hangs;
bool fake_qemu_is_stray;
int64_t fake_qemu_time_us = 1;
char fake_boot_id[ID_UUID_SIZE] = "6a1b0000-0000-4000-8000-000000000001";

static struct loop *loop;
static struct process processes[PROCESSES_MAX];
static size_t process_count;
static struct qemu *qemus;
static struct command *commands;
static struct rule rules[RULES_MAX];
static uint64_t last_number;

/* ---- processes and their watchers ------------------------------------ */

void fake_qemu_init(struct loop *the_loop)
{
	loop = the_loop;
	process_count = 0;
	memset(rules, 0, sizeof(rules));
	fake_qemu_rx_filters = fake_qemu_devices = NULL;
	fake_qmp_words = "";
	fake_qemu_time_us = 1;
	fake_qemu_start_fails = fake_qemu_start_hangs = fake_qemu_quit_hangs = false;
}

void fake_qemu_fini(void)
{
	ck_assert_ptr_null(qemus);
	ck_assert_ptr_null(commands);
}

static struct process *youngest(void)
{
	ck_assert_uint_gt(process_count, 0);
	return &processes[process_count - 1];
}

struct fake_qemu *fake_qemu(void)
{
	return &youngest()->fake;
}

static struct qemu *find(uint64_t number)
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
	struct qemu *qemu = find(what->qemu);

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

static void lose_commands(const struct qemu *qemu);

static void tell_exit(struct qemu *qemu, struct happening *what)
{
	if (!qemu->is_alive)
		return;
	qemu->is_alive = qemu->has_monitor = false;
	lose_commands(qemu);
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

static void end(struct process *process)
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
	lose_commands(watcher());
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

/* ---- commands -------------------------------------------------------- */

static struct rule *rule_for(const char *command)
{
	for (size_t i = 0; i < RULES_MAX; i++) {
		if (!rules[i].command[0])
			snprintf(rules[i].command, sizeof(rules[i].command), "%s", command);
		if (strcmp(rules[i].command, command) == 0)
			return &rules[i];
	}
	ck_abort_msg("too many rules");
	return NULL;
}

static bool has_rule(const char *command)
{
	for (size_t i = 0; i < RULES_MAX; i++) {
		if (strcmp(rules[i].command, command) == 0)
			return true;
	}
	return false;
}

static void command_free(struct command *command)
{
	struct command **link = &commands;

	while (*link != command)
		link = &(*link)->next;
	*link = command->next;
	loop_timer_free(command->deadline);
	json_object_put(command->args);
	json_object_put(command->result);
	free(command);
}

static void deliver(void *data)
{
	struct command *command = data;

	if (command->fn)
		command->fn(command->data, command->result,
			    err_is_set(&command->err) ? &command->err : NULL);
	command_free(command);
}

static void answer(struct command *command)
{
	ck_assert(!command->is_answered);
	command->is_answered = true;
	loop_post(loop, deliver, command);
}

static void on_deadline(void *data)
{
	struct command *command = data;

	if (command->is_answered)
		return;
	err_set(&command->err, ERR_TIMEOUT, "QEMU did not answer '%s'", command->name);
	answer(command);
}

static void lose_commands(const struct qemu *qemu)
{
	for (struct command *command = commands; command; command = command->next) {
		if (command->qemu != qemu->number || command->is_answered)
			continue;
		err_set(&command->err, ERR_UNAVAILABLE, "the monitor was closed");
		answer(command);
	}
}

static struct json_object *migrate_info(const struct fake_qemu *fake)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *ram, *reasons;

	if (fake->blocked_reason) {
		reasons = json_object_new_array();
		json_object_array_add(reasons, json_object_new_string(fake->blocked_reason));
		json_object_object_add(obj, "blocked-reasons", reasons);
	}
	if (!fake->mig)
		return obj;
	json_add_str(obj, "status", fake->mig);
	if (fake->mig_error)
		json_add_str(obj, "error-desc", fake->mig_error);
	if (fake->has_arrived)
		return obj;
	ram = json_object_new_object();
	json_add_uint(ram, "total", 1000);
	json_add_uint(ram, "remaining", fake->bytes_left ? fake->bytes_left : 500);
	json_add_uint(ram, "transferred", fake->ram_transferred_bytes);
	json_object_object_add(obj, "ram", ram);
	return obj;
}

static bool is_migrating(const struct fake_qemu *fake)
{
	return fake->mig && (strcmp(fake->mig, "active") == 0 || strcmp(fake->mig, "setup") == 0);
}

static bool is_waiting(const struct fake_qemu *fake)
{
	return fake->mig && strcmp(fake->mig, "pre-switchover") == 0;
}

/* Before it has sent all, QEMU lets the guest run on by itself. */
static void cancel_migration(struct fake_qemu *fake)
{
	if (fake->run == QMP_RUN_FINISH_MIGRATE) {
		fake->run = QMP_RUN_RUNNING;
		fake_qemu_event("RESUME", NULL);
	}
	fake->mig = "cancelled";
	fake_qemu_event("MIGRATION", "{\"status\":\"cancelled\"}");
}

static void tell_job(const struct fake_job *job)
{
	CLEANUP(free_charp) char *data = xasprintf("{\"device\":\"%s\"}", job->id);
	const char *event = strcmp(job->status, "ready") == 0 ? "BLOCK_JOB_READY"
			    : job->error                      ? "BLOCK_JOB_CANCELLED"
							      : "BLOCK_JOB_COMPLETED";

	fake_qemu_event(event, data);
}

void fake_qemu_job(const char *id, const char *status, const char *error)
{
	struct fake_job *job = fake_jobs_find(&fake_qemu()->jobs, id);

	ck_assert_msg(job != NULL, "there is no job '%s'", id);
	job->status = status;
	job->error = error;
	tell_job(job);
	loop_sim_run(loop);
}

static bool is_about_jobs(struct command *command, struct fake_qemu *fake)
{
	const struct fake_job *ended;

	if (!fake_jobs_obey(&fake->jobs, command->name, command->args, &command->result, &ended,
			    &command->err))
		return false;
	if (ended)
		tell_job(ended);
	return true;
}

static bool can_continue(const struct fake_qemu *fake)
{
	return fake->run == QMP_RUN_PAUSED || fake->run == QMP_RUN_PRELAUNCH ||
	       fake->run == QMP_RUN_POSTMIGRATE;
}

static bool is_about_devices(const char *command)
{
	return strcmp(command, "qom-list") == 0 || strcmp(command, "query-pci") == 0;
}

/* Does what a real QEMU would do, and sets the answer. */
static void carry_out(struct command *command, struct process *process)
{
	struct fake_qemu *fake = &process->fake;

	if (has_rule(command->name) && rule_for(command->name)->result) {
		command->result = json_tokener_parse(rule_for(command->name)->result);
	} else if (is_about_jobs(command, fake)) {
		; /* done */
	} else if (strcmp(command->name, "query-status") == 0) {
		command->result = json_object_new_object();
		json_add_str(command->result, "status", qmp_run_state_name(fake->run));
	} else if (strcmp(command->name, "query-rx-filter") == 0 && fake_qemu_rx_filters) {
		command->result = json_tokener_parse(fake_qemu_rx_filters);
	} else if (is_about_devices(command->name) && fake_qemu_devices) {
		command->result = json_tokener_parse(fake_qemu_devices);
	} else if (strcmp(command->name, "query-migrate") == 0) {
		command->result = migrate_info(fake);
	} else if (strcmp(command->name, "cont") == 0 && can_continue(fake)) {
		fake->run = QMP_RUN_RUNNING;
		fake_qemu_event("RESUME", NULL);
	} else if (strcmp(command->name, "stop") == 0 && fake->run == QMP_RUN_RUNNING) {
		fake->run = QMP_RUN_PAUSED;
		fake_qemu_event("STOP", NULL);
	} else if (strcmp(command->name, "migrate") == 0) {
		fake->mig = "active";
	} else if (strcmp(command->name, "migrate_cancel") == 0 &&
		   (is_migrating(fake) || is_waiting(fake))) {
		cancel_migration(fake);
	} else if (strcmp(command->name, "migrate-continue") == 0 && is_waiting(fake)) {
		fake->mig = "device";
		fake_qemu_event("MIGRATION", "{\"status\":\"device\"}");
	} else if (strcmp(command->name, "yank") == 0 && !is_migrating(fake)) {
		fake->mig = "failed";
		fake->run = QMP_RUN_RUNNING;
		fake_qemu_event("MIGRATION", "{\"status\":\"failed\"}");
	}
	if (!command->result)
		command->result = json_object_new_object();
}

static void obey(struct command *command)
{
	const struct qemu *qemu = find(command->qemu);
	enum err_code refusal =
		has_rule(command->name) ? rule_for(command->name)->refusal : ERR_NONE;

	if (refusal != ERR_NONE)
		err_set(&command->err, refusal, "QEMU says no to '%s'%s", command->name,
			fake_qmp_words);
	else
		carry_out(command, qemu->process);
	answer(command);
}

static struct command *command_new(const struct qemu *qemu, const char *name,
				   struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn,
				   void *data)
{
	struct command *command = xnew(struct command);

	command->qemu = qemu->number;
	snprintf(command->name, sizeof(command->name), "%s", name);
	command->fn = fn;
	command->data = data;
	command->args = args;
	command->deadline = loop_timer_new(loop, on_deadline, command);
	loop_timer_start(command->deadline, deadline_ms);
	command->next = commands;
	commands = command;
	return command;
}

/* Takes ARGS over. */
static void send_command(struct qemu *qemu, const char *name, struct json_object *args,
			 uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	struct command *command = command_new(qemu, name, args, deadline_ms, fn, data);

	if (!qemu->has_monitor) {
		err_set(&command->err, ERR_UNAVAILABLE, "no monitor at the moment");
		answer(command);
		return;
	}
	if (strncmp(name, "query-", 6) != 0 && strncmp(name, "x-query-", 8) != 0) {
		trace_add("qmp %s", name);
		if (fake_qemu_before)
			fake_qemu_before(name);
	}
	if (!qemu->process->fake.is_hung && !(has_rule(name) && rule_for(name)->is_held))
		obey(command);
}

void fake_qmp_hold(const char *command)
{
	rule_for(command)->is_held = true;
}

void fake_qmp_result(const char *command, const char *json)
{
	rule_for(command)->result = json;
}

void fake_qmp_release(const char *name)
{
	rule_for(name)->is_held = false;
	for (struct command *command = commands; command; command = command->next) {
		if (strcmp(command->name, name) == 0 && !command->is_answered)
			obey(command);
	}
	loop_sim_run(loop);
}

void fake_qmp_refuse(const char *command, enum err_code code)
{
	rule_for(command)->refusal = code;
}

void fake_qmp_accept(const char *command)
{
	rule_for(command)->refusal = ERR_NONE;
}

bool fake_qmp_is_held(const char *name)
{
	for (const struct command *command = commands; command; command = command->next) {
		if (strcmp(command->name, name) == 0 && !command->is_answered)
			return true;
	}
	return false;
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
	struct process *process = &processes[process_count];
	struct qemu *qemu;

	(void)env;
	trace_add("qemu start%s", incoming ? " incoming" : "");
	if (fake_qemu_start_fails) {
		err_set(err, ERR_QEMU, "cannot start VM '%s': no such program", def->name);
		return NULL;
	}
	ck_assert_uint_lt(++process_count, PROCESSES_MAX);
	*process = (struct process){
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

static struct process *find_process(const char *uuid, struct proc_id id)
{
	for (size_t i = 0; i < process_count; i++) {
		struct process *process = &processes[i];

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

void qemu_place(const char *uuid, bool is_second, char ret[QEMU_PLACE_SIZE])
{
	snprintf(ret, QEMU_PLACE_SIZE, "%s%s", uuid, is_second ? QEMU_PLACE_SUFFIX : "");
}

void qemu_free(struct qemu *qemu)
{
	struct qemu **link = &qemus;

	if (!qemu)
		return;
	lose_commands(qemu);
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
	send_command(of_conn(conn), name, args, deadline_ms, fn, data);
}

void qmp_command_oob(struct qmp_conn *conn, const char *name, struct json_object *args,
		     uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	send_command(of_conn(conn), name, args, deadline_ms, fn, data);
}

const char *qemu_trouble(const struct qemu *qemu)
{
	return qemu->has_monitor ? "" : "the monitor does not answer";
}

static struct {
	char command[64], text[4096];
} last_args[32];
static size_t last_args_count;

static void note_args(const char *command, struct json_object *args)
{
	size_t i = 0;

	while (i < last_args_count && strcmp(last_args[i].command, command) != 0)
		i++;
	if (i == ARRAY_LEN(last_args))
		return;
	last_args_count = i == last_args_count ? i + 1 : last_args_count;
	snprintf(last_args[i].command, sizeof(last_args[i].command), "%s", command);
	snprintf(last_args[i].text, sizeof(last_args[i].text), "%s",
		 args ? json_text(args, NULL) : "");
}

const char *fake_qmp_args(const char *command)
{
	for (size_t i = 0; i < last_args_count; i++) {
		if (strcmp(last_args[i].command, command) == 0)
			return last_args[i].text;
	}
	return "";
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
	return qemu->told_ready ? &features : NULL;
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
	note_args(name, args);
	send_command(qemu, name, args, deadline_ms, fn, data);
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
