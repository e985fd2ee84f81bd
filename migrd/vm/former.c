/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hosts of a VM's record, and VMs that were here. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "vm/vm_priv.h"

/* ---- the hosts of the record -------------------------------------------- */

#define ALL_HOSTS    "*"
#define UNKNOWN_HOST "?" /* as `elsewhere' */

/* The place of HOST in LIST; NULL: it is not there. */
static char *find_host(char *list, const char *host)
{
	size_t len = strlen(host);

	for (char *at = list; *at; at += strcspn(at, " "), at += *at == ' ') {
		if (strncmp(at, host, len) == 0 && (at[len] == ' ' || !at[len]))
			return at;
	}
	return NULL;
}

bool vm_knows_host(const struct vm *vm, const char *host)
{
	char list[STORE_HOSTS_SIZE];

	memcpy(list, vm->row.hosts, sizeof(list));
	return strcmp(list, ALL_HOSTS) == 0 || find_host(list, host);
}

bool vm_next_host(const struct vm *vm, const char **at, char ret_host[ID_NAME_SIZE])
{
	const char *host = *at ? *at : vm->row.hosts;
	size_t len;

	host += strspn(host, " ");
	len = strcspn(host, " ");
	if (!len || strcmp(vm->row.hosts, ALL_HOSTS) == 0)
		return false;
	snprintf(ret_host, ID_NAME_SIZE, "%.*s", (int)len, host);
	*at = host + len;
	return true;
}

void vm_note_host(struct vm *vm, const char *host)
{
	char *hosts = vm->row.hosts;
	size_t len = strlen(hosts);

	if (vm_knows_host(vm, host))
		return;
	vm->hosts_no++;
	if (len + 1 + strlen(host) + 1 > sizeof(vm->row.hosts))
		snprintf(hosts, sizeof(vm->row.hosts), ALL_HOSTS);
	else
		snprintf(hosts + len, sizeof(vm->row.hosts) - len, "%s%s", len ? " " : "", host);
}

void vm_forget_host(struct vm *vm, const char *host)
{
	char *at = find_host(vm->row.hosts, host);
	size_t len = strlen(host), end;

	if (!at)
		return;
	memmove(at, at + len + (at[len] == ' '), strlen(at + len + (at[len] == ' ')) + 1);
	end = strlen(vm->row.hosts);
	if (end && vm->row.hosts[end - 1] == ' ')
		vm->row.hosts[end - 1] = '\0';
	vm_save(vm, NULL, NULL);
}

bool vm_has_recorded_host(const struct vm *vm, const char *host)
{
	return vm_knows_host(vm, host) && vm->hosts_saved_no == vm->hosts_no;
}

struct recording {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	unsigned hosts_no;
	store_done_fn *done;
	void *data;
};

static void on_recorded(void *data, const struct err *err)
{
	struct recording *recording = data;
	struct vm *vm = vm_find_uuid(recording->vms, recording->uuid);

	if (err)
		log_error("vm", "save", "error=%s", err->msg);
	else if (vm)
		vm->hosts_saved_no = recording->hosts_no;
	if (recording->done)
		recording->done(recording->data, err);
	free(recording);
}

void vm_record_host(struct vm *vm, const char *host, store_done_fn *done, void *data)
{
	struct recording *recording = xnew(struct recording);

	vm_note_host(vm, host);
	recording->vms = vm->vms;
	memcpy(recording->uuid, vm->row.uuid, sizeof(recording->uuid));
	recording->hosts_no = vm->hosts_no;
	recording->done = done;
	recording->data = data;
	vm_save(vm, on_recorded, recording);
}

void vm_note_asking(struct vm *vm, bool is_asking)
{
	if (is_asking)
		vm->asking++;
	else if (vm->asking) /* 0: the VM was deleted and created again meanwhile */
		vm->asking--;
}

/* ---- was here --------------------------------------------------------------- */

void vm_give_up(struct vm *vm, const char *host, uint64_t generation)
{
	log_error("vm", "was-here", "vm=%s host=%s generation=%llu there=%llu", vm->row.name, host,
		  (unsigned long long)vm->row.generation, (unsigned long long)generation);
	vm->role = VM_ROLE_FORMER;
	snprintf(vm->row.role, sizeof(vm->row.role), "%s", vm_role_names[VM_ROLE_FORMER]);
	snprintf(vm->row.elsewhere, sizeof(vm->row.elsewhere), "%s", host);
	vm_set_intent(vm, VM_INTENT_STOPPED);
	vm_say_former(vm);
	vm_save(vm, NULL, NULL);
	vm_changed(vm);
	vm_end_former(vm);
}

void vm_end_former(struct vm *vm)
{
	if (vm->role == VM_ROLE_FORMER && !vm->vms->is_settling && vm_is_active(vm) &&
	    qemu_run_state(vm->qemu) == QMP_RUN_POSTMIGRATE)
		vm_act(vm, VM_ACTION_STOP, NULL, NULL);
}

void vm_say_former(struct vm *vm)
{
	snprintf(vm->reason, sizeof(vm->reason),
		 "host '%s' has this VM with a higher generation: the record here is old (%llu)%s",
		 vm->row.elsewhere, (unsigned long long)vm->row.generation,
		 vm->qemu ? "; a QEMU of it is here too, and never goes on: 'stop' ends it"
			  : "; 'delete' forgets it");
}

/* ---- a record that may be old ------------------------------------------------- */

bool vm_holds_copy(const struct vm *vm)
{
	return vm->role == VM_ROLE_OWNED && !vm->job && vm_is_active(vm) &&
	       (qemu_run_state(vm->qemu) == QMP_RUN_POSTMIGRATE || vm_never_ran(vm));
}

bool vm_is_sent_away(const struct vm *vm)
{
	return vm_holds_copy(vm) && strcmp(vm->row.elsewhere, UNKNOWN_HOST) == 0;
}

static void note_sent_away(struct vm *vm)
{
	snprintf(vm->row.elsewhere, sizeof(vm->row.elsewhere), "%s", UNKNOWN_HOST);
	snprintf(vm->reason, sizeof(vm->reason),
		 "its QEMU has sent the guest to another host, or got it from one, by a move that "
		 "the records of this host do not know: it may have run there since; look there "
		 "first ('migrctl move list'); 'stop' and 'start' boot it here from its disks");
	vm->events.has_reason = true;
	log_error("vm", "sent-away", "vm=%s reason=%s", vm->row.name, vm->reason);
}

void vm_follow_found(struct vm *vm)
{
	enum vm_intent seen = VM_INTENT_PAUSED;

	if (!vm_is_active(vm) || vm->role != VM_ROLE_OWNED)
		return;
	if (vm_holds_copy(vm))
		note_sent_away(vm);
	if (qemu_run_state(vm->qemu) == QMP_RUN_RUNNING)
		seen = VM_INTENT_STARTED;
	if (seen == vm->intent)
		return;
	log_warning("vm", "found", "vm=%s asked-for=%s found=%s", vm->row.name,
		    vm_intent_names[vm->intent], vm_intent_names[seen]);
	vm_set_intent(vm, seen);
}
