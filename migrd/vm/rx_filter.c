/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/rx_filter.h"

#include <net/if.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "net/announce.h"
#include "net/apply.h"
#include "qmp/events.h"
#include "vm/entry.h"
#include "vm/vm_priv.h"

#define QUERY_DEADLINE_MS 5000

/* ---- on the host: a work item with copies ------------------------------------ */

struct nic_work {
	char id[VM_DEF_ID_SIZE];
	char ifname[IF_NAMESIZE];
	struct net_filter filter;
	bool is_done;
	size_t changes;
	struct err err;
};

struct rx_work {
	struct work work;
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	bool is_end; /* nobody waits, and it is no error if the interface is gone */
	bool announces;
	size_t count;
	struct nic_work nics[VM_DEF_NIC_MAX];
};

static void run_work(struct work *work)
{
	struct rx_work *rx = (struct rx_work *)work;

	for (size_t i = 0; i < rx->count; i++) {
		struct nic_work *nic = &rx->nics[i];

		nic->is_done =
			net_apply_blocking(nic->ifname, &nic->filter, &nic->changes, &nic->err) &&
			(!rx->announces ||
			 net_announce_blocking(nic->ifname, &nic->filter, &nic->err));
	}
}

static bool is_worth_a_record(const struct rx_work *rx, const struct nic_work *nic)
{
	return nic->is_done ? nic->changes != 0 : !(rx->is_end && nic->err.code == ERR_NOT_FOUND);
}

/* VM is NULL for work with is_end, or if the VM is gone. */
static void log_result(struct vm *vm, const struct rx_work *rx, const struct nic_work *nic)
{
	if (!is_worth_a_record(rx, nic) ||
	    (vm && !vm_may_log(vm, nic->is_done ? "rx-filter" : "rx-filter failed")))
		return;
	if (nic->is_done)
		log_info("vm", "rx-filter", "vm=%s nic=%s ifname=%s changes=%zu", rx->name, nic->id,
			 nic->ifname, nic->changes);
	else
		log_warning("vm", "rx-filter", "vm=%s nic=%s ifname=%s error=%s", rx->name, nic->id,
			    nic->ifname, nic->err.msg);
}

static void pause_before_next(struct vm *vm, uint32_t ms);

static void work_done(struct work *work)
{
	struct rx_work *rx = (struct rx_work *)work;
	struct vm *vm = rx->is_end ? NULL : vm_find_uuid(rx->vms, rx->uuid);

	for (size_t i = 0; i < rx->count; i++)
		log_result(vm, rx, &rx->nics[i]);
	if (vm)
		pause_before_next(vm, RX_FILTER_PAUSE_MS);
	free(rx);
}

static struct rx_work *work_new(const struct vm *vm)
{
	struct rx_work *rx = xnew(struct rx_work);

	rx->work.run = run_work;
	rx->work.done = work_done;
	rx->vms = vm->vms;
	memcpy(rx->uuid, vm->row.uuid, sizeof(rx->uuid));
	memcpy(rx->name, vm->row.name, sizeof(rx->name));
	return rx;
}

/* The next NIC that is trusted, from *INDEX on; NULL: no more. */
static const struct vm_def_nic *next_trusted(struct vm *vm, size_t *index)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	while (def && *index < def->nic_count) {
		const struct vm_def_nic *nic = &def->nics[(*index)++];

		if (nic->rx_filter)
			return nic;
	}
	return NULL;
}

static struct nic_work *add_nic(struct rx_work *rx, const struct vm_def_nic *nic)
{
	struct nic_work *ret = &rx->nics[rx->count++];

	snprintf(ret->id, sizeof(ret->id), "%s", nic->id);
	snprintf(ret->ifname, sizeof(ret->ifname), "%s", nic->ifname);
	return ret;
}

/* ---- asking QEMU ---------------------------------------------------------------- */

struct question {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	struct vm_entry *entry;
};

static struct json_object *answer_of(struct json_object *answers, const char *id)
{
	size_t count = json_count(answers);

	for (size_t i = 0; i < count; i++) {
		struct json_object *answer = json_object_array_get_idx(answers, i);
		const char *name = json_get_str(answer, "name");

		if (name && strcmp(name, id) == 0)
			return answer;
	}
	return NULL;
}

static void take_answers(struct vm *vm, struct json_object *answers)
{
	struct rx_work *rx = work_new(vm);
	const struct vm_def_nic *nic;
	struct err err;

	rx->announces = vm->rx.announces;
	vm->rx.announces = false;
	for (size_t i = 0; (nic = next_trusted(vm, &i));) {
		struct json_object *answer = answer_of(answers, nic->id);
		struct nic_work *work = answer ? add_nic(rx, nic) : NULL;

		if (work && !net_filter_decode(answer, &work->filter, &err)) {
			if (vm_may_log(vm, "rx-filter failed"))
				log_warning("vm", "rx-filter", "vm=%s nic=%s error=%s", rx->name,
					    work->id, err.msg);
			rx->count--;
		}
	}
	worker_submit(vm->vms->net, &rx->work);
}

static void ask_again(struct vm *vm, const struct err *err)
{
	log_debug("vm", "rx-filter", "vm=%s error=%s", vm->row.name, err->msg);
	vm->rx.is_wanted = vm_is_active(vm);
	pause_before_next(vm, RX_FILTER_RETRY_MS);
}

static void on_answers(void *data, struct json_object *result, const struct err *err)
{
	struct question *question = data;
	struct vm *vm = vm_find_uuid(question->vms, question->uuid);

	vm_leave(question->entry);
	free(question);
	if (vm && err)
		ask_again(vm, err);
	else if (vm)
		take_answers(vm, result);
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct question *question = data;
	struct vm *vm = vm_find_uuid(question->vms, question->uuid);

	question->entry = entry;
	if (entry) {
		vm_entry_command(entry, "query-rx-filter", NULL, QUERY_DEADLINE_MS, on_answers,
				 question);
		return;
	}
	free(question);
	if (vm)
		ask_again(vm, err);
}

static bool may_ask(const struct vm *vm)
{
	return vm->rx.is_wanted && !vm->rx.is_busy && !loop_timer_is_active(vm->rx.timer) &&
	       vm->role == VM_ROLE_OWNED && vm_is_active(vm);
}

static void ask(struct vm *vm)
{
	struct question *question;

	if (!may_ask(vm))
		return;
	vm->rx.is_wanted = false;
	vm->rx.is_busy = true;
	question = xnew(struct question);
	question->vms = vm->vms;
	memcpy(question->uuid, vm->row.uuid, sizeof(question->uuid));
	vm_enter(vm, VM_SYNC_QUERY, VM_ENTRY_USUAL, on_entered, question);
}

static void pause_before_next(struct vm *vm, uint32_t ms)
{
	vm->rx.is_busy = false;
	loop_timer_start(vm->rx.timer, ms);
}

static void on_timer(void *data)
{
	ask(data);
}

/* ---- when --------------------------------------------------------------------- */

void vm_rx_init(struct vm *vm)
{
	vm->rx.timer = loop_timer_new(vm->vms->env.qemu.loop, on_timer, vm);
}

void vm_rx_fini(struct vm *vm)
{
	loop_timer_free(vm->rx.timer);
}

static bool has_trusted(struct vm *vm)
{
	size_t index = 0;

	return next_trusted(vm, &index) != NULL;
}

void vm_rx_follow(struct vm *vm)
{
	if (!has_trusted(vm))
		return;
	vm->rx.is_wanted = true;
	ask(vm);
}

void vm_rx_announce(struct vm *vm)
{
	vm->rx.announces = true;
	vm_rx_follow(vm);
}

void vm_rx_here(struct vm *vm, enum vm_here how)
{
	if (how == VM_HERE_FOUND)
		vm_rx_follow(vm);
}

void vm_rx_event(struct vm *vm, const struct qmp_event *event)
{
	enum qmp_event_type type = qmp_event_type_from_name(event->name);

	if (type == QMP_EVENT_TYPE_NIC_RX_FILTER_CHANGED || type == QMP_EVENT_TYPE_RESUME)
		vm_rx_follow(vm);
}

void vm_rx_forget(struct vm *vm, const char *id)
{
	struct rx_work *rx;
	const struct vm_def_nic *nic;

	if (vm->role != VM_ROLE_OWNED)
		return;
	rx = work_new(vm);
	rx->is_end = true;
	for (size_t i = 0; (nic = next_trusted(vm, &i));) {
		if (!id || strcmp(nic->id, id) == 0)
			add_nic(rx, nic);
	}
	if (rx->count)
		worker_submit(vm->vms->net, &rx->work);
	else
		free(rx);
}

void vm_rx_end(struct vm *vm)
{
	vm->rx.is_wanted = false;
	vm_rx_forget(vm, NULL);
}
