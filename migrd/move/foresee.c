/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/foresee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "move/links.h"
#include "move/priv.h"

/* A move that sends less is over before the stream has come up to speed. */
#define LINK_BYTES_MIN (UINT64_C(64) << 20)
/* A move uses a sample that is not older. */
#define SAMPLE_GOOD_MS 60000

/* ---- earlier moves ---------------------------------------------------------------- */

static double ms_between(const struct move *move, enum move_stamp from, enum move_stamp to)
{
	uint64_t a = move->stamps[from], b = move->stamps[to];

	return a && b > a ? (double)(b - a) / 1000 : 0;
}

/* One that tells something of others: of a guest that ran, and of memory alone. */
static bool is_plain(const struct move *move, const char *peer)
{
	return move->side == MOVE_SRC && strcmp(move->row.peer, peer) == 0 &&
	       move->machine.state == MOVE_STATE_DONE && !move->facts.switch_wanted &&
	       !move->facts.stopped && !move->options.has_hold && move->plan &&
	       !transfer_plan_has_disks(move->plan) &&
	       ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN) > 0;
}

static void add_link(const struct move *move, struct forecast_input *ret)
{
	double ms = ms_between(move, MOVE_STAMP_MIGRATE, MOVE_STAMP_COMPLETED);
	uint64_t bytes = move->ram.info.ram_transferred_bytes;
	int64_t age_ms = clock_wall_ms() - move->row.ended_ms;

	if (move->options.bandwidth_bytes_per_s || bytes < LINK_BYTES_MIN || ms <= 0 ||
	    move_was_held_by_budget(move, (uint64_t)((double)bytes / ms * 1000)) ||
	    ret->link_moves == FORECAST_LINK_MOVES)
		return;
	if (!ret->link_moves)
		ret->link_age_ms = age_ms > 0 ? (uint64_t)age_ms : 0;
	ret->link_bytes_per_s[ret->link_moves++] = (double)bytes / ms * 1000;
}

/* A move under way tells the link as it is now. */
static void add_running(const struct move *move, struct forecast_input *ret)
{
	uint64_t began_us = move->stamps[MOVE_STAMP_MIGRATE], now_us = clock_monotonic_us();
	uint64_t bytes = move->ram.info.ram_transferred_bytes;

	if (move->options.bandwidth_bytes_per_s || bytes < LINK_BYTES_MIN || !began_us ||
	    now_us <= began_us || transfer_plan_has_disks(move->plan) ||
	    ret->link_moves == FORECAST_LINK_MOVES)
		return;
	ret->link_bytes_per_s[ret->link_moves++] =
		(double)bytes * 1000000 / (double)(now_us - began_us);
}

static bool is_running(const struct move *move, const char *peer)
{
	return move->side == MOVE_SRC && strcmp(move->row.peer, peer) == 0 && move->plan &&
	       move->machine.state == MOVE_STATE_TRANSFER;
}

static void add_probe(const struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct link_found found;
	int64_t age_ms;

	if (!links_found(moves->links, peer, &found))
		return;
	age_ms = clock_wall_ms() - found.at_ms;
	ret->probe_bytes_per_s = (double)found.bytes_per_s;
	ret->probe_is_least = found.is_least;
	ret->probe_age_ms = age_ms > 0 ? (uint64_t)age_ms : 0;
}

bool foresee_knows_link(struct moves *moves, const char *peer)
{
	struct forecast_input input = { 0 };

	foresee_history(moves, peer, &input);
	return input.link_moves && input.link_age_ms < LINKS_AGED_MS;
}

/* What a move has taken beside its data. */
static struct forecast_costs costs_of(const struct move *move)
{
	return (struct forecast_costs){
		.prepare_ms = ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_MIGRATE),
		.handover_ms = ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN),
		.end_ms = ms_between(move, MOVE_STAMP_TAKEN, MOVE_STAMP_ENDED),
	};
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The one of rank AT of the earlier ones, so that one move on a busy host does not count; and the
 * best and the worst of them, but a fifth apart at least. */
static void take_costs(double *of, unsigned count, unsigned at, double *ret, double *ret_low,
		       double *ret_high)
{
	qsort(of, count, sizeof(*of), compare);
	*ret = of[at];
	*ret_low = of[0] < *ret * 0.8 ? of[0] : *ret * 0.8;
	*ret_high = of[count - 1] > *ret * 1.2 ? of[count - 1] : *ret * 1.2;
}

/* The blackouts of earlier moves have the data of their last pass too, of which it is not known how
 * much it was: the shorter ones had little. */
static void fill_costs(const struct forecast_costs *list, unsigned count,
		       struct forecast_input *ret)
{
	double prepare[FORECAST_LINK_MOVES], handover[FORECAST_LINK_MOVES],
		end[FORECAST_LINK_MOVES];

	for (unsigned i = 0; i < count; i++) {
		prepare[i] = list[i].prepare_ms;
		handover[i] = list[i].handover_ms;
		end[i] = list[i].end_ms;
	}
	take_costs(prepare, count, count / 2, &ret->costs.prepare_ms, &ret->costs_low.prepare_ms,
		   &ret->costs_high.prepare_ms);
	take_costs(handover, count, count / 4, &ret->costs.handover_ms, &ret->costs_low.handover_ms,
		   &ret->costs_high.handover_ms);
	take_costs(end, count, count / 2, &ret->costs.end_ms, &ret->costs_low.end_ms,
		   &ret->costs_high.end_ms);
}

/* No move has been made to that host yet: those of a host of two CPUs, without KVM. */
static const struct forecast_costs first = { 700, 15, 60 }, first_low = { 200, 5, 10 },
				   first_high = { 2000, 60, 300 };

void foresee_history(struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct forecast_costs list[FORECAST_LINK_MOVES];
	unsigned count = 0;

	add_probe(moves, peer, ret);
	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (is_running(move, peer))
			add_running(move, ret);
		if (!is_plain(move, peer))
			continue;
		add_link(move, ret);
		if (count < FORECAST_LINK_MOVES)
			list[count++] = costs_of(move);
	}
	if (count) {
		fill_costs(list, count, ret);
		return;
	}
	ret->costs = first;
	ret->costs_low = first_low;
	ret->costs_high = first_high;
}

/* ---- what is asked for ------------------------------------------------------------- */

static enum forecast_postcopy postcopy_of(const struct transfer_wish *wish)
{
	if (!wish->has_postcopy || wish->postcopy.start == TRANSFER_POSTCOPY_MANUAL)
		return FORECAST_POSTCOPY_NONE;
	return wish->postcopy.start == TRANSFER_POSTCOPY_AT_ONCE ? FORECAST_POSTCOPY_AT_ONCE
								 : FORECAST_POSTCOPY_FIRST_PASS;
}

static uint64_t parameter(const struct transfer_plan *plan, const char *name)
{
	for (size_t i = 0; plan && i < plan->parameter_count; i++) {
		if (strcmp(plan->parameters[i].name, name) == 0)
			return plan->parameters[i].number;
	}
	return 0;
}

void foresee_request(const struct moves *moves, const struct move_options *options,
		     const struct transfer_plan *plan, struct forecast_input *ret)
{
	ret->limit_bytes_per_s = moves_limit_of_new(moves, options);
	ret->downtime_limit_ms = options->downtime_limit_ms;
	ret->auto_converge = options->transfer.auto_converge;
	ret->postcopy = postcopy_of(&options->transfer);
	ret->switchover_bytes_per_s = parameter(plan, "avail-switchover-bandwidth");
}

/* ---- the guest's memory -------------------------------------------------------------- */

void foresee_memory(uint64_t memory_bytes, uint64_t resident_bytes, const struct vm_dirty *dirty,
		    uint64_t now_ms, struct forecast_input *ret)
{
	ret->memory_bytes = memory_bytes;
	ret->nonzero_bytes =
		resident_bytes && resident_bytes < memory_bytes ? resident_bytes : memory_bytes;
	if (!dirty->is_known)
		return;
	ret->dirty = forecast_fit_dirty(dirty->short_s, dirty->short_bytes, dirty->long_s,
					dirty->long_bytes, (double)ret->nonzero_bytes);
	ret->dirty.age_ms = now_ms - dirty->at_ms;
}

/* A mapping begins with "FROM-TO PERMISSIONS ..." in hexadecimal digits; its members follow as
 * "Rss:   1234 kB" (proc(5)). */
static bool is_beginning(const char *line, uint64_t *ret_bytes)
{
	unsigned long long from, to;

	if (sscanf(line, "%llx-%llx ", &from, &to) != 2)
		return false;
	*ret_bytes = to - from;
	return true;
}

static uint64_t resident_of(const char *line)
{
	static const char *const members[] = { "Rss:", "Shared_Hugetlb:", "Private_Hugetlb:" };
	unsigned long long kib;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		size_t len = strlen(members[i]);

		if (strncmp(line, members[i], len) == 0 && sscanf(line + len, "%llu", &kib) == 1)
			return kib * 1024;
	}
	return 0;
}

uint64_t foresee_resident_blocking(pid_t pid, uint64_t memory_bytes)
{
	char path[40], line[512];
	uint64_t mapping = 0, of_size = 0, all = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		uint64_t bytes;

		if (is_beginning(line, &mapping))
			continue;
		bytes = resident_of(line);
		all += bytes;
		of_size += mapping == memory_bytes ? bytes : 0;
	}
	if (file)
		fclose(file);
	return of_size ? of_size : all;
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
	foresee_history(move->moves, move->row.peer, &input);
	foresee_request(move->moves, &move->options, move->plan, &input);
	foresee_memory(vm_def_memory_mib(def) << 20, dirty.resident_bytes, &dirty, now_ms, &input);
	input.disk_bytes = disk_bytes(move);
	free(move->forecast);
	move->forecast = xnew(struct forecast);
	forecast_make(&input, move->forecast);
	move_note(move, "forecast", "%s", move->forecast->summary);
}

const double move_error_bounds[MOVE_ERROR_BOUNDS] = { 0.02, 0.05, 0.08, 0.15, 0.3, 0.5, 1, 2 };

static void count(struct move_error *error, double said, double truth)
{
	double miss;

	if (truth <= 0)
		return; /* it did not stand still */
	miss = said / truth - 1;
	miss = miss < 0 ? -miss : miss;
	error->count++;
	error->sum += miss;
	for (size_t i = 0; i < MOVE_ERROR_BOUNDS; i++)
		error->buckets[i] += miss <= move_error_bounds[i];
}

void foresee_compare(struct move *move)
{
	const struct forecast *said = move->forecast;
	struct move_errors *errors = &move->moves->errors;

	if (move->side != MOVE_SRC || !said || move->machine.state != MOVE_STATE_DONE)
		return;
	count(&errors->duration, (double)said->duration_ms.expected,
	      ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED));
	count(&errors->blackout, (double)said->blackout_ms.expected,
	      ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN));
}
