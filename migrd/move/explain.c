/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "move/amounts.h"

/* A rate that comes so close to the limit of the bandwidth, in percent, was held by it. */
#define NEAR_LIMIT 80
/* What was sent beyond the guest's memory is told from so much of it on, in percent. */
#define AGAIN_MIN 5

struct text {
	char *text;
	size_t len;
};

/* Adds a piece; what does not fit whole is left out, with all after it. */
static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	size_t room = MOVE_EXPLANATION_SIZE - text->len;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text->text + text->len, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		text->text[text->len] = '\0';
	else
		text->len += (size_t)len;
}

static uint64_t per_s(uint64_t bytes, uint64_t ms)
{
	double rate = ms ? (double)bytes * 1000 / (double)ms : 0;

	return rate < 0x1p53 ? (uint64_t)rate : UINT64_C(1) << 53;
}

/* ---- where the time went --------------------------------------------------------------- */

struct span {
	uint64_t ms;
	const char *what;
};

static void add_spans(struct text *text, const struct explain_basis *basis)
{
	const struct span spans[] = {
		{ basis->prepare_ms, "until the destination was ready" },
		{ basis->disks_ms, "for local disks" },
		{ basis->hold_ms, "held as was asked for" },
		{ basis->parties_ms, "for the answers of parties that were told before memory" },
		{ basis->memory_ms,
		  basis->is_still ? "for memory" : "for memory while the guest ran" },
		{ basis->still_ms, "of standstill" },
		{ basis->fetch_ms, "for memory that followed the guest" },
		{ basis->tidy_ms, "to tidy up" },
	};
	const char *before = ": ";
	char amount[AMOUNT_SIZE];

	add(text, "It took %s", amount_ms(basis->total_ms, amount));
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (!spans[i].ms)
			continue;
		add(text, "%s%s %s", before, amount_ms(spans[i].ms, amount), spans[i].what);
		before = ", ";
	}
	add(text, ".");
}

/* ---- why so ------------------------------------------------------------------------------ */

static bool is_near(uint64_t rate, uint64_t limit)
{
	return limit && rate >= limit / 100 * NEAR_LIMIT;
}

static const char *of_link(const struct explain_basis *basis, uint64_t bytes_per_s)
{
	if (is_near(bytes_per_s, basis->limit_bytes_per_s))
		return "the limit of the bandwidth";
	if (is_near(bytes_per_s, basis->budget_bytes_per_s))
		return "its part of the host's budget of bandwidth";
	return "what the link and the hosts gave";
}

static void add_disks(struct text *text, const struct explain_basis *basis)
{
	uint64_t rate = per_s(basis->disk_bytes, basis->disks_ms);
	char bytes[AMOUNT_SIZE], sent[AMOUNT_SIZE];

	if (basis->disks_ms && basis->disk_bytes)
		add(text, " Of local disks %s were copied at %s/s, %s.",
		    amount_bytes(basis->disk_bytes, bytes), amount_bytes(rate, sent),
		    of_link(basis, rate));
}

static void add_parties(struct text *text, const struct explain_basis *basis)
{
	if (basis->parties_ms && basis->delays && basis->delays[0])
		add(text, " Memory was not sent before that, since %s.", basis->delays);
}

static void add_memory(struct text *text, const struct explain_basis *basis)
{
	uint64_t ms = basis->memory_ms + basis->last_pass_ms + basis->fetch_ms;
	uint64_t rate = per_s(basis->sent_bytes, ms);
	char bytes[AMOUNT_SIZE], ram[AMOUNT_SIZE], sent[AMOUNT_SIZE];

	if (!basis->sent_bytes || !ms)
		return;
	add(text, " %llu %s over %s of memory sent %s at %s/s, %s.",
	    (unsigned long long)basis->passes, basis->passes == 1 ? "pass" : "passes",
	    amount_bytes(basis->ram_bytes, ram), amount_bytes(basis->sent_bytes, bytes),
	    amount_bytes(rate, sent), of_link(basis, rate));
}

/* What the guest changed while it was sent. */
static void add_changes(struct text *text, const struct explain_basis *basis)
{
	uint64_t memory = basis->ram_bytes, sent = basis->sent_bytes;
	char rate[AMOUNT_SIZE], again[AMOUNT_SIZE];

	if (basis->passes > 1 && basis->dirty_bytes_per_s)
		add(text, " The guest changed up to %s/s meanwhile",
		    amount_bytes(basis->dirty_bytes_per_s, rate));
	else
		return;
	if (sent > memory && sent - memory >= memory / 100 * AGAIN_MIN)
		add(text, ", so at least %s went more than once",
		    amount_bytes(sent - memory, again));
	add(text, ".");
}

static void add_decision(struct text *text, const struct explain_basis *basis)
{
	const char *words = basis->decision;

	if (!words)
		return;
	if (strncmp(words, MOVE_DECIDED_BY_USER, strlen(MOVE_DECIDED_BY_USER)) == 0)
		add(text, " A user decided: %s.", words + strlen(MOVE_DECIDED_BY_USER));
	else if (strncmp(words, MOVE_NOT_DECIDED, strlen(MOVE_NOT_DECIDED)) == 0)
		add(text, " Policy '%s' %s.", basis->policy, words);
	else
		add(text, " Policy '%s' decided in the end: %s.", basis->policy, words);
}

static void add_obstacles(struct text *text, const struct explain_basis *basis)
{
	char amount[AMOUNT_SIZE];

	if (basis->throttle_percent)
		add(text, " QEMU slowed its CPUs down by up to %llu %%.",
		    (unsigned long long)basis->throttle_percent);
	if (basis->held_count)
		add(text,
		    " For %s in all, %llu %s, nothing was sent, since one of the hosts could not "
		    "have finished the move.",
		    amount_ms(basis->held_ms, amount), (unsigned long long)basis->held_count,
		    basis->held_count == 1 ? "time" : "times");
	if (basis->rejoins)
		add(text, " The data stream was lost and made again %llu %s.",
		    (unsigned long long)basis->rejoins, basis->rejoins == 1 ? "time" : "times");
}

static void add_standstill(struct text *text, const struct explain_basis *basis)
{
	char still[AMOUNT_SIZE], last[AMOUNT_SIZE], rest[AMOUNT_SIZE];
	uint64_t rest_ms = basis->still_ms - basis->last_pass_ms;

	if (basis->end == EXPLAIN_STAYED || !basis->still_ms ||
	    basis->last_pass_ms > basis->still_ms)
		return;
	add(text,
	    " The guest stood still for %s: %s until all of it was sent, %s until it ran on "
	    "host '%s'.",
	    amount_ms(basis->still_ms, still), amount_ms(basis->last_pass_ms, last),
	    amount_ms(rest_ms, rest), basis->destination);
}

static void add_outage(struct text *text, const struct explain_basis *basis)
{
	char amount[AMOUNT_SIZE];

	if (basis->end == EXPLAIN_DONE && basis->has_outage)
		add(text, " The network saw no frame of it for %s.",
		    amount_ms(basis->outage_ms, amount));
}

void explain(const struct explain_basis *basis, char ret[MOVE_EXPLANATION_SIZE])
{
	struct text text = { ret, 0 };

	ret[0] = '\0';
	add_spans(&text, basis);
	add_disks(&text, basis);
	add_parties(&text, basis);
	add_memory(&text, basis);
	add_changes(&text, basis);
	add_decision(&text, basis);
	add_obstacles(&text, basis);
	add_standstill(&text, basis);
	add_outage(&text, basis);
}
