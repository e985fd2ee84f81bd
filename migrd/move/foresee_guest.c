/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/foresee_guest.h"

#include <string.h>

#include "base/mem.h"
#include "forecast/learn.h"
#include "move/foresee.h"
#include "move/priv.h"

/* A sample that is older tells less than the last move of the VM. */
#define SAMPLE_GOOD_MS 600000
/* So many moves tell how much of a guest's memory is sent. */
#define SHARE_MOVES 5
/* What is known of a move by an earlier one of the same VM may be off by so much, in percent; what
 * is known by its size, by so much more. */
#define EARLIER_LOW  70
#define EARLIER_HIGH 150
#define SIZE_HIGH    200
/* A guest whose transfer does not end by itself is given up, stopped or moved by post-copy, as its
 * policy says: it is taken to send its memory so many times. */
#define ENDLESS_TIMES 3

/* ---- what earlier moves have sent ---------------------------------------------------- */

struct earlier {
	uint64_t bytes; /* of memory, by the last move of the VM while it ran; 0: none is known */
	uint64_t disk_bytes; /* by its last move; 0: likewise */
	bool has_disks;
	double share_sum, share_low, share_high; /* of others: sent of their memory */
	unsigned share_count;
};

static uint64_t disk_bytes(const struct move *move)
{
	uint64_t sum = 0;

	for (size_t i = 0; move->plan && i < move->plan->disk_count; i++)
		sum += move->plan->disks[i].allocated_bytes;
	return sum;
}

static void add_share(double share, struct earlier *ret)
{
	ret->share_low = ret->share_count && ret->share_low < share ? ret->share_low : share;
	ret->share_high = ret->share_high > share ? ret->share_high : share;
	ret->share_sum += share;
	ret->share_count++;
}

static void add_memory(const struct move *move, bool is_of_vm, struct earlier *ret)
{
	const struct qmp_mig_info *info = &move->ram.info;

	if (!ret->bytes && is_of_vm)
		ret->bytes = info->ram_transferred_bytes;
	if (ret->share_count < SHARE_MOVES)
		add_share((double)info->ram_transferred_bytes / (double)info->ram_total_bytes, ret);
}

/* A VM that was stopped had no memory to send. */
static struct earlier look_back(struct moves *moves, const char *vm_uuid)
{
	struct earlier ret = { 0 };

	for (const struct move *move = moves_first(moves);
	     move && (!ret.bytes || ret.share_count < SHARE_MOVES); move = move_next(move)) {
		const struct qmp_mig_info *info = &move->ram.info;
		bool is_of_vm = strcmp(move->row.vm_uuid, vm_uuid) == 0;

		if (move->side != MOVE_SRC || move->machine.state != MOVE_STATE_DONE)
			continue;
		if (is_of_vm && !ret.has_disks)
			ret.disk_bytes = disk_bytes(move);
		ret.has_disks = ret.has_disks || is_of_vm;
		if (!move->facts.stopped && info->ram_total_bytes && info->ram_transferred_bytes)
			add_memory(move, is_of_vm, &ret);
	}
	return ret;
}

/* ---- beside the data ------------------------------------------------------------------ */

static uint64_t sum_of(const struct forecast_costs *costs, double zero_ms)
{
	return (uint64_t)(costs->prepare_ms + costs->handover_ms + costs->end_ms + zero_ms);
}

/* ZERO_BYTES of its memory are passed over. */
static struct forecast_value beside(const struct forecast_input *history, double zero_bytes)
{
	double scan = history->zero_bytes_per_s > 0 ? history->zero_bytes_per_s
						    : FORECAST_ZERO_BYTES_PER_S;
	double zero_ms = zero_bytes > 0 ? zero_bytes / scan * 1000 : 0;

	return (struct forecast_value){ .expected = sum_of(&history->costs, zero_ms),
					.low = sum_of(&history->costs_low, zero_ms),
					.high = sum_of(&history->costs_high, zero_ms) };
}

/* ---- by what is known best --------------------------------------------------------------- */

static uint64_t no_more_than(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

struct guest {
	struct vm *vm;
	bool is_stopped; /* it has no memory, whatever its definition says */
	const struct forecast_input *history;
};

static bool by_sample(struct moves *moves, const struct guest *guest,
		      const struct move_options *options, uint64_t memory_bytes,
		      struct foreseen *ret)
{
	const uint64_t now_ms = loop_now_ms(moves->env.loop);
	struct forecast_input input = *guest->history;
	struct forecast said;
	struct vm_dirty dirty;
	uint64_t most;

	if (!vm_dirty_last(guest->vm, &dirty) || !dirty.is_known ||
	    now_ms - dirty.at_ms > SAMPLE_GOOD_MS)
		return false;
	foresee_request(moves, options, NULL, 0, &input);
	input.limit_bytes_per_s = options->bandwidth_bytes_per_s; /* its part of a budget changes */
	input.is_still = vm_intent(guest->vm) != VM_INTENT_STARTED;
	foresee_memory(moves,
		       &(struct foresee_guest){ vm_uuid(guest->vm), memory_bytes,
						dirty.resident_bytes },
		       &dirty, now_ms, &input);
	forecast_make(&input, &said);
	most = ENDLESS_TIMES * input.nonzero_bytes;
	ret->by = FORESEEN_BY_SAMPLE;
	ret->bytes = (struct forecast_value){ .expected = no_more_than(said.bytes.expected, most),
					      .low = no_more_than(said.bytes.low, most),
					      .high = no_more_than(said.bytes.high, most) };
	ret->beside_ms = beside(guest->history, (double)(memory_bytes - input.nonzero_bytes));
	return true;
}

static void by_earlier_move(const struct guest *guest, uint64_t memory_bytes,
			    const struct earlier *earlier, struct foreseen *ret)
{
	ret->by = FORESEEN_BY_EARLIER_MOVE;
	ret->bytes = (struct forecast_value){ .expected = earlier->bytes,
					      .low = earlier->bytes / 100 * EARLIER_LOW,
					      .high = earlier->bytes / 100 * EARLIER_HIGH };
	ret->beside_ms = beside(guest->history, (double)memory_bytes - (double)earlier->bytes);
}

static void by_size(const struct guest *guest, uint64_t memory_bytes, const struct earlier *earlier,
		    struct foreseen *ret)
{
	bool has_share = earlier->share_count > 0;
	double share = has_share ? earlier->share_sum / earlier->share_count : 1;
	double most = has_share && earlier->share_high > 1 ? earlier->share_high : 1;
	double bytes = (double)memory_bytes * share;

	ret->by = FORESEEN_BY_SIZE;
	ret->bytes = (struct forecast_value){
		.expected = (uint64_t)bytes,
		.low = has_share ? (uint64_t)((double)memory_bytes * earlier->share_low) / 100 *
					   EARLIER_LOW
				 : 0,
		.high = (uint64_t)((double)memory_bytes * most) / 100 * SIZE_HIGH,
	};
	ret->beside_ms = beside(guest->history, (double)memory_bytes - bytes);
}

/* A copy has what the image takes, whatever its guest does. */
static void add_disks(uint64_t disk_bytes, struct foreseen *ret)
{
	ret->disk_bytes = disk_bytes;
	ret->bytes.expected += disk_bytes;
	ret->bytes.low += disk_bytes;
	ret->bytes.high += disk_bytes;
}

/* What its policy says counts where the request says nothing. */
static struct move_options options_of(const struct moves *moves,
				      const struct foresee_question *question)
{
	struct move_options options = *question->options;
	struct policies_choice policy;
	struct err ignored; /* the attempt will say it */

	if (move_policy_choose(moves, question->vm, question->policy, &policy, &ignored))
		move_policy_limit(&policy.policy, &options);
	return options;
}

static void foresee(struct moves *moves, const struct guest *guest,
		    const struct move_options *options, struct foreseen *ret)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(guest->vm, &ignored);
	uint64_t memory_bytes = def ? vm_def_memory_mib(def) << 20 : 0;
	const struct earlier earlier = look_back(moves, vm_uuid(guest->vm));

	*ret = (struct foreseen){ .by = FORESEEN_BY_SIZE,
				  .limit_bytes_per_s = options->bandwidth_bytes_per_s };
	if (guest->is_stopped) {
		ret->beside_ms = beside(guest->history, 0);
	} else if (!by_sample(moves, guest, options, memory_bytes, ret)) {
		if (earlier.bytes)
			by_earlier_move(guest, memory_bytes, &earlier, ret);
		else
			by_size(guest, memory_bytes, &earlier, ret);
	}
	add_disks(earlier.disk_bytes, ret);
}

/* A job has a QEMU for the disks of a VM that is stopped all the same. */
static bool is_stopped(const struct vm *vm)
{
	const struct vm_job *job = vm_job(vm);

	return vm_is_stopped(vm) || (job && job->is_of_stopped);
}

void foresee_guest(struct moves *moves, const struct foresee_question *question,
		   struct foreseen *ret)
{
	const struct move_options options = options_of(moves, question);
	const struct guest guest = { question->vm, is_stopped(question->vm), question->history };

	foresee(moves, &guest, &options, ret);
}

bool foresee_begun(const struct move *move, const struct forecast_input *history,
		   struct foreseen *ret)
{
	const struct guest guest = { move_vm(move), move->facts.stopped, history };

	if (!guest.vm)
		return false;
	foresee(move->moves, &guest, &move->options, ret);
	return true;
}
