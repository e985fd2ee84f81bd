/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/foresee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "forecast/learn.h"
#include "move/links.h"
#include "move/priv.h"

/* A move that sends less is over before the stream has come up to speed. */
#define LINK_BYTES_MIN (UINT64_C(64) << 20)
/* Of a blackout no more is taken for data, since the link may have been faster than it is now. */
#define DATA_SHARE_MAX 0.8
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

/* What the records of moves tell, newest first. */
struct history {
	struct forecast_sent sent[FORECAST_LINK_MOVES];
	uint64_t age_ms[FORECAST_LINK_MOVES];
	unsigned sent_count;
	struct forecast_costs costs[FORECAST_LINK_MOVES];
	double last_bytes[FORECAST_LINK_MOVES]; /* of the same moves, while the guest stood still */
	unsigned cost_count;
	double pace[FORECAST_LINK_MOVES];
	unsigned pace_count;
};

/* Of the bytes those of the pass while the guest stood still, which is the last. */
static uint64_t last_pass_bytes(const struct passes *passes)
{
	const struct move_pass *last =
		passes && passes->count > 1 ? &passes->rows[passes->count - 1] : NULL;

	return last && last->first == last->last ? last->sent_bytes : 0;
}

/* What the first pass went over and did not send. */
static uint64_t zero_bytes(const struct move *move)
{
	const struct passes *passes = move->passes;
	bool has_first = passes && passes->count > 1 && passes->rows[0].last == 1 &&
			 !move->options.transfer.has_multifd; /* whose bytes are counted late */
	uint64_t all = move->ram.info.ram_total_bytes;
	uint64_t sent =
		has_first ? passes->rows[0].sent_bytes : move->ram.info.ram_transferred_bytes;

	return all > sent ? all - sent : 0;
}

/* The time in which QEMU sent: neither its set-up, nor the guest's stop, which are costs. */
static void add_sent(const struct move *move, struct history *history)
{
	double ms = ms_between(move, MOVE_STAMP_MIGRATE, MOVE_STAMP_STOPPED) -
		    (double)move->ram.info.setup_time_ms;
	uint64_t bytes = move->ram.info.ram_transferred_bytes, zero = zero_bytes(move);
	uint64_t last = last_pass_bytes(move->passes);
	int64_t age_ms = clock_wall_ms() - move->row.ended_ms;

	if (move->options.bandwidth_bytes_per_s || bytes + zero < LINK_BYTES_MIN || ms <= 0 ||
	    move_was_held_by_budget(move, (uint64_t)((double)bytes / ms * 1000)) || last > bytes ||
	    history->sent_count == FORECAST_LINK_MOVES)
		return;
	history->age_ms[history->sent_count] = age_ms > 0 ? (uint64_t)age_ms : 0;
	history->sent[history->sent_count++] =
		(struct forecast_sent){ ms / 1000, (double)(bytes - last), (double)zero };
}

static void add_pace(const struct move *move, struct history *history)
{
	struct move_measured measured;

	if (history->pace_count == FORECAST_LINK_MOVES)
		return;
	measured = move_show_measured(move);
	if (measured.has_brownout)
		history->pace[history->pace_count++] = 1 - measured.brownout_percent / 100;
}

static void fill_link(const struct history *history, struct forecast_input *ret)
{
	double zero = forecast_learn_zero(history->sent, history->sent_count);

	ret->zero_bytes_per_s = history->sent_count ? zero : 0;
	for (unsigned i = 0; i < history->sent_count; i++) {
		double link = forecast_link_of(&history->sent[i], zero);

		if (history->sent[i].bytes < LINK_BYTES_MIN || link <= 0 ||
		    ret->link_moves == FORECAST_LINK_MOVES)
			continue;
		if (!ret->link_moves)
			ret->link_age_ms = history->age_ms[i];
		ret->link_bytes_per_s[ret->link_moves++] = link;
	}
}

/* A move under way tells the link as it is now. */
static void add_running(const struct move *move, struct forecast_input *ret)
{
	uint64_t began_us = move->stamps[MOVE_STAMP_MIGRATE], now_us = clock_monotonic_us();
	uint64_t bytes = move->ram.info.ram_transferred_bytes;
	double rate;

	if (move->options.bandwidth_bytes_per_s || bytes < LINK_BYTES_MIN || !began_us ||
	    now_us <= began_us || transfer_plan_has_disks(move->plan) ||
	    ret->link_moves == FORECAST_LINK_MOVES)
		return;
	rate = (double)bytes * 1000000 / (double)(now_us - began_us);
	if (!move_was_held_by_budget(move, (uint64_t)rate))
		ret->link_bytes_per_s[ret->link_moves++] = rate;
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
		.prepare_ms = ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_MIGRATE) -
			      ms_between(move, MOVE_STAMP_TOLD, MOVE_STAMP_MIGRATE) +
			      (double)move->ram.info.setup_time_ms,
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
	take_costs(handover, count, count / 2, &ret->costs.handover_ms, &ret->costs_low.handover_ms,
		   &ret->costs_high.handover_ms);
	take_costs(end, count, count / 2, &ret->costs.end_ms, &ret->costs_low.end_ms,
		   &ret->costs_high.end_ms);
}

/* No move has been made to that host yet: those of a host of two CPUs, without KVM. */
static const struct forecast_costs first = { 700, 15, 60 }, first_low = { 200, 5, 10 },
				   first_high = { 2000, 60, 300 };

static void add_costs(const struct move *move, struct history *history)
{
	unsigned at = history->cost_count;

	if (at == FORECAST_LINK_MOVES)
		return;
	history->last_bytes[at] = (double)last_pass_bytes(move->passes);
	history->costs[at] = costs_of(move);
	history->cost_count++;
}

/* A blackout is what the hand-over takes, and the data of the last pass, which has no limit. */
static void take_off_data(struct history *history, const struct forecast_input *known)
{
	double link = known->link_moves ? known->link_bytes_per_s[0] : known->probe_bytes_per_s;

	for (unsigned i = 0; i < history->cost_count && link > 0; i++) {
		double *ms = &history->costs[i].handover_ms;
		double data_ms = history->last_bytes[i] * 1000 / link;

		*ms = data_ms < *ms * DATA_SHARE_MAX ? *ms - data_ms : *ms * (1 - DATA_SHARE_MAX);
	}
}

static void fill_pace(struct history *history, struct forecast_input *ret)
{
	if (!history->pace_count)
		return;
	qsort(history->pace, history->pace_count, sizeof(*history->pace), compare);
	ret->pace = history->pace[history->pace_count / 2];
}

void foresee_history(struct moves *moves, const char *peer, struct forecast_input *ret)
{
	struct history history = { .sent_count = 0 };

	add_probe(moves, peer, ret);
	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (is_running(move, peer))
			add_running(move, ret);
		if (!is_plain(move, peer))
			continue;
		add_sent(move, &history);
		add_pace(move, &history);
		add_costs(move, &history);
	}
	fill_link(&history, ret);
	take_off_data(&history, ret);
	fill_pace(&history, ret);
	if (history.cost_count) {
		fill_costs(history.costs, history.cost_count, ret);
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
	ret->is_held = options->has_hold;
	ret->postcopy = postcopy_of(&options->transfer);
	ret->switchover_bytes_per_s = parameter(plan, "avail-switchover-bandwidth");
}

/* ---- the guest's memory -------------------------------------------------------------- */

/* The kernel provides memory in large pages, and a part of them is zero: so much of it as the last
 * move of the same VM from here did not send in all, but not more than half. */
static uint64_t zero_of_resident(struct moves *moves, const char *vm_uuid, uint64_t resident_bytes)
{
	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		uint64_t then = move->forecast ? move->forecast->basis.resident_bytes : 0;
		uint64_t sent = move->ram.info.ram_transferred_bytes, zero;

		if (strcmp(move->row.vm_uuid, vm_uuid) != 0 || !then ||
		    move->machine.state != MOVE_STATE_DONE)
			continue;
		zero = then > sent ? then - sent : 0;
		return zero < resident_bytes / 2 ? zero : resident_bytes / 2;
	}
	return 0;
}

void foresee_memory(struct moves *moves, const struct foresee_guest *guest,
		    const struct vm_dirty *dirty, uint64_t now_ms, struct forecast_input *ret)
{
	uint64_t memory_bytes = guest->memory_bytes, resident_bytes = guest->resident_bytes;
	const char *vm_uuid = guest->vm_uuid;

	ret->memory_bytes = memory_bytes;
	ret->resident_bytes =
		resident_bytes && resident_bytes < memory_bytes ? resident_bytes : memory_bytes;
	ret->nonzero_bytes =
		ret->resident_bytes - zero_of_resident(moves, vm_uuid, ret->resident_bytes);
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
	foresee_memory(move->moves,
		       &(struct foresee_guest){ move->row.vm_uuid, vm_def_memory_mib(def) << 20,
						dirty.resident_bytes },
		       &dirty, now_ms, &input);
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

double move_duration_ms(const struct move *move)
{
	return ms_between(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED) -
	       ms_between(move, MOVE_STAMP_TOLD, MOVE_STAMP_MIGRATE);
}

void foresee_compare(struct move *move)
{
	const struct forecast *said = move->forecast;
	struct move_errors *errors = &move->moves->errors;

	if (move->side != MOVE_SRC || !said || move->machine.state != MOVE_STATE_DONE)
		return;
	count(&errors->duration, (double)said->duration_ms.expected, move_duration_ms(move));
	count(&errors->blackout, (double)said->blackout_ms.expected,
	      ms_between(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN));
}
