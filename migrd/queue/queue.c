/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All entries of the queue: how they come, and how a restart finds them. */
#include "queue/queue.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/priv.h"
#include "vm/vm.h"

/* ---- the list -------------------------------------------------------------------------- */

struct queue_entry *queue_find(struct queue *queue, const char *id)
{
	struct machine *machine = machines_find(&queue->machines, id);

	return machine ? queue_entry_of(machine) : NULL;
}

struct queue_entry *queue_first(struct queue *queue)
{
	return TAILQ_FIRST(&queue->all);
}

struct queue_entry *queue_next(const struct queue_entry *entry)
{
	return TAILQ_NEXT(entry, link);
}

bool queue_is_final(const struct queue_entry *entry)
{
	return machine_is_final(&entry->machine);
}

const struct store_queue_entry *queue_row(const struct queue_entry *entry)
{
	return &entry->row;
}

struct queue_counts queue_counts(const struct queue *queue)
{
	return (struct queue_counts){ queue->unfinished - queue->moving, queue->moving };
}

struct queue_ended queue_ended(const struct queue *queue)
{
	return (struct queue_ended){
		.done = machines_entered(&queue->machines, QUEUE_STATE_DONE),
		.failed = machines_entered(&queue->machines, QUEUE_STATE_FAILED),
		.cancelled = machines_entered(&queue->machines, QUEUE_STATE_CANCELLED),
	};
}

const struct histogram *queue_waited(const struct queue *queue)
{
	return &queue->waited;
}

/* As the store does it: those go that ended first (schema/sql/010-queue.sql). */
void queue_trim(struct queue *queue)
{
	while (queue->ended > STORE_QUEUE_ENDED_MAX) {
		struct queue_entry *entry, *oldest = NULL;

		TAILQ_FOREACH(entry, &queue->all, link)
		{
			if (queue_is_final(entry) &&
			    (!oldest ||
			     machine_goes_before(&entry->machine, entry->row.ended_ms,
						 &oldest->machine, oldest->row.ended_ms)))
				oldest = entry;
		}
		queue_answer_all(oldest); /* what was asked of it in this turn of the loop */
		queue_entry_free(oldest);
		queue->ended--;
	}
}

void queue_count_wait(struct queue *queue, int64_t waited_ms)
{
	histogram_add(&queue->waited, &totals_duration,
		      waited_ms > 0 ? (double)waited_ms / 1000 : 0);
}

/* ---- an entry comes --------------------------------------------------------------------- */

struct queue_entry *queue_find_key(struct queue *queue, const char *key)
{
	struct queue_entry *entry;

	TAILQ_FOREACH(entry, &queue->all, link)
	{
		if (key && strcmp(entry->row.idempotency_key, key) == 0)
			return entry;
	}
	return NULL;
}

static struct queue_entry *unfinished_of(struct queue *queue, const char *vm_uuid)
{
	struct queue_entry *entry;

	TAILQ_FOREACH(entry, &queue->all, link)
	{
		if (!queue_is_final(entry) && strcmp(entry->row.vm_uuid, vm_uuid) == 0)
			return entry;
	}
	return NULL;
}

static bool check_hosts(const struct queue *queue, const struct queue_request *request,
			struct err *err)
{
	for (size_t i = 0; i < request->to_count; i++) {
		if (strcmp(request->to[i], queue->env.host_id) == 0)
			return err_set(err, ERR_CONFLICT, "VM '%s' is on host '%s' already",
				       request->move.vm, request->to[i]);
		if (!peer_clients_address(queue->env.peers, request->to[i]))
			return err_set(err, ERR_NOT_FOUND,
				       "host '%s' is not known here: add a section [peer %s] to "
				       "the configuration",
				       request->to[i], request->to[i]);
	}
	return true;
}

static bool check_policy(const struct queue *queue, const char *name, struct err *err)
{
	struct policies_item item;

	return !name[0] || policies_find(queue->env.policies, name, &item) ||
	       err_set(err, ERR_NOT_FOUND, "there is no policy '%s' on this host", name);
}

/* An attempt that begins later completes its own. */
static bool check_hold(const struct move_options *options, struct err *err)
{
	struct move_hold hold = options->hold;

	return !options->has_hold || move_hold_complete(&hold, clock_wall_ms(), err);
}

/* A VM that starts, or that has another job, can be moved later. */
static bool check_vm(const struct queue_request *request, const struct vm *vm, struct err *err)
{
	const char *name = request->move.vm;

	if (!vm)
		return err_set(err, ERR_NOT_FOUND, "there is no VM '%s' on this host", name);
	if (vm_role(vm) == VM_ROLE_FORMER)
		return err_set(err, ERR_CONFLICT, "VM '%s' is on host '%s' now: ask there", name,
			       vm_row(vm)->elsewhere);
	if (vm_role(vm) != VM_ROLE_OWNED)
		return err_set(err, ERR_CONFLICT, "VM '%s' is still coming to this host", name);
	return vm_is_active(vm) || vm_is_stopped(vm) || vm_job(vm) ||
	       strcmp(vm_state(vm), "starting") == 0 ||
	       err_set(err, ERR_CONFLICT,
		       "VM '%s' is %s: only a running, paused or stopped VM can be moved", name,
		       vm_state(vm));
}

static bool check_free(struct queue *queue, const struct vm *vm, struct err *err)
{
	const struct queue_entry *entry = unfinished_of(queue, vm_uuid(vm));

	if (entry)
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' has an entry in the queue already, which is %s: cancel %s "
			       "first, or let it end",
			       vm_name(vm), machine_state(&entry->machine)->name, entry->row.id);
	return queue->unfinished < QUEUE_UNFINISHED_MAX ||
	       err_set(err, ERR_LIMIT, "%u entries of the queue have not ended: that is the most",
		       QUEUE_UNFINISHED_MAX);
}

/* The whole request as text; its members always come in the same order. */
static char *text_of(const struct queue_request *request)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(queue_request_fields, request);

	return xstrdup(json_text(obj, NULL));
}

static bool is_same_request(const struct queue_entry *entry, const struct queue_wish *wish,
			    struct err *err)
{
	CLEANUP(free_charp) char *text = text_of(wish->request);

	/* NULL: the row was damaged. */
	return (entry->row.request && strcmp(entry->row.request, text) == 0) ||
	       err_set(err, ERR_KEY_REUSED,
		       "the Idempotency-Key '%s' was used for another request, which made entry "
		       "%s: a new request wants a new key",
		       wish->key, entry->row.id);
}

static bool is_known(const struct queue_entry *entry, const struct queue_wish *wish)
{
	const struct vm *vm = wish->is_known_by_key
				      ? vm_find(entry->queue->env.vms, wish->request->move.vm)
				      : NULL;

	return vm && strcmp(entry->row.vm_uuid, vm_uuid(vm)) == 0;
}

static struct queue_entry *make(struct queue *queue, const struct queue_wish *wish,
				const struct vm *vm)
{
	char id[ID_UUID_SIZE];
	struct queue_entry *entry;

	id_uuid_new(id);
	entry = queue_entry_new(queue, id);
	queue->unfinished++;
	entry->request = xnew(struct queue_request);
	*entry->request = *wish->request;
	entry->detail.priority = wish->request->move.options.priority;
	snprintf(entry->detail.by, sizeof(entry->detail.by), "%s", wish->by ? wish->by : "");
	entry->row.request = text_of(wish->request);
	entry->wish = json_read_back(entry->row.request);
	snprintf(entry->row.vm_uuid, sizeof(entry->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(entry->row.vm_name, sizeof(entry->row.vm_name), "%s", vm_name(vm));
	snprintf(entry->row.idempotency_key, sizeof(entry->row.idempotency_key), "%s",
		 wish->key ? wish->key : "");
	machine_begin(&entry->machine, &(struct machine_change){ .to = QUEUE_STATE_WAITING });
	return entry;
}

static struct queue_entry *find_or_make(struct queue *queue, const struct queue_wish *wish,
					struct err *err)
{
	struct queue_entry *entry = queue_find_key(queue, wish->key);
	const struct vm *vm;

	if (entry)
		return is_known(entry, wish) || is_same_request(entry, wish, err) ? entry : NULL;
	vm = vm_find(queue->env.vms, wish->request->move.vm);
	if (!check_hold(&wish->request->move.options, err) ||
	    !move_may_ping(queue->env.moves, &wish->request->move.options, err) ||
	    !check_vm(wish->request, vm, err) || !check_hosts(queue, wish->request, err) ||
	    !check_policy(queue, wish->request->move.policy, err) || !check_free(queue, vm, err))
		return NULL;
	return make(queue, wish, vm);
}

struct refusal {
	queue_done_fn *done;
	void *data;
	struct err err;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, NULL, &refusal->err);
	free(refusal);
}

void queue_refuse(struct loop *loop, const struct err *err, queue_done_fn *done, void *data)
{
	struct refusal *refusal = xnew(struct refusal);

	*refusal = (struct refusal){ done, data, *err };
	loop_post(loop, on_refused, refusal);
}

void queue_add(struct queue *queue, const struct queue_wish *wish, queue_done_fn *done, void *data)
{
	struct err err = { 0 };
	struct queue_entry *entry = find_or_make(queue, wish, &err);

	if (entry)
		queue_order(entry, &(struct queue_order){
					   .kind = QUEUE_ORDER_ADD, .done = done, .data = data });
	else
		queue_refuse(queue->env.loop, &err, done, data);
}

/* ---- life --------------------------------------------------------------------------------- */

static void on_timer(void *data)
{
	queue_look(data);
}

struct queue *queue_new(const struct queue_env *env)
{
	struct queue *queue = xnew(struct queue);

	queue->env = *env;
	queue->machines.loop = env->loop;
	queue->machines.store = env->store;
	TAILQ_INIT(&queue->all);
	TAILQ_INIT(&queue->waiting);
	queue->timer = loop_timer_new(env->loop, on_timer, queue);
	return queue;
}

void queue_set_out_max(struct queue *queue, unsigned out_max)
{
	queue->env.out_max = out_max;
	queue_look(queue);
}

void queue_clear(struct queue *queue)
{
	struct queue_entry *entry;

	if (!queue)
		return;
	queue->is_closing = true;
	loop_timer_free(TAKE_PTR(queue->timer));
	while ((entry = TAILQ_FIRST(&queue->all)))
		queue_entry_free(entry);
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	queue_clear(queue);
	lanes_fini(&queue->lanes);
	free(queue);
}

/* ---- after a restart ------------------------------------------------------------------------ */

void queue_add_row(struct queue *queue, struct store_queue_entry *row)
{
	struct queue_entry *entry = queue_entry_new(queue, row->id);
	unsigned state = machine_state_of_name(entry->machine.type, row->state);

	store_queue_entry_fini(&entry->row);
	entry->row = *row;
	machines_note_end(&queue->machines, row->ended_ms);
	/* A state of a later version: it ends, unless it had ended. */
	entry->machine.state = state != QUEUE_STATE_COUNT ? state
			       : row->is_final            ? QUEUE_STATE_FAILED
							  : QUEUE_STATE_MOVING;
	if (row->error_code[0])
		err_set(&entry->error, err_from_name(row->error_code), "%s", row->error_text);
	queue_entry_decode(entry);
	if (state == QUEUE_STATE_COUNT && !row->is_final) {
		err_set(&entry->error, ERR_STORE,
			"a later version of migrd wrote its state '%s', which this one does not "
			"know",
			row->state);
		free(TAKE_PTR(entry->request));
	}
	if (row->is_final) {
		queue->ended++;
		machine_retire(&entry->machine);
		return;
	}
	queue->unfinished++;
	entry->is_cancel_on_disk = entry->detail.cancel_wanted;
	entry->machine.is_dormant = true;
}

static void recover(struct queue_entry *entry)
{
	struct err unused;

	log_info("queue", "recovered", "entry=%s vm=%s state=%s", entry->row.id, entry->row.vm_name,
		 entry->row.state);
	err_set(&unused, ERR_UNAVAILABLE, "the coordinator was restarted");
	machine_restart(&entry->machine, &unused);
}

/* What it begins waits for a turn of the loop, so that the VMs are settled by then. */
void queue_recover(struct queue *queue)
{
	for (struct queue_entry *entry = queue_first(queue), *next; entry; entry = next) {
		next = queue_next(entry);
		if (!queue_is_final(entry))
			recover(entry);
	}
	queue->is_ready = true;
	queue_look(queue);
}
