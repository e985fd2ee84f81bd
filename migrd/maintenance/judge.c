/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "maintenance/judge.h"

#include <inttypes.h>
#include <string.h>

/* ---- the next host ------------------------------------------------------------------ */

/* What is known of all hosts together. */
struct sum {
	size_t todo, under_way, failed;
	size_t busy;    /* under way, or perhaps still being emptied */
	size_t waiting; /* the first that waits for a person; JUDGE_NONE */
	bool is_checking;
};

static struct sum sum_of(const struct judge_view *view)
{
	struct sum sum = { .waiting = JUDGE_NONE };

	for (size_t i = 0; i < view->count; i++) {
		const struct judge_host *host = &view->hosts[i];

		sum.todo += host->phase == JUDGE_TODO;
		sum.under_way += host->phase == JUDGE_UNDER_WAY;
		sum.busy += host->phase == JUDGE_UNDER_WAY || host->is_unsure;
		sum.failed += host->has_failed;
		sum.is_checking = sum.is_checking || host->is_checking;
		if (host->waits && sum.waiting == JUDGE_NONE)
			sum.waiting = i;
	}
	return sum;
}

static bool is_same_rack(const struct judge_host *a, const struct judge_host *b)
{
	return a->rack[0] && strcmp(a->rack, b->rack) == 0;
}

/* Beside those that are under way. */
static bool fits_rack(const struct judge_view *view, const struct judge_host *host)
{
	if (!view->by_rack)
		return true;
	for (size_t i = 0; i < view->count; i++) {
		const struct judge_host *other = &view->hosts[i];

		if ((other->phase == JUDGE_UNDER_WAY || other->is_unsure) &&
		    !is_same_rack(host, other))
			return false;
	}
	return true;
}

static bool may_begin(const struct judge_view *view, const struct sum *sum,
		      const struct judge_host *host)
{
	if (host->phase != JUDGE_TODO || sum->is_checking || sum->busy >= view->at_once)
		return false;
	if (host->is_own && (sum->busy > 0 || sum->todo > 1))
		return false;
	return fits_rack(view, host);
}

static struct judge_verdict verdict(enum judge_what what, size_t host)
{
	return (struct judge_verdict){ what, host };
}

/* None may begin now. */
static struct judge_verdict go_on(const struct sum *sum, size_t waits_to_begin)
{
	size_t waiting = sum->waiting != JUDGE_NONE ? sum->waiting : waits_to_begin;

	if (waiting != JUDGE_NONE)
		return verdict(JUDGE_WAIT, waiting);
	if (sum->under_way)
		return verdict(JUDGE_NOTHING, JUDGE_NONE);
	return verdict(sum->todo ? JUDGE_STUCK : JUDGE_OVER, JUDGE_NONE);
}

struct judge_verdict judge_next(const struct judge_view *view)
{
	const struct sum sum = sum_of(view);
	size_t waits_to_begin = JUDGE_NONE;

	if (view->is_stopping)
		return verdict(sum.under_way ? JUDGE_NOTHING : JUDGE_OVER, JUDGE_NONE);
	if (sum.failed >= view->failures && (sum.todo || sum.under_way))
		return verdict(JUDGE_STOP, JUDGE_NONE);
	if (view->is_paused && sum.todo)
		return verdict(JUDGE_WAIT, sum.waiting);
	for (size_t i = 0; i < view->count; i++) {
		const struct judge_host *host = &view->hosts[i];

		if (!may_begin(view, &sum, host))
			continue;
		if (!view->pause || host->has_go)
			return verdict(JUDGE_BEGIN, i);
		if (waits_to_begin == JUDGE_NONE)
			waits_to_begin = i;
	}
	return go_on(&sum, waits_to_begin);
}

/* ---- an order ------------------------------------------------------------------------- */

struct room {
	uint64_t takers, ordered, ordered_takers; /* hosts */
	uint64_t memory_mib, used_mib;            /* of those that take guests; of all */
};

static struct room room_of(const struct judge_member *members, size_t count)
{
	struct room room = { 0 };

	for (size_t i = 0; i < count; i++) {
		room.takers += members[i].takes;
		room.ordered += members[i].is_ordered;
		room.ordered_takers += members[i].takes && members[i].is_ordered;
		room.used_mib += members[i].used_mib;
		room.memory_mib += members[i].takes ? members[i].memory_mib : 0;
	}
	return room;
}

/* How many hosts that are ordered and take guests have more memory than the one at INDEX, which
 * stands before those that have as much and come later. */
static uint64_t before(const struct judge_member *members, size_t count, size_t index)
{
	uint64_t larger = 0;

	for (size_t i = 0; i < count; i++)
		larger += members[i].is_ordered && members[i].takes &&
			  (members[i].memory_mib > members[index].memory_mib ||
			   (i < index && members[i].memory_mib == members[index].memory_mib));
	return larger;
}

/* Memory of the AT_ONCE largest. */
static uint64_t largest_mib(const struct judge_member *members, size_t count, uint64_t at_once)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		if (members[i].is_ordered && members[i].takes &&
		    before(members, count, i) < at_once)
			sum += members[i].memory_mib;
	return sum;
}

bool judge_order(const struct judge_member *members, size_t count, uint64_t at_once,
		 struct err *err)
{
	const struct room room = room_of(members, count);
	uint64_t gone = at_once < room.ordered_takers ? at_once : room.ordered_takers;
	uint64_t left_mib = room.memory_mib - largest_mib(members, count, gone);

	if (gone >= room.takers && room.takers > 1 && at_once > 1)
		return err_set(err, ERR_CONFLICT,
			       "all %" PRIu64 " hosts that take guests would be empty at once, and "
			       "none would be left to take them: give at_once %" PRIu64 " at most",
			       room.takers, room.takers - 1);
	if (gone >= room.takers)
		return err_set(err, ERR_CONFLICT,
			       "no other host takes guests: none is reachable, or each is "
			       "cordoned, held or being emptied (GET /v1/capacity)");
	return room.used_mib <= left_mib ||
	       err_set(err, ERR_CONFLICT,
		       "guests have %" PRIu64 " MiB, and when %" PRIu64
		       " of the hosts %s empty the "
		       "others have %" PRIu64 " MiB for them: %s",
		       room.used_mib, gone, gone == 1 ? "is" : "are", left_mib,
		       at_once > 1 ? "give a smaller at_once" : "make room first");
}
