/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What users ask of the guest agent.  Each call is a row of a table. */
#include "base/log.h"
#include "base/mem.h"
#include "qga/reply.h"
#include "vm/agent_priv.h"

static const struct {
	const char *name;
	const char *command;
	uint32_t deadline_ms;
	bool is_silent;
	struct json_object *(*make_args)(void);
	qga_reply_decode_fn *decode;
} calls[VM_AGENT_CALL_COUNT] = {
	[VM_AGENT_PING] = { "ping", "guest-ping", 5000, .decode = qga_reply_nothing },
	[VM_AGENT_INFO] = { "info", "guest-info", 5000, .decode = qga_reply_info },
	/* Long, since the guest first writes all it has cached to its disks. */
	[VM_AGENT_FREEZE] = { "freeze", "guest-fsfreeze-freeze", 60000, .decode = qga_reply_count },
	[VM_AGENT_THAW] = { "thaw", "guest-fsfreeze-thaw", 30000, .decode = qga_reply_count },
	[VM_AGENT_SHUTDOWN] = { "shutdown", "guest-shutdown", 10000, .is_silent = true,
				.decode = qga_reply_nothing },
	[VM_AGENT_SET_TIME] = { "set-time", "guest-set-time", 10000,
				.make_args = vm_agent_time_args, .decode = qga_reply_nothing },
	[VM_AGENT_FS_LIST] = { "fs-list", "guest-get-fsinfo", 10000, .decode = qga_reply_fs_list },
	[VM_AGENT_NETWORK] = { "network", "guest-network-get-interfaces", 10000,
			       .decode = qga_reply_network },
};

/* A call under way; it may outlive the agent, and looks for it by REF. */
struct run {
	struct vm_agent_ref ref;
	enum vm_agent_call call;
	uint32_t lease_ms;
	vm_agent_done_fn *done;
	void *data;
};

enum vm_agent_call vm_agent_call_from_name(const char *name)
{
	unsigned i = 0;

	while (i < VM_AGENT_CALL_COUNT && strcmp(calls[i].name, name) != 0)
		i++;
	return (enum vm_agent_call)i;
}

/* ---- the answer -------------------------------------------------------- */

/* A freeze that failed may have frozen some file systems, or may still do so. */
static void note_result(const struct run *run, struct json_object *result)
{
	struct vm_agent *agent = vm_agent_find(&run->ref);

	if (!agent)
		return;
	if (run->call == VM_AGENT_THAW)
		agent->thaws--;
	if (run->call == VM_AGENT_THAW && result) {
		vm_agent_set_thawed(agent);
	} else if (run->call == VM_AGENT_FREEZE && result) {
		agent->frozen_count = (uint64_t)json_get_int(result, "file_systems", 0);
		vm_agent_set_frozen(agent, run->lease_ms);
	} else if (run->call == VM_AGENT_FREEZE) {
		agent->is_frozen = true;
		vm_agent_look(agent);
	}
}

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	struct run *run = data;
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct err bad;

	if (!err) {
		obj = calls[run->call].decode(result, &bad);
		err = obj ? NULL : &bad;
	}
	note_result(run, obj);
	if (obj && run->call == VM_AGENT_FREEZE)
		json_add_uint(obj, "lease_ms", run->lease_ms);
	log_info("agent", "call", "vm_uuid=%s call=%s result=%s", run->ref.uuid,
		 calls[run->call].name, err ? err->msg : "done");
	run->done(run->data, obj, err);
	free(run);
}

/* ---- the way in -------------------------------------------------------- */

static bool check(const struct vm *vm, const char *what, struct err *err)
{
	const struct vm_agent *agent = vm->agent;

	if (vm->role != VM_ROLE_OWNED || !vm_is_active(vm) || (agent && !vm_agent_may_speak(agent)))
		return err_set(err, ERR_CONFLICT,
			       "cannot ask the guest agent for '%s': VM '%s' is %s", what,
			       vm->row.name, vm_state(vm));
	if (!agent)
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' has no channel for a guest agent: set guest_agent in its "
			       "definition",
			       vm->row.name);
	if (agent->presence == VM_AGENT_ABSENT) {
		vm_agent_probe(vm->agent); /* an event may be lost: asks, for the next call */
		return err_set(err, ERR_UNAVAILABLE,
			       "no guest agent runs in VM '%s' (its channel is not open)",
			       vm->row.name);
	}
	return vm_agent_connect(vm->agent, err);
}

/* An answer that is known without asking the agent. */
struct answer {
	vm_agent_done_fn *done;
	void *data;
	struct json_object *result; /* NULL: the error */
	struct err err;
};

static void give_answer(void *data)
{
	struct answer *answer = data;

	answer->done(answer->data, answer->result, answer->result ? NULL : &answer->err);
	json_object_put(answer->result);
	free(answer);
}

static void answer_later(const struct vm *vm, const struct answer *answer)
{
	struct answer *copy = xnew(struct answer);

	*copy = *answer;
	loop_post(vm->vms->env.qemu.loop, give_answer, copy);
}

/* A freeze of a frozen guest only renews the lease, since the agent would refuse it.
 * Behind a thaw that is under way it is a real freeze again. */
static bool is_renewal(const struct vm *vm, enum vm_agent_call call)
{
	struct vm_agent_state state;

	return call == VM_AGENT_FREEZE && vm_agent_state(vm, &state) && state.lease_left_ms > 0 &&
	       !vm->agent->thaws && !vm->agent->is_thawing;
}

static struct json_object *renew(struct vm_agent *agent, uint32_t lease_ms)
{
	struct json_object *result = json_object_new_object();

	vm_agent_set_frozen(agent, lease_ms);
	json_add_uint(result, "file_systems", agent->frozen_count);
	json_add_uint(result, "lease_ms", lease_ms);
	return result;
}

static void begin(struct vm_agent *agent, enum vm_agent_call call, uint32_t lease_ms,
		  vm_agent_done_fn *done, void *data)
{
	struct run *run = xnew(struct run);

	*run = (struct run){ vm_agent_ref(agent), call, lease_ms, done, data };
	if (call == VM_AGENT_THAW)
		agent->thaws++;
	log_debug("agent", "ask", "vm=%s call=%s", agent->vm->row.name, calls[call].name);
	qga_conn_request(agent->conn, &(struct qga_request){
					      .command = calls[call].command,
					      .make_args = calls[call].make_args,
					      .deadline_ms = calls[call].deadline_ms,
					      .is_silent = calls[call].is_silent,
					      .fn = on_reply,
					      .data = run,
				      });
}

void vm_agent_call(struct vm *vm, enum vm_agent_call call, uint32_t lease_ms,
		   vm_agent_done_fn *done, void *data)
{
	struct answer answer = { .done = done, .data = data };

	if (!check(vm, calls[call].name, &answer.err)) {
		answer_later(vm, &answer);
	} else if (is_renewal(vm, call)) {
		answer.result = renew(vm->agent, lease_ms);
		answer_later(vm, &answer);
	} else {
		begin(vm->agent, call, lease_ms, done, data);
	}
}

void vm_agent_command(struct vm *vm, const char *command, struct json_object *args,
		      uint32_t deadline_ms, vm_agent_done_fn *done, void *data)
{
	struct answer answer = { .done = done, .data = data };

	if (check(vm, command, &answer.err))
		qga_conn_request(vm->agent->conn, &(struct qga_request){
							  .command = command,
							  .args = args,
							  .deadline_ms = deadline_ms,
							  .fn = done,
							  .data = data,
						  });
	else
		answer_later(vm, &answer);
	json_object_put(args);
}
