/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs that this host itself does not let go, whatever the others have room for: QEMU says that it
 * cannot migrate the guest, as with a device that is passed through, or a check before a move finds
 * something that stays.  They are tried again when something of them has changed, and now and then,
 * as a person may change what no record tells of. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/placement.h"

/* So often in a row, since the first time may be of the moment. */
#define REFUSALS_MIN 2
/* And over so long, before a guest is stopped or saved for it: attempts come after 2, 4, 8 .. s. */
#define REFUSALS_S    30
#define AGAIN_MINUTES 10

/* What it is now; the caller frees it. */
static char *picture_of(const struct vm *vm)
{
	return xasprintf("%s %" PRId64 " %" PRIu64 " %s", vm_state(vm),
			 (int64_t)vm_row(vm)->qemu_pid, vm_generation(vm), vm_definition(vm));
}

static enum placement_evacuation on_evacuation_of(const struct vm *vm)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(vm_definition(vm));
	struct json_object *obj = json_get_obj(def, "placement");
	struct placement *placement = xnew(struct placement);
	enum placement_evacuation ret = PLACEMENT_LEAVE;
	struct err ignored;

	if (obj &&
	    json_decode_object(obj, placement_fields, placement, JSON_IGNORE_UNKNOWN, &ignored))
		ret = (enum placement_evacuation)placement->on_evacuation;
	free(placement);
	return ret;
}

/* What is said of one by what it becomes; of one that blocks, by what could be asked for. */
static const char *what_follows(int becomes, enum placement_evacuation wanted)
{
	static const char *const offers[PLACEMENT_EVACUATION_COUNT] = {
		[PLACEMENT_LEAVE] = "an evacuation with may_leave lets it stay",
		[PLACEMENT_RESTART] = "an evacuation with may_stop stops it, as its placement says",
		[PLACEMENT_SAVE] = "an evacuation with may_save saves it, as its placement says",
	};

	switch (becomes) {
	case EVAC_VM_LEFT:
		return "it stays here, as it may";
	case EVAC_VM_STOPPING:
		return "it is stopped when the others have moved";
	case EVAC_VM_SAVING:
		return "it is saved when the others have moved";
	default:
		return offers[wanted];
	}
}

static void settle(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm,
		   const char *why)
{
	const struct capacity_vm told = { .on_evacuation = on_evacuation_of(vm) };
	struct evac_choice choice = { .becomes = evac_becomes(evac->request, &told) };
	bool is_blocked = choice.becomes == EVAC_VM_BLOCKED;
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "cannot be moved: %.250s; ", why);
	if (is_blocked)
		strbuf_addf(&text, "it is tried again when it has changed, and after %d minutes; ",
			    AGAIN_MINUTES);
	strbuf_adds(&text, what_follows(choice.becomes, told.on_evacuation));
	choice.why = text.data;
	evac_vm_take_choice(evac, evac_vm, &choice);
	evac_vm->again_ms =
		is_blocked ? loop_now_ms(evac->evacs->env.loop) + AGAIN_MINUTES * UINT64_C(60000)
			   : 0;
}

bool evac_is_refused_for_good(uint64_t count, uint64_t ms, int becomes)
{
	bool ends_guest = becomes == EVAC_VM_STOPPING || becomes == EVAC_VM_SAVING;

	return count >= REFUSALS_MIN && (!ends_guest || ms >= REFUSALS_S * UINT64_C(1000));
}

static int becomes(const struct evacuation *evac, const struct vm *vm)
{
	return evac_becomes(evac->request,
			    &(struct capacity_vm){ .on_evacuation = on_evacuation_of(vm) });
}

static void try_again(struct evacuation *evac, struct evac_vm *evac_vm, const char *why, int then)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%.350s", why);
	if (then == EVAC_VM_STOPPING || then == EVAC_VM_SAVING)
		strbuf_addf(&text, "; it is %s if that is said for %d s",
			    then == EVAC_VM_STOPPING ? "stopped" : "saved", REFUSALS_S);
	evac_vm_attempt_failed(evac, evac_vm, strbuf_str(&text));
}

/* Once more in a row: for how long. */
static uint64_t count_refusal(const struct evacuation *evac, struct evac_vm *evac_vm)
{
	const uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (!evac_vm->refused++)
		evac_vm->refused_ms = now_ms;
	return now_ms - evac_vm->refused_ms;
}

bool evac_vm_waits_out(struct evacuation *evac, struct evac_vm *evac_vm,
		       const struct evac_choice *choice)
{
	uint64_t ms;

	if (!choice->is_of_moment)
		return false;
	ms = count_refusal(evac, evac_vm);
	if (evac_is_refused_for_good(evac_vm->refused, ms, choice->becomes))
		return false;
	try_again(evac, evac_vm, choice->why, choice->becomes);
	return true;
}

/* A job of it passes, and so does a QEMU that does not answer. */
void evac_vm_refused(struct evacuation *evac, struct evac_vm *evac_vm, const char *why)
{
	const struct vm *vm = vm_find_uuid(evac->evacs->env.vms, evac_vm->uuid);
	const uint64_t ms = count_refusal(evac, evac_vm);
	int then;

	if (!vm || vm_job(vm) || !vm_is_active(vm) || !evac->request) {
		evac_vm_attempt_failed(evac, evac_vm, why);
		return;
	}
	then = becomes(evac, vm);
	if (!evac_is_refused_for_good(evac_vm->refused, ms, then)) {
		try_again(evac, evac_vm, why, then);
		return;
	}
	free(evac_vm->refused_as);
	evac_vm->refused_as = picture_of(vm);
	settle(evac, evac_vm, vm, why);
}

void evac_vm_forget_refusals(struct evac_vm *evac_vm)
{
	evac_vm->refused = 0;
	free(TAKE_PTR(evac_vm->refused_as));
}

void evac_vm_look_at_refused(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm)
{
	CLEANUP(free_charp) char *now = evac_vm->refused_as ? picture_of(vm) : NULL;

	if (!now || evac_vm->state != EVAC_VM_BLOCKED || strcmp(now, evac_vm->refused_as) == 0)
		return;
	evac_vm_forget_refusals(evac_vm);
	evac_vm->again_ms = evac_vm->failed = 0;
	evac_vm_set(evac, evac_vm, EVAC_VM_WAITING, "has changed, and is tried again");
}
