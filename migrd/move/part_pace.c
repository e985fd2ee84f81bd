/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's pace: which threads of QEMU run its CPUs.  move/measure.c reads how long they ran. */
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "vm/vm.h"

#define QUERY_DEADLINE_MS 5000

/* With one thread for all CPUs (TCG without multi-threading) QEMU names it for each. */
static void add(struct move_measure *measure, int64_t thread)
{
	if (thread <= 0 || thread > INT32_MAX || measure->thread_count == MOVE_VCPUS_MAX)
		return;
	for (size_t i = 0; i < measure->thread_count; i++)
		if (measure->threads[i] == (pid_t)thread)
			return;
	measure->threads[measure->thread_count++] = (pid_t)thread;
}

/* A move goes on without: its brownout is not known then. */
static void on_cpus(struct move *move, struct json_object *result, const struct err *err)
{
	struct move_measure *measure = &move->measure;

	if (err)
		log_debug("move", "pace", "move=%s error=%s", move->row.id, err->msg);
	free(measure->threads);
	measure->threads = xcalloc(MOVE_VCPUS_MAX, sizeof(*measure->threads));
	measure->thread_count = 0;
	for (size_t i = 0; !err && i < json_count(result); i++)
		add(measure, json_get_int(json_object_array_get_idx(result, i), "thread-id", 0));
	move_measure_pace(move, MOVE_PACE_BEGIN);
	move_parts_next(move);
}

static void ask_cpus(struct move *move)
{
	move_qmp(move, "query-cpus-fast", NULL, QUERY_DEADLINE_MS, on_cpus);
}

static bool is_wanted(const struct move *move)
{
	const struct vm *vm = move_vm(move);

	return move->side == MOVE_SRC && !move->facts.stopped && vm &&
	       vm_intent(vm) == VM_INTENT_STARTED;
}

const struct move_part move_part_pace = {
	.name = "pace",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_CHECK] = { ask_cpus } } },
};
