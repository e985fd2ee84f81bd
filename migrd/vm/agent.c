/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The channel to the guest agent, and the freeze, which always ends in a thaw. */
#include "vm/agent.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/agent_priv.h"

#define LOOK_DEADLINE_MS 5000
#define THAW_DEADLINE_MS 30000
#define AGAIN_MS         1000
#define THAW_AGAIN_MS    5000
/* A clock with a smaller error is left alone: even a small step back may disturb the
 * guest. */
#define CLOCK_NEAR_MS 100

/* The id of the agent's port on the command line, and so in QEMU's event. */
#define PORT_ID "agent-port"

static uint64_t last_number; /* of a connection; loop thread only */

/* ---- finding it again -------------------------------------------------- */

struct vm_agent_ref vm_agent_ref(const struct vm_agent *agent)
{
	struct vm_agent_ref ref = { .vms = agent->vm->vms, .number = agent->number };

	memcpy(ref.uuid, agent->vm->row.uuid, sizeof(ref.uuid));
	return ref;
}

struct vm_agent *vm_agent_find(const struct vm_agent_ref *ref)
{
	const struct vm *vm = vm_find_uuid(ref->vms, ref->uuid);

	return vm && vm->agent && vm->agent->number == ref->number ? vm->agent : NULL;
}

/* Sends a command that no user asked for; FN gets a vm_agent_ref, which it frees. */
static void ask(struct vm_agent *agent, const char *command, uint32_t deadline_ms, qga_reply_fn *fn)
{
	struct vm_agent_ref *ref = xnew(struct vm_agent_ref);

	*ref = vm_agent_ref(agent);
	qga_conn_request(agent->conn, &(struct qga_request){ .command = command,
							     .deadline_ms = deadline_ms,
							     .fn = fn,
							     .data = ref });
}

static struct vm_agent *take_ref(void *data)
{
	struct vm_agent *agent = vm_agent_find(data);

	free(data);
	return agent;
}

/* ---- the freeze -------------------------------------------------------- */

static uint64_t now_ms(const struct vm_agent *agent)
{
	return loop_now_ms(agent->vm->vms->env.qemu.loop);
}

static bool has_lease(const struct vm_agent *agent)
{
	return loop_timer_is_active(agent->lease);
}

void vm_agent_set_frozen(struct vm_agent *agent, uint32_t lease_ms)
{
	agent->is_frozen = true;
	agent->lease_ends_ms = now_ms(agent) + lease_ms;
	loop_timer_start(agent->lease, lease_ms);
	vm_changed(agent->vm);
}

void vm_agent_set_thawed(struct vm_agent *agent)
{
	loop_timer_stop(agent->lease);
	if (!agent->is_frozen)
		return;
	agent->is_frozen = false;
	vm_changed(agent->vm);
}

/* If the thaw fails, the agent is asked for its state again: in THAW_AGAIN_MS, and if
 * it does not answer then, when it next says anything. */
static void on_thawed(void *data, struct json_object *result, const struct err *err)
{
	struct vm_agent *agent = take_ref(data);

	(void)result;
	if (!agent)
		return;
	agent->is_thawing = false;
	if (err) {
		if (vm_may_log(agent->vm, "agent thaw failed"))
			log_warning("agent", "thaw", "vm=%s error=%s", agent->vm->row.name,
				    err->msg);
		loop_timer_start(agent->again, THAW_AGAIN_MS);
		return;
	}
	vm_agent_set_thawed(agent);
	vm_agent_look(agent);
}

static void thaw(struct vm_agent *agent)
{
	if (agent->is_thawing)
		return;
	agent->is_thawing = true;
	if (vm_may_log(agent->vm, "agent thaw"))
		log_info("agent", "thaw", "vm=%s: nobody holds the freeze any more",
			 agent->vm->row.name);
	ask(agent, "guest-fsfreeze-thaw", THAW_DEADLINE_MS, on_thawed);
}

/* ---- the clock after a move ---------------------------------------------- */

struct json_object *vm_agent_time_args(void)
{
	struct json_object *args = json_object_new_object();

	json_add_int(args, "time", clock_wall_ns());
	return args;
}

static void on_clock_set(void *data, struct json_object *result, const struct err *err)
{
	const struct vm_agent *agent = take_ref(data);

	(void)result;
	if (agent && err)
		log_warning("agent", "set-time", "vm=%s error=%s", agent->vm->row.name, err->msg);
}

static void on_clock_read(void *data, struct json_object *result, const struct err *err)
{
	struct vm_agent *agent = take_ref(data);
	struct vm_agent_ref *ref;
	int64_t off_ms;

	if (!agent || err || !json_object_is_type(result, json_type_int))
		return;
	off_ms = json_object_get_int64(result) / 1000000 - clock_wall_ns() / 1000000;
	log_info("agent", "clock", "vm=%s off_ms=%lld", agent->vm->row.name, (long long)off_ms);
	if (off_ms > -CLOCK_NEAR_MS && off_ms < CLOCK_NEAR_MS)
		return;
	ref = xnew(struct vm_agent_ref);
	*ref = vm_agent_ref(agent);
	qga_conn_request(agent->conn, &(struct qga_request){ .command = "guest-set-time",
							     .make_args = vm_agent_time_args,
							     .deadline_ms = LOOK_DEADLINE_MS,
							     .fn = on_clock_set,
							     .data = ref });
}

static void set_clock(struct vm_agent *agent)
{
	agent->sets_clock = false;
	ask(agent, "guest-get-time", LOOK_DEADLINE_MS, on_clock_read);
}

/* ---- looking after it ------------------------------------------------------ */

bool vm_agent_may_speak(const struct vm_agent *agent)
{
	return qemu_is_alive(agent->vm->qemu) && qemu_run_state(agent->vm->qemu) == QMP_RUN_RUNNING;
}

/* Any answer shows that the agent is there, also an error (ERR_AGENT). */
static void note_presence(struct vm_agent *agent, enum vm_agent_presence presence)
{
	if (agent->presence == presence)
		return;
	agent->presence = presence;
	if (vm_may_log(agent->vm,
		       presence == VM_AGENT_PRESENT ? "agent connected" : "agent disconnected"))
		log_info("agent", presence == VM_AGENT_PRESENT ? "connected" : "disconnected",
			 "vm=%s", agent->vm->row.name);
	vm_changed(agent->vm);
}

static void on_looked(void *data, struct json_object *result, const struct err *err)
{
	struct vm_agent *agent = take_ref(data);
	bool is_frozen = json_object_is_type(result, json_type_string) &&
			 strcmp(json_object_get_string(result), "frozen") == 0;

	if (!agent)
		return;
	agent->is_asked = false;
	if (err && err->code != ERR_AGENT)
		return; /* no answer yet: on_heard() */
	agent->is_frozen = agent->is_frozen || is_frozen;
	note_presence(agent, VM_AGENT_PRESENT);
	if (!is_frozen)
		vm_agent_set_thawed(agent);
	else if (!has_lease(agent))
		thaw(agent);
	if (!is_frozen && agent->sets_clock)
		set_clock(agent);
}

static bool has_reason(const struct vm_agent *agent)
{
	return agent->presence == VM_AGENT_UNKNOWN || agent->sets_clock ||
	       (agent->is_frozen && !has_lease(agent));
}

/* Asks whether the guest is frozen; on_looked() acts on the answer. */
void vm_agent_probe(struct vm_agent *agent)
{
	struct err err;

	if (!vm_agent_may_speak(agent) || agent->is_asked)
		return; /* RESUME, or the pending answer, leads here again */
	if (!vm_agent_connect(agent, &err)) {
		log_debug("agent", "connect", "vm=%s error=%s", agent->vm->row.name, err.msg);
		loop_timer_start(agent->again, AGAIN_MS);
		return;
	}
	agent->is_asked = true;
	ask(agent, "guest-fsfreeze-status", LOOK_DEADLINE_MS, on_looked);
}

void vm_agent_look(struct vm_agent *agent)
{
	if (has_reason(agent))
		vm_agent_probe(agent);
}

/* ---- the channel ------------------------------------------------------- */

/* Closes the connection; pending answers then find no agent. */
static void drop_channel(struct vm_agent *agent)
{
	agent->number = ++last_number;
	agent->is_asked = agent->is_thawing = false;
	agent->thaws = 0;
	qga_conn_free(TAKE_PTR(agent->conn));
}

/* The agent has answered late, so it lives: looks again, if there still is a reason. */
static void on_heard(void *data)
{
	struct vm_agent *agent = data;

	if (has_reason(agent) && !loop_timer_is_active(agent->again))
		loop_timer_start(agent->again, AGAIN_MS);
}

/* Either QEMU has ended, and its exit will be seen, or QEMU has dropped our connection. */
static void on_closed(void *data)
{
	struct vm_agent *agent = data;

	drop_channel(agent);
	if (agent->presence == VM_AGENT_PRESENT)
		note_presence(agent, VM_AGENT_UNKNOWN);
	loop_timer_start(agent->again, AGAIN_MS);
}

bool vm_agent_connect(struct vm_agent *agent, struct err *err)
{
	const struct qemu_env *env = &agent->vm->vms->env.qemu;
	const struct qga_callbacks cb = { on_heard, on_closed, agent };
	CLEANUP(free_charp) char *path = NULL;

	if (agent->conn)
		return true;
	path = qemu_agent_path(env, vm_place(agent->vm).name);
	agent->conn = qga_conn_open(env->loop, path, &cb, err);
	return agent->conn != NULL;
}

/* When an agent closes the port, the connection is dropped: with it goes what we have
 * said to that agent, before another one reads it.  When an agent opens the port, we
 * connect and stay: an agent with nobody at our end looks ten times a second
 * (qga/channel-posix.c). */
static void on_port(struct vm_agent *agent, bool is_open)
{
	if (is_open) {
		note_presence(agent, VM_AGENT_PRESENT);
		vm_agent_probe(agent);
	} else {
		drop_channel(agent);
		loop_timer_stop(agent->again);
		note_presence(agent, VM_AGENT_ABSENT);
	}
}

void vm_agent_event(struct vm *vm, const struct qmp_event *event)
{
	const char *id = json_get_str(event->data, "id");

	if (!vm->agent)
		return;
	if (strcmp(event->name, "RESUME") == 0)
		vm_agent_look(vm->agent);
	else if (strcmp(event->name, "RESET") == 0)
		vm_agent_set_thawed(vm->agent);
	else if (strcmp(event->name, "VSERPORT_CHANGE") == 0 && id && strcmp(id, PORT_ID) == 0)
		on_port(vm->agent, json_get_bool(event->data, "open", false));
}

/* ---- life cycle -------------------------------------------------------- */

static void on_timer(void *data)
{
	vm_agent_look(data);
}

static void find_again(struct vm_agent *agent)
{
	if (agent->presence == VM_AGENT_ABSENT)
		agent->presence = VM_AGENT_UNKNOWN;
	vm_agent_probe(agent);
}

void vm_agent_begin(struct vm *vm, enum vm_here how)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);
	struct loop *loop = vm->vms->env.qemu.loop;
	struct vm_agent *agent;

	if (vm->agent && how == VM_HERE_FOUND)
		find_again(vm->agent);
	if (vm->agent || vm->role != VM_ROLE_OWNED || !def || !def->guest_agent)
		return;
	agent = xnew(struct vm_agent);
	agent->vm = vm;
	agent->number = ++last_number;
	agent->presence = how == VM_HERE_FRESH ? VM_AGENT_ABSENT : VM_AGENT_UNKNOWN;
	agent->sets_clock =
		how == VM_HERE_ARRIVED && def->clock_after_move != VM_DEF_CLOCK_AFTER_MOVE_KEEP;
	agent->lease = loop_timer_new(loop, on_timer, agent);
	agent->again = loop_timer_new(loop, on_timer, agent);
	vm->agent = agent;
	vm_agent_look(agent);
}

void vm_agent_end(struct vm *vm)
{
	struct vm_agent *agent = TAKE_PTR(vm->agent);

	if (!agent)
		return;
	drop_channel(agent);
	loop_timer_free(agent->lease);
	loop_timer_free(agent->again);
	free(agent);
}

bool vm_agent_state(const struct vm *vm, struct vm_agent_state *ret)
{
	const struct vm_agent *agent = vm->agent;

	if (!agent)
		return false;
	*ret = (struct vm_agent_state){ .is_connected = agent->presence == VM_AGENT_PRESENT,
					.is_frozen = agent->is_frozen };
	if (agent->is_frozen && has_lease(agent) && agent->lease_ends_ms > now_ms(agent))
		ret->lease_left_ms = agent->lease_ends_ms - now_ms(agent);
	return true;
}
