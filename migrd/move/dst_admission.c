/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host has promised to the moves that come here, and whether it promises more: places for
 * moves, of which some are for interactive ones; of one peer, moves and memory, so that one peer
 * cannot fill this host; vCPUs to a core.  (The memory of all jobs together is vm/admission.h's.)
 */
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "hold/hold.h"
#include "move/dst.h"
#include "move/priv.h"
#include "vm/admission.h"

/* The rest of in_max is for interactive moves. */
#define OTHERS_PERCENT 75

struct promised {
	unsigned places;     /* moves that have not ended */
	unsigned of_peer;    /* guests of one peer that are not here yet */
	uint64_t memory_mib; /* of guests that are not here yet */
	uint64_t memory_of_peer_mib;
};

/* Of SOURCE; without the moves of VM_UUID, since a former move of the same guest goes as soon as
 * this host knows of its end. */
static struct promised count(const struct moves *moves, const char *source, const char *vm_uuid)
{
	struct promised sum = { 0 };
	const struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		bool is_of_peer = strcmp(move->row.peer, source) == 0;

		if (move->side != MOVE_DST || move_is_final(move) ||
		    (vm_uuid[0] && strcmp(move->row.vm_uuid, vm_uuid) == 0))
			continue;
		sum.places++;
		if (move->verdict != VERDICT_NONE)
			continue;
		sum.memory_mib += move->facts.memory_mib;
		sum.of_peer += is_of_peer;
		sum.memory_of_peer_mib += is_of_peer ? move->facts.memory_mib : 0;
	}
	return sum;
}

uint64_t moves_promised_mib(void *moves)
{
	return count(moves, "", "").memory_mib;
}

size_t moves_arriving(const void *moves)
{
	return count(moves, "", "").places;
}

bool moves_hold_allows(const struct moves *moves, const struct move_offer *offer, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	/* Not LIMIT, which says that it may be asked again soon. */
	return offer->options.priority == MOVE_PRIORITY_INTERACTIVE ||
	       !holds_host(moves->env.holds, &why) ||
	       err_set(err, ERR_CONFLICT, "no move comes here by itself, as %s", strbuf_str(&why));
}

/* Rounded up: one place is for any move. */
static unsigned places_for(const struct moves *moves, enum move_priority priority)
{
	unsigned in_max = moves->env.limits.in_max;

	return priority == MOVE_PRIORITY_INTERACTIVE ? in_max
						     : (in_max * OTHERS_PERCENT + 99) / 100;
}

bool moves_have_place(const struct moves *moves, const struct move_offer *offer, struct err *err)
{
	const char *uuid = json_get_str(offer->definition, "uuid");
	unsigned allowed = places_for(moves, (enum move_priority)offer->options.priority);
	unsigned taken = count(moves, "", uuid ? uuid : "").places;
	unsigned in_max = moves->env.limits.in_max;

	if (taken < allowed)
		return true;
	if (taken < in_max)
		return err_set(err, ERR_LIMIT,
			       "%u of the %u places for moves to host '%s' are taken, and the last "
			       "%u are for moves with priority `interactive': try again when one "
			       "has ended, or raise in_max there",
			       taken, in_max, moves->env.host_id, in_max - allowed);
	return err_set(err, ERR_LIMIT,
		       "%u of the %u places for moves to host '%s' are taken: try again when one "
		       "has ended, or raise in_max there",
		       taken, in_max, moves->env.host_id);
}

bool moves_peer_may_offer(const struct moves *moves, const char *source, uint64_t wanted_mib,
			  struct err *err)
{
	const struct moves_env *env = &moves->env;
	const struct promised promised = count(moves, source, "");
	uint64_t allowed_mib = proc_available_mib() / 100 * env->offers_memory_percent;

	if (promised.of_peer >= env->offers_max)
		return err_set(err, ERR_LIMIT,
			       "%u guests of host '%s' are on their way here already: wait for "
			       "one, or raise offers_max there",
			       promised.of_peer, source);
	/* One that comes alone may be as large as there is room. */
	if (promised.of_peer && promised.memory_of_peer_mib + wanted_mib > allowed_mib)
		return err_set(err, ERR_LIMIT,
			       "%llu MiB are promised to guests of host '%s' already: with %llu "
			       "MiB more it would be over %u %% of what is available: wait for "
			       "one, or raise offers_memory_percent there",
			       (unsigned long long)promised.memory_of_peer_mib, source,
			       (unsigned long long)wanted_mib, env->offers_memory_percent);
	return true;
}

/* By the text of the definition, as vm_def_of() would keep a struct for each VM. */
static uint64_t vcpus_of(const struct vm *vm)
{
	struct json_object *def = json_read_back(vm_definition(vm)), *more = NULL;
	int64_t vcpus = json_get_int(def, "vcpus", 1);

	json_object_object_get_ex(def, "vcpu_devices", &more);
	vcpus += (int64_t)json_count(more);
	json_object_put(def);
	return vcpus > 0 ? (uint64_t)vcpus : 0;
}

/* Of guests that are here or on their way, without the VM of UUID. */
static uint64_t vcpus_here(struct vms *vms, const char *uuid)
{
	uint64_t sum = 0;

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		bool counts = vm_role(vm) == VM_ROLE_INCOMING || qemu_is_alive(vm_qemu(vm));

		sum += counts && strcmp(vm_uuid(vm), uuid) != 0 ? vcpus_of(vm) : 0;
	}
	return sum;
}

bool moves_have_cores(const struct moves *moves, const struct vm_def *def, struct err *err)
{
	uint64_t most = moves->env.limits.vcpus_per_core, sum;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!most || cores <= 0)
		return true;
	sum = vcpus_here(moves->env.vms, def->uuid) + def->vcpus + def->vcpu_device_count;
	if (sum <= most * (uint64_t)cores)
		return true;
	/* Not LIMIT, which says that it may be asked again soon. */
	return err_set(err, ERR_NO_SPACE,
		       "with this guest, the guests of host '%s' would have %llu vCPUs on %ld "
		       "cores, and %llu to a core are allowed: move it to another host, or raise "
		       "vcpus_per_core there",
		       moves->env.host_id, (unsigned long long)sum, cores,
		       (unsigned long long)most);
}
