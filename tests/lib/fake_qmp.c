/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor of a fake QEMU: what a command does, and when it is answered. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fake_qemu_priv.h"
#include "trace.h"

#define RULES_MAX 16

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
const char *fake_qmp_words = "";
const char *fake_qemu_rx_filters, *fake_qemu_devices;

static struct loop *loop;
static struct command *commands;
static struct rule rules[RULES_MAX];

void fake_qmp_init(struct loop *the_loop)
{
	loop = the_loop;
	memset(rules, 0, sizeof(rules));
	fake_qemu_rx_filters = fake_qemu_devices = NULL;
	fake_qmp_words = "";
}

void fake_qmp_fini(void)
{
	ck_assert_ptr_null(commands);
}

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

void fake_qmp_lose(const struct qemu *qemu)
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
static void carry_out(struct command *command, struct fake_process *process)
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
	const struct qemu *qemu = fake_qemu_watcher(command->qemu);
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

void fake_qmp_send(struct qemu *qemu, const char *name, struct json_object *args,
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

static struct {
	char command[64], text[4096];
} last_args[32];
static size_t last_args_count;

void fake_qmp_note_args(const char *command, struct json_object *args)
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
