/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/notices.h"

#include <string.h>

#include "base/mem.h"
#include "move/priv.h"
#include "notify/notify.h"
#include "wire/labels.h"

static const char *const before_names[] = {
	[MOVE_BEFORE_NONE] = "",
	[MOVE_BEFORE_WAITS] = "waits",
	[MOVE_BEFORE_ASKED] = "asked",
	[MOVE_BEFORE_GO] = "go",
	[MOVE_BEFORE_DELAYS] = "delays",
	[MOVE_BEFORE_OVER] = "over",
	[MOVE_BEFORE_RELEASED] = "released",
	[MOVE_BEFORE_UNHEARD] = "unheard",
	[MOVE_BEFORE_GONE] = "gone",
	NULL,
};
static const char *const after_names[] = {
	[MOVE_AFTER_NONE] = "",
	[MOVE_AFTER_WAITS] = "waits",
	[MOVE_AFTER_TOLD] = "told",
	[MOVE_AFTER_UNHEARD] = "unheard",
	[MOVE_AFTER_GONE] = "gone",
	[MOVE_AFTER_THERE] = "there",
	NULL,
};

/* ---- the record ------------------------------------------------------------- */

#define ROW(name, type_)                                                            \
	{                                                                           \
		.key = #name, .type = type_, JSON_MEMBER(struct move_notice, name), \
	}
#define WORD(name, names_)                                                              \
	{                                                                               \
		.key = #name, .type = JSON_ENUM, JSON_MEMBER(struct move_notice, name), \
		.names = names_,                                                        \
	}

static const struct json_field row_fields[] = {
	ROW(party, JSON_STRING),        ROW(may_delay_s, JSON_UINT), ROW(timeout_ms, JSON_UINT),
	WORD(before, before_names),     WORD(after, after_names),    ROW(told_ms, JSON_UINT),
	ROW(until_ms, JSON_UINT),       ROW(tries, JSON_UINT),       ROW(reason, JSON_STRING),
	ROW(after_reason, JSON_STRING), ROW(is_in_guest, JSON_BOOL), { 0 },
};

const struct json_field move_notices_fields[] = {
	{ .key = "rows",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct move_notices, rows, count),
	  .fields = row_fields },
	{ 0 },
};

/* ---- the parties of a move ----------------------------------------------------- */

static void add(struct move_notices *notices, const struct notify_party *party)
{
	struct move_notice *row = &notices->rows[notices->count++];

	snprintf(row->party, sizeof(row->party), "%s", party->name);
	row->may_delay_s = party->may_delay_s;
	row->timeout_ms = party->timeout_ms;
	row->before = party->before ? MOVE_BEFORE_WAITS : MOVE_BEFORE_NONE;
	row->after = party->after ? MOVE_AFTER_WAITS : MOVE_AFTER_NONE;
	row->is_in_guest = party->command != NULL;
}

static bool is_of(const struct notify_party *party, const struct vm_def *def)
{
	if (party->selector[0] && !(def && labels_match(def->labels, party->selector)))
		return false;
	return !party->command || (def && def->guest_agent);
}

/* Those with a program in the guest, or the others too. */
static struct move_notices *choose(const struct moves *moves, struct vm *vm, bool only_in_guest)
{
	const struct notify_parties *parties =
		moves->env.notify ? notify_parties(moves->env.notify) : NULL;
	const struct notify_party *party = NULL;
	struct move_notices *notices = NULL;
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	while (parties && (party = notify_parties_next(parties, party))) {
		if (!is_of(party, def) || (party->command && vm_is_stopped(vm)) ||
		    (only_in_guest && !(party->command && party->after)))
			continue;
		if (!notices)
			notices = xnew(struct move_notices);
		if (notices->count < NOTICE_PARTIES_MAX)
			add(notices, party);
	}
	return notices;
}

struct move_notices *move_notices_choose(const struct moves *moves, struct vm *vm)
{
	return choose(moves, vm, false);
}

/* The destination: nobody else can tell the guest of a move that is done. */
static struct move_notices *choose_arrived(const struct move *move)
{
	struct vm *vm = move_vm(move);
	struct move_notices *notices = vm ? choose(move->moves, vm, true) : NULL;

	for (size_t i = 0; notices && i < notices->count; i++) {
		notices->rows[i].before = MOVE_BEFORE_NONE;
		notices->rows[i].may_delay_s = 0;
	}
	return notices;
}

void move_notices_end(struct move *move, bool is_done)
{
	bool has_left = move->side == MOVE_SRC && move->verdict == VERDICT_TAKEN;

	if (move->side == MOVE_DST && is_done && !move->facts.stopped && !move->notices)
		move->notices = choose_arrived(move);
	for (size_t i = 0; has_left && move->notices && i < move->notices->count; i++) {
		struct move_notice *row = &move->notices->rows[i];

		if (row->is_in_guest && row->after == MOVE_AFTER_WAITS)
			row->after = MOVE_AFTER_THERE;
	}
}

/* All are told at the same time. */
uint64_t move_notices_hold_s(const struct move_notices *notices)
{
	uint64_t most_s = 0;

	for (size_t i = 0; notices && i < notices->count; i++) {
		const struct move_notice *row = &notices->rows[i];
		uint64_t answer_s = row->timeout_ms / 1000 + 1;
		uint64_t s = answer_s > row->may_delay_s ? answer_s : row->may_delay_s;

		if (row->before != MOVE_BEFORE_NONE && s > most_s)
			most_s = s;
	}
	return most_s;
}

struct move_notice *move_notices_find(struct move_notices *notices, const char *party)
{
	for (size_t i = 0; notices && i < notices->count; i++)
		if (strcmp(notices->rows[i].party, party) == 0)
			return &notices->rows[i];
	return NULL;
}

/* ---- what is shown ------------------------------------------------------------- */

size_t move_notices_show(const struct move_notices *notices, struct notice_shown *ret)
{
	size_t count = notices ? notices->count : 0;

	for (size_t i = 0; i < count; i++) {
		const struct move_notice *row = &notices->rows[i];

		ret[i] = (struct notice_shown){
			.party = row->party,
			.may_delay_s = row->may_delay_s,
			.before = before_names[row->before],
			.after = after_names[row->after],
			.reason = row->reason,
			.after_reason = row->after_reason,
			.told_at = (int64_t)row->told_ms,
			.delayed_until = (int64_t)row->until_ms,
		};
	}
	return count;
}

size_t move_notices_expect(const struct move_notices *notices, struct notice_expected *ret)
{
	size_t count = 0;

	for (size_t i = 0; notices && i < notices->count; i++) {
		const struct move_notice *row = &notices->rows[i];

		if (row->before != MOVE_BEFORE_NONE)
			ret[count++] = (struct notice_expected){
				.party = row->party,
				.timeout_ms = row->timeout_ms,
				.may_delay_s = row->may_delay_s,
				.in_guest = row->is_in_guest,
			};
	}
	return count;
}

struct notice_data move_notice_data(const struct move *move)
{
	return (struct notice_data){
		.move = move->row.id,
		.vm = move->row.vm_name,
		.vm_uuid = move->row.vm_uuid,
		.source = move_source(move),
		.destination = move_destination(move),
	};
}
