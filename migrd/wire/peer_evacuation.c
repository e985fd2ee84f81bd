/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/peer_evacuation.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define E struct peer_evacuation
#define S struct peer_evacuation_stay

static const struct json_field stay_fields[] = {
	JSON_SHOWN(S, vm, "Name of the VM."),
	JSON_SHOWN(S, becomes,
		   "What is done with it: leave, stop or save; empty: nothing, so that it blocks "
		   "the evacuation."),
	JSON_SHOWN(S, why, "Why it is not moved."),
	{ 0 },
};

#define F struct peer_evacuation_fill

static const struct json_field fill_fields[] = {
	JSON_SHOWN(F, host, "Host id."),
	JSON_SHOWN(F, percent, "Memory used after all moves, in percent.", .digits = 1),
	JSON_SHOWN(F, percent_worst, "The same at the worst moment.", .digits = 1),
	{ 0 },
};

#define N struct evacuation_counts

static const struct json_field counts_fields[] = {
	JSON_SHOWN(N, total, "VMs that the evacuation has to do with."),
	JSON_SHOWN(N, left, "To be moved yet, those under way and blocked ones included."),
	JSON_SHOWN(N, moving, "Of them: under way."),
	JSON_SHOWN(N, blocked, "Of them: those that cannot be moved now."),
	JSON_SHOWN(N, moved, "Moved, and there by the records of both hosts."),
	JSON_SHOWN(N, stays, "Left, stopped or saved here."),
	JSON_SHOWN(N, returned, "Back here."),
	{ 0 },
};

const struct json_field peer_evacuation_fields[] = {
	JSON_SHOWN(E, id, "Id of the evacuation; empty: a dry run."),
	JSON_SHOWN(E, state, "planned, waiting, draining, drained, returning, ended or aborted."),
	JSON_SHOWN(E, final, "It has ended."),
	JSON_SHOWN(E, paused, "Nothing is begun until somebody says resume."),
	JSON_SHOWN(E, reason, "What it does or waits for, or how it ended, as a sentence."),
	JSON_SHOWN(E, blocked_by, "Name of the VM that blocks it; empty: none."),
	JSON_SHOWN_IF(E, blocked_why, "Why that one cannot be moved, as a sentence."),
	JSON_SHOWN_IF(E, expected_end,
		      "When its last move will end, if all do well (RFC 3339); absent: nothing is "
		      "known."),
	JSON_SHOWN(E, ending,
		   "What it becomes as soon as the moves under way have ended; empty: nothing is "
		   "wanted."),
	JSON_SHOWN(E, error, "Why it has failed, one of schema/errors.md; empty: it has not."),
	JSON_SHOWN(E, error_text, "The same as a sentence."),
	JSON_SHOWN_OBJECT(E, counts, counts_fields, "How many VMs."),
	{ .key = "requesters",
	  .type = JSON_STRINGS,
	  .required = true,
	  JSON_MEMBERS(E, requesters, requester_count),
	  .help = "Who want the host to be empty." },
	JSON_SHOWN_IF(E, blackout_ms,
		      "The longest blackout of its moves, in milliseconds, as far as measured.",
		      .present_offset = offsetof(E, has_blackout), .digits = 3),
	JSON_SHOWN(E, state_id, "Of the last plan; empty: none was made."),
	JSON_SHOWN(E, makespan_ms, "How long all moves of the plan take, in milliseconds."),
	JSON_SHOWN(E, moves_total, "Moves of the plan."),
	JSON_SHOWN(E, stays_total, "VMs of the host that stay by the plan."),
	JSON_SHOWN(E, blocked_total, "Of them: those that block the evacuation."),
	{ .key = "stays",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(E, stays, stay_count),
	  .fields = stay_fields,
	  .help = "VMs that stay by the plan, those that block it first." },
	JSON_SHOWN(E, homeless_host,
		   "Another host for one of whose VMs there were no place if it were lost after "
		   "all moves; empty: none."),
	JSON_SHOWN(E, homeless, "That VM."),
	JSON_SHOWN(E, fullest,
		   "The other host of which most memory is used at any moment; empty: there is "
		   "none."),
	JSON_SHOWN(E, fullest_percent, "So much of it, in percent.", .digits = 1),
	{ .key = "fills",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(E, fills, fill_count),
	  .fields = fill_fields,
	  .help = "How full other hosts get, the first of those of the plan; absent: no plan." },
	{ 0 },
};

bool peer_evacuation_decode(struct json_object *obj, struct peer_evacuation *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode_object(obj, peer_evacuation_fields, ret, JSON_IGNORE_UNKNOWN, err);
}

/* ---- from what users are shown --------------------------------------------------- */

/* TEXT may be NULL, and is cut between two characters. */
static void put_text(char *ret, size_t size, const char *text)
{
	snprintf(ret, size, "%s", text ? text : "");
	utf8_trim(ret);
}

#define PUT(member, text) put_text(member, sizeof(member), text)

static struct json_object *list_of(struct json_object *plan, const char *key)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(plan, key, &list);
	return list;
}

static void add_requesters(const struct evacuation_reply *reply, E *ret)
{
	size_t *count = &ret->requester_count;

	for (; *count < reply->request_count && *count < PEER_EVACUATION_REQUESTERS_MAX; ++*count)
		PUT(ret->requesters[*count], reply->requests[*count].requester);
}

static double number_of(struct json_object *obj, const char *key)
{
	struct json_object *number = NULL;

	json_object_object_get_ex(obj, key, &number);
	return json_object_get_double(number);
}

static void add_fill(struct json_object *host, E *ret)
{
	F *fill = &ret->fills[ret->fill_count];

	if (ret->fill_count == PEER_EVACUATION_FILLS_MAX)
		return;
	ret->fill_count++;
	PUT(fill->host, json_get_str(host, "host"));
	fill->percent = number_of(host, "memory_percent_after");
	fill->percent_worst = number_of(host, "memory_percent_worst");
}

static void add_blocked(const struct evacuation_reply *reply, E *ret)
{
	for (size_t i = 0; reply->blocked_by && i < reply->vm_count; i++)
		if (strcmp(reply->vms[i].vm, reply->blocked_by) == 0)
			PUT(ret->blocked_why, reply->vms[i].why);
}

/* OWN is the host that is emptied. */
static void add_hosts(struct json_object *list, const char *own, E *ret)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *obj = json_object_array_get_idx(list, i);
		const char *host = json_get_str(obj, "host");
		const char *homeless = json_get_str(obj, "homeless_after");
		double worst;

		if (!host || strcmp(host, own) == 0)
			continue;
		if (homeless && !ret->homeless[0]) {
			PUT(ret->homeless_host, host);
			PUT(ret->homeless, homeless);
		}
		add_fill(obj, ret);
		worst = number_of(obj, "memory_percent_worst");
		if (ret->fullest[0] && worst <= ret->fullest_percent)
			continue;
		PUT(ret->fullest, host);
		ret->fullest_percent = worst;
	}
}

/* BLOCK: those with which nothing is done; else the others. */
static void add_stays(struct json_object *list, bool block, E *ret)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *obj = json_object_array_get_idx(list, i);
		const char *becomes = json_get_str(obj, "becomes");
		S *stay;

		if (block != !becomes)
			continue;
		ret->stays_total++;
		ret->blocked_total += block;
		if (ret->stay_count == PEER_EVACUATION_STAYS_MAX)
			continue;
		stay = &ret->stays[ret->stay_count++];
		PUT(stay->vm, json_get_str(obj, "vm"));
		PUT(stay->becomes, becomes);
		PUT(stay->why, json_get_str(obj, "why"));
	}
}

void peer_evacuation_of(const struct evacuation_reply *reply, struct peer_evacuation *ret)
{
	struct json_object *plan = reply->plan;
	int64_t makespan_ms = json_get_int(plan, "makespan_ms", 0);

	memset(ret, 0, sizeof(*ret));
	PUT(ret->id, reply->id);
	PUT(ret->state, reply->state);
	ret->final = reply->final;
	ret->paused = reply->paused;
	PUT(ret->reason, reply->reason);
	PUT(ret->blocked_by, reply->blocked_by);
	add_blocked(reply, ret);
	if (reply->has_end)
		when_text(reply->expected_end.expected, ret->expected_end);
	PUT(ret->ending, reply->ending);
	if (reply->has_failed) {
		PUT(ret->error, reply->error.code);
		PUT(ret->error_text, reply->error.detail);
	}
	ret->counts = reply->counts;
	add_requesters(reply, ret);
	PUT(ret->state_id, json_get_str(plan, "state_id"));
	ret->makespan_ms = makespan_ms > 0 ? (uint64_t)makespan_ms : 0;
	ret->moves_total = json_count(list_of(plan, "moves"));
	add_stays(list_of(plan, "stays"), true, ret);
	add_stays(list_of(plan, "stays"), false, ret);
	add_hosts(list_of(plan, "hosts"), reply->host, ret);
}
