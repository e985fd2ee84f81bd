/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is next: looks at those that wait, in their order, when something has changed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "hold/hold.h"
#include "queue/priv.h"
#include "vm/vm.h"

#define SAMPLE_EVERY_MS 250  /* while the links decide */
#define BUSY_EVERY_MS   1000 /* while a VM has another job */
#define IDLE_EVERY_MS   30000

/* ---- their order ------------------------------------------------------------------- */

static int64_t turn_of(const struct queue_entry *entry)
{
	return pick_turn_ms(entry->row.created_ms, entry->alone_ms);
}

/* The id is of the time too, so that two of one millisecond have an order. */
static bool is_before(const struct queue_entry *a, const struct queue_entry *b)
{
	if (a->detail.priority != b->detail.priority)
		return a->detail.priority < b->detail.priority;
	if (a->is_longest != b->is_longest)
		return a->is_longest;
	if (turn_of(a) != turn_of(b))
		return turn_of(a) < turn_of(b);
	if (a->row.created_ms != b->row.created_ms)
		return a->row.created_ms < b->row.created_ms;
	return strcmp(a->row.id, b->row.id) < 0;
}

void queue_join(struct queue_entry *entry)
{
	struct queue_list *list = &entry->queue->waiting;
	struct queue_entry *after;

	queue_leave(entry);
	after = TAILQ_LAST(list, queue_list);
	while (after && is_before(entry, after))
		after = TAILQ_PREV(after, queue_list, waiting_link);
	if (after)
		TAILQ_INSERT_AFTER(list, after, entry, waiting_link);
	else
		TAILQ_INSERT_HEAD(list, entry, waiting_link);
	entry->is_in_turn = true;
	entry->queue->are_positions_old = entry->queue->is_plan_old = true;
}

void queue_leave(struct queue_entry *entry)
{
	if (entry->is_in_turn)
		TAILQ_REMOVE(&entry->queue->waiting, entry, waiting_link);
	entry->is_in_turn = false;
	entry->queue->are_positions_old = entry->queue->is_plan_old = true;
}

void queue_number(struct queue *queue)
{
	struct queue_entry *entry;
	uint64_t position = 0;
	int64_t newest_ms[MOVE_PRIORITY_COUNT] = { 0 };

	if (!queue->are_positions_old)
		return;
	TAILQ_FOREACH(entry, &queue->waiting, waiting_link)
	{
		int64_t *newest = &newest_ms[entry->detail.priority];

		entry->position = ++position;
		entry->is_passed = entry->row.created_ms < *newest;
		if (entry->row.created_ms > *newest)
			*newest = entry->row.created_ms;
	}
	queue->are_positions_old = false;
	queue->shown_no++;
}

/* ---- its VM ------------------------------------------------------------------------- */

/* The move that has brought the VM to another host, by what is kept; NULL: none is known. */
static const struct move *find_departure(const struct queue_entry *entry)
{
	const struct move *move = moves_first(entry->queue->env.moves);

	while (move && (strcmp(move_row(move)->vm_uuid, entry->row.vm_uuid) != 0 ||
			!move_is_out(move) || strcmp(move_row(move)->state, "done") != 0))
		move = move_next(move);
	return move;
}

static bool say_gone(const struct queue_entry *entry, struct err *err)
{
	const struct move *move = find_departure(entry);

	return move ? err_set(err, ERR_NOT_FOUND,
			      "VM '%s' is not on this host any more: move %s has brought it to "
			      "host '%s'",
			      entry->row.vm_name, move_row(move)->id, move_row(move)->peer)
		    : err_set(err, ERR_NOT_FOUND, "VM '%s' is not on this host any more",
			      entry->row.vm_name);
}

bool queue_has_vm(const struct queue_entry *entry, struct vm **ret_vm, struct err *err)
{
	struct vm *vm = vm_find_uuid(entry->queue->env.vms, entry->row.vm_uuid);
	const char *name = entry->row.vm_name;

	if (!vm)
		return say_gone(entry, err);
	if (vm_role(vm) == VM_ROLE_FORMER)
		return err_set(err, ERR_NOT_FOUND,
			       "VM '%s' is on host '%s' now: ask there to move it", name,
			       vm_row(vm)->elsewhere);
	if (strcmp(vm_name(vm), name) != 0)
		return err_set(err, ERR_NOT_FOUND, "VM '%s' is '%s' now", name, vm_name(vm));
	*ret_vm = vm;
	return true;
}

bool queue_is_held(const struct queue_entry *entry, struct strbuf *why)
{
	return entry->detail.priority != MOVE_PRIORITY_INTERACTIVE &&
	       holds_vm(entry->queue->env.holds, entry->row.vm_uuid, why);
}

bool queue_is_held_up(const struct vm *vm)
{
	return vm_job(vm) || strcmp(vm_state(vm), "starting") == 0;
}

/* ---- one entry ---------------------------------------------------------------------- */

/* What a look has found so far. */
struct look {
	struct queue *queue;
	struct pick_load load;
	unsigned transfers_of[MOVE_PRIORITY_COUNT];
	int64_t wall_ms;
	uint64_t now_ms;
	uint64_t next_ms; /* until the next look, if nothing happens before */
};

static void look_again_in(struct look *look, uint64_t ms)
{
	if (ms < look->next_ms)
		look->next_ms = ms;
}

#define SAY(entry, ...) snprintf((entry)->reason, sizeof((entry)->reason), __VA_ARGS__)

static void say_hold(const struct look *look, struct queue_entry *entry, enum pick_hold hold)
{
	switch (hold) {
	case PICK_GO:
		break;
	case PICK_HOLD_OUT_MAX:
		SAY(entry,
		    "%u move%s out from this host, which is as many as out_max of [queue] allows",
		    look->load.out, look->load.out == 1 ? " goes" : "s go");
		break;
	case PICK_HOLD_SETTING_UP:
		SAY(entry,
		    "%u %s being set up or handed over, and half of this host's CPUs is for no "
		    "more",
		    look->load.setting_up, look->load.setting_up == 1 ? "move is" : "moves are");
		break;
	case PICK_HOLD_BUDGET:
		SAY(entry,
		    "the %u transfers of its priority or a higher one use this host's budget "
		    "of bandwidth",
		    look->load.transfers);
		break;
	case PICK_HOLD_LINK: /* the link is named where its lane is known */
		break;
	}
}

/* The next one of this round. */
static const char *find_open(struct queue_entry *entry, uint64_t now_ms, uint64_t *ret_ms)
{
	const struct queue_request *request = entry->request;

	for (uint64_t at = entry->detail.next; at < request->to_count; at++) {
		const struct lane *lane = lanes_to(&entry->queue->lanes, request->to[at]);

		if (!lane_is_closed(lane, entry->detail.priority, now_ms)) {
			entry->detail.next = at;
			return request->to[at];
		}
		if (lane_opens_ms(lane, entry->detail.priority) - now_ms + 1 < *ret_ms)
			*ret_ms = lane_opens_ms(lane, entry->detail.priority) - now_ms + 1;
	}
	return NULL;
}

const char *queue_choose_host(struct queue_entry *entry, uint64_t now_ms, uint64_t *ret_ms)
{
	const char *host;

	*ret_ms = UINT64_MAX;
	host = find_open(entry, now_ms, ret_ms);
	return host || queue_end_round(entry) ? host : find_open(entry, now_ms, ret_ms);
}

static void fail(struct queue_entry *entry, const struct err *err)
{
	queue_leave(entry);
	queue_go(entry, QUEUE_STATE_FAILED, err);
}

/* Its time is over: it has ended. */
static bool has_given_up(struct look *look, struct queue_entry *entry)
{
	const struct queue_attempt *last = queue_last_attempt(entry);
	int64_t end_ms = queue_give_up_ms(entry);
	struct err err;

	if (!end_ms || look->wall_ms < end_ms) {
		if (end_ms)
			look_again_in(look, (uint64_t)(end_ms - look->wall_ms));
		return false;
	}
	err_set(&err, ERR_TIMEOUT, "the VM was not moved in %" PRIu64 " s%s%s",
		entry->request->give_up_s, last && last->reason[0] ? "; the last reason: " : "",
		last ? last->reason : "");
	fail(entry, &err);
	return true;
}

/* An attempt has failed, and the time of the next one has not come. */
static bool is_in_backoff(struct look *look, struct queue_entry *entry)
{
	const struct queue_attempt *last = queue_last_attempt(entry);
	struct queue_detail *detail = &entry->detail;

	if (detail->not_before_ms > look->wall_ms + INT64_C(2) * PICK_BACKOFF_MAX_MS)
		detail->not_before_ms = 0; /* the host's clock was put back */
	if (detail->not_before_ms <= look->wall_ms)
		return false;
	look_again_in(look, (uint64_t)(detail->not_before_ms - look->wall_ms));
	SAY(entry, "attempt %" PRIu64 " of %" PRIu64 " failed: %.400s", detail->failed,
	    entry->request->attempts_max, last ? last->reason : "");
	return true;
}

static const char *choose_host(struct look *look, struct queue_entry *entry)
{
	const struct queue_request *request = entry->request;
	uint64_t ms;
	const char *host = queue_choose_host(entry, look->now_ms, &ms);

	if (host || is_in_backoff(look, entry))
		return host;
	look_again_in(look, ms);
	SAY(entry, "host '%s'%s has no free place for a guest now", request->to[0],
	    request->to_count > 1 ? " and the others" : "");
	return NULL;
}

/* No attempt is begun by itself.  One whose VM is gone has ended. */
static bool waits_for_hold(struct queue_entry *entry)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	struct vm *vm;
	struct err err;

	if (!queue_is_held(entry, &why))
		return false;
	if (queue_has_vm(entry, &vm, &err))
		SAY(entry, "%s", strbuf_str(&why));
	else
		fail(entry, &err);
	return true;
}

/* A job that gives way is ended for this entry, and not waited for. */
static bool ends_jobs(const struct queue_entry *entry)
{
	int wish = entry->request->move.options.block_jobs;

	return wish == MOVE_BLOCK_JOBS_CANCEL ||
	       (wish != MOVE_BLOCK_JOBS_WAIT && entry->detail.priority == MOVE_PRIORITY_EVACUATION);
}

static void end_job(struct queue_entry *entry, const struct vm_job *job)
{
	char why[QUEUE_REASON_SIZE];

	snprintf(why, sizeof(why), "ended for the move of VM '%s' (entry %s of the queue, %s)",
		 entry->row.vm_name, entry->row.id,
		 entry->detail.priority == MOVE_PRIORITY_EVACUATION ? "priority `evacuation'"
								    : "block_jobs `cancel'");
	SAY(entry, "the %s %s of VM '%s' is ended for this move", job->kind, job->id,
	    entry->row.vm_name);
	job->give_way(job->data, why);
}

/* Its VM has another job or starts, or is gone, and then it has ended. */
static bool lacks_vm(struct look *look, struct queue_entry *entry)
{
	struct vm *vm = NULL;
	struct err err;

	if (!queue_has_vm(entry, &vm, &err)) {
		fail(entry, &err);
		return true;
	}
	if (!queue_is_held_up(vm))
		return false;
	if (vm_job(vm) && vm_job(vm)->give_way && ends_jobs(entry))
		end_job(entry, vm_job(vm));
	else if (vm_job(vm))
		SAY(entry, "VM '%s' has another job (%s %s)%s", entry->row.vm_name,
		    vm_job(vm)->kind, vm_job(vm)->id,
		    vm_job(vm)->give_way ? ": it waits for its end; with the priority `evacuation' "
					   "or block_jobs "
					   "`cancel' it would be ended"
					 : "");
	else
		SAY(entry, "VM '%s' is starting", entry->row.vm_name);
	look_again_in(look, BUSY_EVERY_MS);
	return true;
}

static void try_now(struct look *look, struct queue_entry *entry)
{
	static const struct pick_link idle;
	enum pick_hold hold;
	const char *host;
	struct lane *lane;

	look->load.transfers = 0;
	for (int i = 0; i <= entry->detail.priority; i++)
		look->load.transfers += look->transfers_of[i];
	hold = pick_next(&look->load, &idle);
	if (has_given_up(look, entry) || waits_for_hold(entry) || is_in_backoff(look, entry))
		return;
	if (hold != PICK_GO) { /* whatever its host is */
		say_hold(look, entry, hold);
		return;
	}
	if (lacks_vm(look, entry) || !(host = choose_host(look, entry)))
		return;
	lane = lanes_to(&look->queue->lanes, host);
	if (pick_next(&look->load, &lane->link) != PICK_GO) {
		SAY(entry, "the %u transfers to host '%s' fill the link", lane->link.transfers,
		    lane->host);
		return;
	}
	look->load.out++;
	look->load.setting_up++;
	lane_add(lane, entry->detail.priority, look->now_ms);
	queue_attempt(entry, host);
}

/* Why it stands where it does, if not as it came. */
static void say_turn(struct queue_entry *entry)
{
	size_t len = strlen(entry->reason);
	char *end = entry->reason + len;
	unsigned long long s = (entry->alone_ms + 999) / 1000;

	if (entry->is_longest)
		snprintf(end, sizeof(entry->reason) - len,
			 "; it goes before the others of its priority, as its move takes about "
			 "%llu s, as long as all of theirs",
			 s);
	else if (entry->is_passed)
		snprintf(end, sizeof(entry->reason) - len,
			 "; its move takes about %llu s, and shorter ones that came up to %d "
			 "minutes later go first",
			 s, PICK_PASSED_MAX_MS / 60000);
}

static void look_at(struct look *look, struct queue_entry *entry)
{
	char former[QUEUE_REASON_SIZE];

	memcpy(former, entry->reason, sizeof(former));
	entry->reason[0] = '\0';
	try_now(look, entry);
	if (!entry->is_in_turn)
		return;
	if (entry->reason[0])
		say_turn(entry);
	if (strcmp(former, entry->reason) != 0)
		free(TAKE_PTR(entry->text));
}

/* ---- all of them ----------------------------------------------------------------------- */

/* Entries that are `moving', or about to be, and have no move yet. */
static unsigned add_begun(struct queue *queue)
{
	struct queue_entry *entry;
	unsigned count = 0;

	TAILQ_FOREACH(entry, &queue->all, link)
	{
		const struct queue_attempt *attempt = queue_last_attempt(entry);
		bool is_trying = !queue_is_final(entry) && !entry->is_in_turn &&
				 !entry->machine.is_new && attempt && !attempt->ended_at;

		if (!is_trying || attempt->move[0])
			continue;
		lanes_to(&queue->lanes, attempt->host)->out++;
		count++;
	}
	return count;
}

static void on_look(void *data)
{
	struct queue *queue = data;
	struct look look = {
		.queue = queue,
		.load = { .setups_max = queue->env.setups_max, .out_max = queue->env.out_max },
		.wall_ms = clock_wall_ms(),
		.now_ms = loop_now_ms(queue->env.loop),
		.next_ms = IDLE_EVERY_MS,
	};
	struct lanes_totals totals;
	struct queue_entry *next;
	unsigned begun;

	queue->is_look_posted = false;
	if (queue->is_closing || !queue->is_ready || TAILQ_EMPTY(&queue->waiting))
		return;
	totals = lanes_look(&queue->lanes, queue->env.moves, look.now_ms);
	begun = add_begun(queue);
	look.load.out = totals.out + begun;
	look.load.setting_up = totals.setting_up + begun;
	memcpy(look.transfers_of, totals.transfers_of, sizeof(look.transfers_of));
	look.load.bytes_per_s = totals.bytes_per_s;
	look.load.budget_bytes_per_s = (double)moves_bandwidth(queue->env.moves).budget;
	if (!queue_foresee(queue, look.now_ms))
		queue_look(queue); /* the others in another turn of the loop */
	queue_find_longest(queue);
	queue_number(queue);
	for (struct queue_entry *entry = TAILQ_FIRST(&queue->waiting); entry; entry = next) {
		next = TAILQ_NEXT(entry, waiting_link);
		look_at(&look, entry);
	}
	if (totals.transfers)
		look_again_in(&look, SAMPLE_EVERY_MS);
	loop_timer_start(queue->timer, look.next_ms);
}

void queue_look(struct queue *queue)
{
	if (queue->is_look_posted || queue->is_closing || !queue->is_ready)
		return;
	queue->is_look_posted = true;
	loop_post(queue->env.loop, on_look, queue);
}
