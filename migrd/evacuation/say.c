/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far an evacuation is: counts, and one sentence. */
#include <inttypes.h>

#include "base/clock.h"
#include "evacuation/priv.h"

/* ---- counts -------------------------------------------------------------------------------- */

static void count_vm(const struct evac_vm *vm, struct evacuation_counts *counts)
{
	counts->total++;
	switch ((enum evac_vm_state)vm->state) {
	case EVAC_VM_MOVING:
	case EVAC_VM_RETURNING:
	case EVAC_VM_STOPPING:
	case EVAC_VM_SAVING:
		counts->left++;
		counts->moving++;
		break;
	case EVAC_VM_BLOCKED:
	case EVAC_VM_HELD:
		counts->left++;
		counts->blocked++;
		break;
	case EVAC_VM_WAITING:
	case EVAC_VM_QUEUED:
		counts->left++;
		break;
	case EVAC_VM_MOVED:
	case EVAC_VM_AWAY:
		counts->moved++;
		break;
	case EVAC_VM_STOPPED:
	case EVAC_VM_SAVED:
	case EVAC_VM_LEFT:
		counts->stays++;
		break;
	case EVAC_VM_RETURNED:
		counts->returned++;
		break;
	case EVAC_VM_GONE:
	case EVAC_VM_STATE_COUNT:
		break;
	}
}

struct evacuation_counts evac_counts(const struct evacuation *evac)
{
	struct evacuation_counts counts = { 0 };

	for (size_t i = 0; i < evac->vm_count; i++)
		count_vm(&evac->vms[i], &counts);
	return counts;
}

const struct evac_vm *evac_blocking(const struct evacuation *evac)
{
	for (size_t i = 0; i < evac->vm_count; i++)
		if (evac->vms[i].state == EVAC_VM_BLOCKED || evac->vms[i].state == EVAC_VM_HELD)
			return &evac->vms[i];
	return NULL;
}

/* ---- one sentence ---------------------------------------------------------------------- */

static void say_counts(const struct evacuation *evac, struct strbuf *text)
{
	const struct evacuation_counts counts = evac_counts(evac);
	const struct evac_vm *vm = evac_blocking(evac);

	strbuf_addf(text, "%" PRIu64 " of %" PRIu64 " VM%s %s left, %" PRIu64 " under way",
		    counts.left, counts.total, counts.total == 1 ? "" : "s",
		    counts.left == 1 ? "is" : "are", counts.moving);
	if (counts.blocked)
		strbuf_addf(text, ", %" PRIu64 " blocked", counts.blocked);
	if (vm)
		strbuf_addf(text, "; VM '%s' %s: %s", vm->name,
			    vm->state == EVAC_VM_HELD ? "is held" : "is blocked", vm->why);
}

static void say_planned(const struct evacuation *evac, struct strbuf *text)
{
	const struct evac_detail *detail = &evac->detail;

	if (!detail->approved)
		strbuf_adds(text, "waits until somebody approves of it");
	if (detail->not_before_ms > clock_wall_ms())
		strbuf_addf(text, "%swaits for its window of time", text->len ? ", and " : "");
	if (detail->paused)
		strbuf_addf(text, "%sis paused: %s", text->len ? ", and " : "", detail->paused_why);
	if (!text->len)
		strbuf_adds(text, "is about to begin");
}

static void say_draining(const struct evacuation *evac, struct strbuf *text)
{
	const struct evac_detail *detail = &evac->detail;
	const struct evacuation_counts counts = evac_counts(evac);

	if (detail->paused) {
		strbuf_addf(text, "is paused: %s; ", detail->paused_why);
	} else if (!evac->now.is_cordon_on) {
		strbuf_adds(text, "the host is being cordoned; ");
	} else if (evac->now.creations) {
		strbuf_addf(text, "%zu guest%s still coming to this host; ", evac->now.creations,
			    evac->now.creations == 1 ? " is" : "s are");
	} else if (evac_rooms_are_under_way(evac)) {
		strbuf_adds(text, "VMs of other hosts give way first; ");
	} else if (evac->now.plan_error[0]) {
		strbuf_addf(text, "no plan can be made: %s; ", evac->now.plan_error);
	} else if (evac->now.planning && !counts.moving) {
		strbuf_adds(text, "hosts are asked what they have room for; ");
	}
	say_counts(evac, text);
}

/* The first one whose host is silent, and how many there are. */
static void say_returning(const struct evacuation *evac, struct strbuf *text)
{
	const struct evac_vm *first = NULL;
	size_t count = 0;

	strbuf_adds(text, "VMs come back; ");
	say_counts(evac, text);
	for (size_t i = 0; i < evac->vm_count; i++) {
		const struct evac_vm *vm = &evac->vms[i];

		if (vm->state != EVAC_VM_RETURNING || !vm->silent_ms)
			continue;
		first = first ? first : vm;
		count++;
	}
	if (first)
		strbuf_addf(text, "; %zu on hosts that do not answer: VM '%s': %s", count,
			    first->name, first->why);
}

static void say_drained(const struct evacuation *evac, struct strbuf *text)
{
	const struct evacuation_counts counts = evac_counts(evac);

	strbuf_addf(text,
		    "no guest is here any more, by the records of all hosts: %" PRIu64 " moved",
		    counts.moved);
	if (counts.stays)
		strbuf_addf(text, "; %" PRIu64 " stay%s here, as request and placement allow",
			    counts.stays, counts.stays == 1 ? "s" : "");
}

void evac_say(const struct evacuation *evac, struct strbuf *text)
{
	const struct evac_detail *detail = &evac->detail;

	if (detail->ending != EVAC_ENDING_NONE && !evacuation_is_final(evac))
		strbuf_addf(text, "%s, and waits for what is under way; ", detail->ending_why);
	switch ((enum evac_state)evac->machine.state) {
	case EVAC_STATE_PLANNED:
	case EVAC_STATE_WAITING:
		say_planned(evac, text);
		break;
	case EVAC_STATE_DRAINING:
		say_draining(evac, text);
		break;
	case EVAC_STATE_DRAINED:
		say_drained(evac, text);
		break;
	case EVAC_STATE_RETURNING:
		say_returning(evac, text);
		break;
	case EVAC_STATE_ENDED:
	case EVAC_STATE_ABORTED:
	case EVAC_STATE_COUNT:
		strbuf_adds(text, err_is_set(&evac->error) ? evac->error.msg : "has ended");
		break;
	}
}
