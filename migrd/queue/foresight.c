/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is foreseen of each entry, and when it is expected to begin and to end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/expect.h"
#include "queue/priv.h"
#include "vm/vm.h"

#define AT_ONCE \
	16 /* so many guests in a turn of the loop: each walks over the moves that are kept */
#define AGED_MS     60000 /* then it is foreseen again */
#define PLAN_MS     1000  /* as old the expected times may be; */
#define PLAN_MIN_MS 100   /* if something has changed */
/* A change of less, in percent, leaves an entry where it stands. */
#define TURN_CHANGE 10
/* What is left of a move that is handed over, or that nobody can tell. */
#define HANDOVER_S 0.1
/* With more at once nothing is played through: it would take too long for a turn of the loop. */
#define AT_ONCE_MAX 256
#define UNKNOWN_S   5.0

/* ---- one entry --------------------------------------------------------------------------- */

static const char *first_host(const struct queue_entry *entry)
{
	return entry->request->to[entry->detail.next];
}

static double seconds_alone(const struct foreseen *of, double link)
{
	double limit = (double)of->limit_bytes_per_s;
	double rate = limit > 0 && limit < link ? limit : link;

	return (double)of->beside_ms.expected / 1000 + (double)of->bytes.expected / rate;
}

static bool is_other(uint64_t a, uint64_t b)
{
	uint64_t more = a > b ? a : b, less = a > b ? b : a;

	return (more - less) * 100 > more * TURN_CHANGE;
}

static void foresee(struct queue_entry *entry, struct vm *vm, uint64_t now_ms)
{
	struct queue *queue = entry->queue;
	struct lane *lane = lanes_to(&queue->lanes, first_host(entry));
	const struct move_options options = queue_options_of(entry);
	const struct foresee_question question = {
		.vm = vm,
		.policy = entry->request->move.policy,
		.options = &options,
		.history = &lane->history,
	};
	uint64_t alone_ms;

	lane_measure(lane, queue->env.moves, now_ms);
	foresee_guest(queue->env.moves, &question, &entry->foreseen);
	alone_ms = (uint64_t)(seconds_alone(&entry->foreseen, lane_rate(lane).expected) * 1000);
	entry->is_foreseen = true;
	queue->is_plan_old = true;
	if (!is_other(alone_ms, entry->alone_ms))
		return;
	entry->alone_ms = alone_ms;
	if (entry->is_in_turn)
		queue_join(entry);
}

static bool is_due(const struct queue_entry *entry, uint64_t now_ms)
{
	return !entry->foreseen_ms || now_ms > entry->foreseen_ms + AGED_MS ||
	       entry->foreseen_host != entry->detail.next;
}

bool queue_foresee(struct queue *queue, uint64_t now_ms)
{
	struct queue_entry *entry, *next;
	unsigned count = 0;

	for (entry = TAILQ_FIRST(&queue->waiting); entry; entry = next) {
		struct vm *vm = NULL;
		struct err ignored;

		next = TAILQ_NEXT(entry, waiting_link);
		if (!is_due(entry, now_ms))
			continue;
		if (count++ == AT_ONCE)
			return false;
		entry->foreseen_ms = now_ms ? now_ms : 1;
		entry->foreseen_host = entry->detail.next;
		if (queue_has_vm(entry, &vm, &ignored))
			foresee(entry, vm, now_ms);
	}
	return true;
}

/* ---- those that go before the others of their priority ------------------------------------- */

void queue_find_longest(struct queue *queue)
{
	struct pick_longest of[MOVE_PRIORITY_COUNT] = { 0 };
	struct queue_entry *longest[MOVE_PRIORITY_COUNT] = { NULL }, *entry, *next;

	TAILQ_FOREACH(entry, &queue->waiting, waiting_link)
	{
		if (pick_longest_add(&of[entry->detail.priority], entry->alone_ms))
			longest[entry->detail.priority] = entry;
	}
	for (entry = TAILQ_FIRST(&queue->waiting); entry; entry = next) {
		int priority = entry->detail.priority;
		bool is_first = entry == longest[priority] && queue->env.out_max > 1 &&
				pick_longest_goes_first(&of[priority]);

		next = TAILQ_NEXT(entry, waiting_link);
		if (is_first == entry->is_longest)
			continue;
		entry->is_longest = is_first;
		queue_join(entry);
	}
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* With the better end of what is known, the likeliest, and the worse. */
enum end { BETTER, LIKELY, WORSE, END_COUNT };

struct row {
	struct queue_entry *entry; /* NULL: a move of others */
	size_t lane;
	double not_before_s, limit;
	double bytes[END_COUNT], beside_s[END_COUNT], held_s[END_COUNT];
};

struct plan {
	struct queue *queue;
	uint64_t now_ms;
	int64_t wall_ms;
	struct row *rows;
	size_t count, room, begun;
	unsigned foreseen; /* moves that are under way */
};

static struct row *add(struct plan *plan, const char *host, struct queue_entry *entry)
{
	const struct lane *lane = lanes_to(&plan->queue->lanes, host);
	struct row *row;

	if (plan->count == plan->room) {
		plan->room = plan->room ? plan->room * 2 : 64;
		plan->rows = xrealloc(plan->rows, plan->room * sizeof(*plan->rows));
	}
	row = &plan->rows[plan->count++];
	*row = (struct row){ .entry = entry, .lane = (size_t)(lane - plan->queue->lanes.list) };
	return row;
}

static void set(double of[END_COUNT], double better, double likely, double worse)
{
	of[BETTER] = better;
	of[LIKELY] = likely;
	of[WORSE] = worse;
}

static void set_foreseen(struct row *row, const struct foreseen *of)
{
	row->limit = (double)of->limit_bytes_per_s;
	set(row->bytes, (double)of->bytes.low, (double)of->bytes.expected, (double)of->bytes.high);
	set(row->beside_s, (double)of->beside_ms.low / 1000, (double)of->beside_ms.expected / 1000,
	    (double)of->beside_ms.high / 1000);
}

/* ---- moves that are under way ---- */

static struct queue_entry *entry_of(struct queue *queue, const struct move *move)
{
	struct queue_entry *entry;

	TAILQ_FOREACH(entry, &queue->all, link)
	{
		const struct queue_attempt *attempt = queue_last_attempt(entry);

		if (entry->machine.state == QUEUE_STATE_MOVING && attempt &&
		    strcmp(attempt->move, move_row(move)->id) == 0)
			return entry;
	}
	return NULL;
}

/* More than what is left of this pass: what the guest changes meanwhile, by its forecast, in which
 * DISK_BYTES are of disks. */
static void set_left(struct row *row, const struct move_reply *shown, uint64_t disk_bytes)
{
	const struct move_progress *progress = &shown->progress;
	double left = (double)(progress->passes ? progress->ram_remaining_bytes
						: progress->ram_total_bytes);
	double sent = (double)progress->ram_transferred_bytes + (double)disk_bytes, disks = 0;

	for (size_t i = 0; i < progress->disk_count; i++)
		disks += (double)progress->disks[i].total_bytes -
			 (double)progress->disks[i].copied_bytes;
	for (int end = BETTER; end < END_COUNT; end++)
		row->bytes[end] = fmax(row->bytes[end] - sent, left) + fmax(disks, 0);
	row->limit = (double)shown->options.bandwidth_bytes_per_s;
}

static double held_s(const struct plan *plan, const struct move_reply *shown)
{
	int64_t ms = shown->held_until - plan->wall_ms;

	return ms > 0 ? (double)ms / 1000 : UNKNOWN_S;
}

/* What a move will send that is set up by others than the queue, or was before a restart. */
static bool foresee_now(struct plan *plan, const struct move *move, enum lane_stage stage,
			struct foreseen *ret)
{
	struct lane *lane;

	if (stage != LANE_STAGE_SETUP || plan->foreseen >= AT_ONCE)
		return false;
	plan->foreseen++;
	lane = lanes_to(&plan->queue->lanes, move_destination(move));
	lane_measure(lane, plan->queue->env.moves, plan->now_ms);
	return foresee_begun(move, &lane->history, ret);
}

static void add_running(struct plan *plan, const struct move *move)
{
	struct move_reply *shown = xnew(struct move_reply);
	struct queue_entry *entry = entry_of(plan->queue, move);
	enum lane_stage stage = lane_stage_of(move);
	bool is_foreseen = entry && entry->is_foreseen;
	struct foreseen foreseen = { 0 };
	struct row *row;
	double s;

	if (is_foreseen)
		foreseen = entry->foreseen;
	else
		is_foreseen = foresee_now(plan, move, stage, &foreseen);
	/* What it will send is known by its forecast, or when it has begun. */
	row = add(plan, move_destination(move),
		  is_foreseen || stage != LANE_STAGE_SETUP ? entry : NULL);
	*shown = move_show(move);
	if (is_foreseen)
		set_foreseen(row, &foreseen);
	switch (stage) {
	case LANE_STAGE_SETUP:
		break;
	case LANE_STAGE_TRANSFER:
		s = shown->held ? held_s(plan, shown) : 0;
		set(row->beside_s, 0, 0, 0);
		set(row->held_s, 0, s, s);
		set_left(row, shown, foreseen.disk_bytes);
		break;
	case LANE_STAGE_HANDOVER:
		set(row->beside_s, HANDOVER_S, HANDOVER_S, HANDOVER_S);
		set(row->bytes, 0, 0, 0);
		break;
	case LANE_STAGE_REST:
		set(row->beside_s, HANDOVER_S, HANDOVER_S, UNKNOWN_S);
		set(row->bytes, 0, 0, 0);
		break;
	}
	free(shown);
}

static void add_all_running(struct plan *plan)
{
	struct queue *queue = plan->queue;
	struct queue_entry *entry;

	TAILQ_FOREACH(entry, &queue->all, link)
	{
		entry->is_expected = false;
	}
	for (struct move *move = moves_first(queue->env.moves); move; move = move_next(move))
		if (move_is_out(move) && !move_is_final(move))
			add_running(plan, move);
	TAILQ_FOREACH(entry, &queue->all, link)
	{
		const struct queue_attempt *attempt = queue_last_attempt(entry);

		if (entry->machine.state == QUEUE_STATE_MOVING && entry->is_foreseen && attempt &&
		    !attempt->move[0] && !attempt->ended_at)
			set_foreseen(add(plan, attempt->host, entry), &entry->foreseen);
	}
	plan->begun = plan->count;
}

/* ---- those that wait ---- */

static double not_before_s(const struct plan *plan, const struct queue_entry *entry,
			   const struct lane *lane)
{
	int64_t backoff_ms = entry->detail.not_before_ms - plan->wall_ms;
	uint64_t opens_ms = lane_opens_ms(lane, entry->detail.priority);
	double s = backoff_ms > 0 ? (double)backoff_ms / 1000 : 0;

	if (!lane_is_closed(lane, entry->detail.priority, plan->now_ms) || opens_ms <= plan->now_ms)
		return s;
	return fmax(s, (double)(opens_ms - plan->now_ms) / 1000);
}

/* A user may let it go on before. */
static double will_be_held_s(const struct plan *plan, const struct queue_entry *entry)
{
	const struct move_options *options = &entry->request->move.options;
	struct move_hold hold = options->hold;
	struct err ignored; /* its moment is past */

	return options->has_hold && move_hold_complete(&hold, plan->wall_ms, &ignored)
		       ? (double)hold.timeout_s
		       : 0;
}

static void add_waiting(struct plan *plan)
{
	struct queue_entry *entry;

	TAILQ_FOREACH(entry, &plan->queue->waiting, waiting_link)
	{
		struct row *row;
		struct vm *vm = NULL;
		struct err ignored;
		double s;

		if (!entry->is_foreseen || !queue_has_vm(entry, &vm, &ignored) ||
		    queue_is_held_up(vm) || queue_is_held(entry, NULL))
			continue;
		row = add(plan, first_host(entry), entry);
		set_foreseen(row, &entry->foreseen);
		s = will_be_held_s(plan, entry);
		set(row->held_s, 0, s, s);
		row->not_before_s = not_before_s(plan, entry, &plan->queue->lanes.list[row->lane]);
	}
}

/* ---- played through ---- */

static double rate_at(const struct lane *lane, enum end end)
{
	const struct lane_rate rate = lane_rate(lane);

	return end == BETTER ? rate.high : end == WORSE ? rate.low : rate.expected;
}

static void play(const struct plan *plan, enum end end, struct expect_move *list)
{
	const struct queue *queue = plan->queue;
	const struct expect_host host = {
		.setups_max = queue->env.setups_max,
		.out_max = queue->env.out_max < AT_ONCE_MAX ? queue->env.out_max : AT_ONCE_MAX,
		.budget_bytes_per_s = (double)moves_bandwidth(queue->env.moves).budget,
	};
	struct expect_lane *lanes = xcalloc(queue->lanes.count + 1, sizeof(*lanes));

	for (size_t i = 0; i < queue->lanes.count; i++)
		lanes[i] = (struct expect_lane){ rate_at(&queue->lanes.list[i], end),
						 lane_at_once(&queue->lanes.list[i]) };
	for (size_t i = 0; i < plan->count; i++) {
		const struct row *row = &plan->rows[i];

		list[i] = (struct expect_move){ .lane = row->lane,
						.not_before_s = row->not_before_s,
						.beside_s = row->beside_s[end],
						.held_s = row->held_s[end],
						.bytes = row->bytes[end],
						.limit_bytes_per_s = row->limit };
	}
	expect_play(&host, lanes, list, plan->count, plan->begun);
	free(lanes);
}

static struct queue_expected moment(const struct plan *plan, const double s[END_COUNT])
{
	double low = fmin(s[LIKELY], fmin(s[BETTER], s[WORSE]));
	double high = fmax(s[LIKELY], fmax(s[BETTER], s[WORSE]));

	return (struct queue_expected){ .earliest = plan->wall_ms + (int64_t)(low * 1000),
					.expected = plan->wall_ms + (int64_t)(s[LIKELY] * 1000),
					.latest = plan->wall_ms + (int64_t)(high * 1000) };
}

static void play_all(const struct plan *plan)
{
	struct expect_move *lists[END_COUNT];

	for (int end = BETTER; end < END_COUNT; end++) {
		lists[end] = xcalloc(plan->count + 1, sizeof(struct expect_move));
		play(plan, (enum end)end, lists[end]);
	}
	for (size_t i = 0; i < plan->count; i++) {
		struct queue_entry *entry = plan->rows[i].entry;
		double start_s[END_COUNT], end_s[END_COUNT];

		if (!entry)
			continue;
		for (int end = BETTER; end < END_COUNT; end++) {
			start_s[end] = lists[end][i].start_s;
			end_s[end] = lists[end][i].end_s;
		}
		entry->is_expected = true;
		entry->start = moment(plan, start_s);
		entry->end = moment(plan, end_s);
	}
	for (int end = BETTER; end < END_COUNT; end++)
		free(lists[end]);
}

void queue_plan(struct queue *queue)
{
	struct plan plan = { .queue = queue,
			     .now_ms = loop_now_ms(queue->env.loop),
			     .wall_ms = clock_wall_ms() };
	uint64_t age_ms = plan.now_ms - queue->plan_ms;

	if (queue->plan_ms && age_ms < (queue->is_plan_old ? PLAN_MIN_MS : PLAN_MS))
		return;
	add_all_running(&plan);
	add_waiting(&plan);
	if (plan.begun <= AT_ONCE_MAX)
		play_all(&plan);
	free(plan.rows);
	queue->plan_ms = plan.now_ms ? plan.now_ms : 1;
	queue->is_plan_old = false;
	queue->shown_no++;
}
