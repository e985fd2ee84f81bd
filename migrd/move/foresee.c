/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/foresee.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "move/foresee_past.h"
#include "move/priv.h"

/* A move uses a sample that is not older. */
#define SAMPLE_GOOD_MS 60000

/* ---- what is asked for ------------------------------------------------------------- */

static enum forecast_postcopy postcopy_of(const struct transfer_wish *wish)
{
	if (!wish->has_postcopy || wish->postcopy.start == TRANSFER_POSTCOPY_MANUAL)
		return FORECAST_POSTCOPY_NONE;
	return wish->postcopy.start == TRANSFER_POSTCOPY_AT_ONCE ? FORECAST_POSTCOPY_AT_ONCE
								 : FORECAST_POSTCOPY_FIRST_PASS;
}

void foresee_request(const struct moves *moves, const struct move_options *options,
		     const struct transfer_plan *plan, uint64_t let_come,
		     struct forecast_input *ret)
{
	uint64_t limit = moves_limit_of_new(moves, options);

	ret->limit_bytes_per_s = !limit || (let_come && let_come < limit) ? let_come : limit;
	ret->downtime_limit_ms = options->downtime_limit_ms;
	ret->auto_converge = options->transfer.auto_converge;
	ret->is_held = options->has_hold;
	ret->postcopy = postcopy_of(&options->transfer);
	ret->switchover_bytes_per_s = transfer_plan_number(plan, TRANSFER_SWITCHOVER_BANDWIDTH);
}

uint64_t foresee_deadline_ms(const struct policy *policy, const struct forecast_input *input)
{
	uint64_t bytes = input->memory_bytes + input->disk_bytes;

	return policy->observe ? 0 : policy_deadline_ms(policy, bytes);
}

/* ---- forecast and truth ----------------------------------------------------------------- */

static uint64_t disk_bytes(const struct move *move)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < move->plan->disk_count; i++)
		sum += move->plan->disks[i].allocated_bytes;
	return sum;
}

void foresee_move(struct move *move)
{
	const uint64_t now_ms = loop_now_ms(move->moves->env.loop);
	struct vm *vm = move_vm(move);
	const struct vm_def *def = move_definition(move);
	struct forecast_input input = { 0 };
	struct vm_dirty dirty;

	if (!vm || !def || move->facts.stopped || move->options.has_hold ||
	    vm_intent(vm) != VM_INTENT_STARTED || !vm_dirty_last(vm, &dirty) ||
	    now_ms - dirty.at_ms > SAMPLE_GOOD_MS)
		return;
	input.disk_bytes = disk_bytes(move);
	foresee_history(move->moves, move->row.peer, &input);
	foresee_request(move->moves, &move->options, move->plan, move->begin.let_come_bytes_per_s,
			&input);
	foresee_memory(move->moves,
		       &(struct foresee_guest){ move->row.vm_uuid, vm_def_memory_mib(def) << 20,
						dirty.resident_bytes },
		       &dirty, now_ms, &input);
	input.deadline_ms = foresee_deadline_ms(&move->policy, &input);
	free(move->forecast);
	move->forecast = xnew(struct forecast);
	forecast_make(&input, move->forecast);
	move_note(move, "forecast", "%s", move->forecast->summary);
}

static void count(struct histogram *errors, double said, double truth)
{
	double miss;

	if (truth <= 0)
		return; /* it did not stand still */
	miss = said / truth - 1;
	histogram_add(errors, &totals_error, miss < 0 ? -miss : miss);
}

void foresee_compare(struct move *move)
{
	const struct forecast *said = move->forecast;
	struct move_totals *totals = &move->moves->totals;

	if (move->side != MOVE_SRC || !said || move->machine.state != MOVE_STATE_DONE)
		return;
	count(&totals->duration_error, (double)said->duration_ms.expected,
	      foresee_duration_ms(move));
	count(&totals->blackout_error, (double)said->blackout_ms.expected,
	      foresee_ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN));
}
