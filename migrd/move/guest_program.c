/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent tells no end of a program, so it is asked for it by a timer. */
#include "move/guest_program.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"
#include "notify/agent.h"
#include "notify/notify.h"
#include "vm/agent.h"

#define LOOK_EVERY_MS 250

struct guest_program {
	struct moves *moves;
	uint64_t number; /* an answer finds it by that */
	char vm_uuid[ID_UUID_SIZE];
	uint32_t timeout_ms;
	uint64_t end_ms; /* on the loop's clock */
	int64_t pid;     /* in the guest */
	struct loop_timer *timer;
	struct err err; /* it cannot be run */
	guest_program_fn *fn;
	void *data;
	LIST_ENTRY(guest_program) link;
};

struct program_ref {
	struct moves *moves;
	uint64_t number;
};

static struct program_ref *ref_new(const struct guest_program *program)
{
	struct program_ref *ref = xnew(struct program_ref);

	*ref = (struct program_ref){ program->moves, program->number };
	return ref;
}

/* Frees REF.  NULL: nobody waits for the program any more. */
static struct guest_program *ref_take(struct program_ref *ref)
{
	struct guest_program *program;

	LIST_FOREACH(program, &ref->moves->programs, link)
	if (program->number == ref->number)
		break;
	free(ref);
	return program;
}

/* fn() may run another. */
static void finish(struct guest_program *program, struct json_object *result, const struct err *err)
{
	LIST_REMOVE(program, link);
	program->fn(program->data, result, err);
	loop_timer_free(program->timer);
	free(program);
}

static void command(struct guest_program *program, const char *name, struct json_object *args,
		    vm_agent_done_fn *done)
{
	struct vm *vm = vm_find_uuid(program->moves->env.vms, program->vm_uuid);
	uint64_t now_ms = loop_now_ms(program->moves->env.loop);

	if (vm && vm_role(vm) == VM_ROLE_OWNED) {
		vm_agent_command(vm, name, args,
				 program->end_ms > now_ms ? (uint32_t)(program->end_ms - now_ms)
							  : 1,
				 done, ref_new(program));
		return;
	}
	json_object_put(args);
	err_set(&program->err, ERR_NOT_FOUND, "the guest is not on this host any more");
	loop_timer_start(program->timer, 0);
}

static void on_status(void *data, struct json_object *result, const struct err *err)
{
	struct guest_program *program = ref_take(data);

	if (program && (err || notify_agent_has_ended(result)))
		finish(program, err ? NULL : result, err);
	else if (program)
		loop_timer_start(program->timer, LOOK_EVERY_MS);
}

/* The program runs, or not: it is not there, or the agent may run none. */
static void on_begun(void *data, struct json_object *result, const struct err *err)
{
	struct guest_program *program = ref_take(data);
	struct err bad;

	if (!program)
		return;
	if (err || !notify_agent_pid(result, &program->pid, &bad))
		finish(program, NULL, err ? err : &bad);
	else
		loop_timer_start(program->timer, LOOK_EVERY_MS);
}

static void on_timer(void *data)
{
	struct guest_program *program = data;

	if (!err_is_set(&program->err) && program->end_ms <= loop_now_ms(program->moves->env.loop))
		err_set(&program->err, ERR_TIMEOUT, "its program has not ended within %u ms",
			(unsigned)program->timeout_ms);
	if (err_is_set(&program->err))
		finish(program, NULL, &program->err);
	else
		command(program, NOTIFY_AGENT_STATUS, notify_agent_status_args(program->pid),
			on_status);
}

void guest_program_run(struct moves *moves, const char *party, const char *vm_uuid,
		       const char *body, guest_program_fn *fn, void *data)
{
	const struct notify_party *found =
		notify_parties_find(notify_parties(moves->env.notify), party);
	struct guest_program *program = xnew(struct guest_program);

	program->moves = moves;
	program->number = ++moves->programs_run;
	snprintf(program->vm_uuid, sizeof(program->vm_uuid), "%s", vm_uuid);
	program->fn = fn;
	program->data = data;
	program->timer = loop_timer_new(moves->env.loop, on_timer, program);
	LIST_INSERT_HEAD(&moves->programs, program, link);
	if (!found || !found->command) {
		err_set(&program->err, ERR_NOT_FOUND,
			"there is no section [notify %s] with agent_command any more", party);
		loop_timer_start(program->timer, 0);
		return;
	}
	program->timeout_ms = found->timeout_ms;
	program->end_ms = loop_now_ms(moves->env.loop) + found->timeout_ms;
	command(program, NOTIFY_AGENT_RUN, notify_agent_run_args(found, body), on_begun);
}

void guest_programs_clear(struct moves *moves)
{
	struct guest_program *program;
	struct err err;

	err_set(&err, ERR_CANCELLED, "the daemon is stopping");
	while ((program = LIST_FIRST(&moves->programs)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): LIST_REMOVE has moved the head */
		finish(program, NULL, &err);
}
