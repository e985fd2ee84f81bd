/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hook with a program: migrd-hook runs it. */
#include <assert.h>
#include <inttypes.h>

#include "base/fault.h"
#include "hook/priv.h"

bool hook_spawn(const struct hooks *hooks, const struct hook_command *command,
		struct proc_id *ret_id, struct err *err)
{
	CLEANUP(free_charp) char *timeout = xasprintf("%" PRIu64, command->timeout_s);
	const char *argv[] = { hooks->env.program,
			       "--dir",
			       hooks->dir,
			       "--id",
			       command->id,
			       "--name",
			       command->name,
			       "--boot",
			       hooks->boot_id,
			       "--process",
			       hooks->process,
			       "--timeout",
			       timeout,
			       NULL,
			       NULL,
			       NULL,
			       NULL,
			       NULL };
	size_t count = 13;

	if (command->only_if) {
		argv[count++] = "--only-if";
		argv[count++] = command->only_if;
	}
	if (command->program) {
		argv[count++] = "--";
		argv[count++] = command->program;
	}
	assert(count < ARRAY_LEN(argv));
	*ret_id = (struct proc_id){ 0 };
	/* One that has ended already is not there: what it has written tells. */
	return proc_spawn(&(struct proc_args){ .argv = argv }, ret_id, err) ||
	       err->code == ERR_NOT_FOUND;
}

static void on_ended(void *data, int status)
{
	struct hook *hook = data;

	(void)status;
	proc_free(TAKE_PTR(hook->runner));
	hook_follow(hook);
}

void hook_watch(struct hook *hook, struct proc_id id)
{
	struct err gone;

	hook->runner_id = id;
	hook->runner = proc_watch(hook->hooks->env.loop, id, on_ended, hook, &gone);
}

void hook_not_started(struct hook *hook, const struct err *err)
{
	hook->answer = xnew(struct hook_end);
	hook->answer->how = HOOK_HOW_NOT_STARTED;
	hook_keep_words(hook->answer, err->msg, strlen(err->msg));
}

void hook_run_program(struct hook *hook)
{
	const struct hook_detail *detail = &hook->detail;
	const struct hook_command command = {
		.id = hook->row.id,
		.name = hook->row.name,
		.only_if = detail->only_if[0] ? detail->only_if : NULL,
		.program = detail->program,
		.timeout_s = detail->timeout_s,
	};
	struct proc_id id = { 0 };
	struct err err = { 0 };

	if (fault_hit("hook.spawn", &err) || !hook_spawn(hook->hooks, &command, &id, &err)) {
		hook_not_started(hook, &err);
		return;
	}
	fault_hit("hook.spawned", &err);
	if (id.pid)
		hook_watch(hook, id);
}
