/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/outlook.h"

#include <stdio.h>
#include <string.h>

#include "converge/converge.h"
#include "move/amounts.h"
#include "wire/policy.h"

/* A transfer that needs more passes than that has no end in sight. */
#define PASSES_MAX_AHEAD 40
/* The best and the worst case, in percent of what was seen. */
#define SENT_BEST   110
#define SENT_WORST  75
#define DIRTY_BEST  70
#define DIRTY_WORST 130

struct prediction {
	bool ends;
	uint64_t passes; /* to come, with what is left of the present one */
	uint64_t ms;     /* of all, with the standstill */
	uint64_t still_ms;
};

/* What is larger than JSON's whole numbers is cut to them. */
static uint64_t whole(double value)
{
	return value < 0x1p53 ? (uint64_t)value : UINT64_C(1) << 53;
}

static uint64_t ms_of(uint64_t bytes, uint64_t bytes_per_s)
{
	return whole((double)bytes * 1000 / (double)bytes_per_s);
}

static uint64_t percent_of(uint64_t value, unsigned percent)
{
	uint64_t part = value / 100 * percent + value % 100 * percent / 100;

	return part ? part : 1;
}

/* What is changed in a pass is sent in the next one, until the rest takes no longer than the guest
 * may stand still. */
static struct prediction predict(const struct outlook_basis *basis, unsigned sent, unsigned dirty)
{
	uint64_t rate = percent_of(basis->bytes_per_s, sent);
	uint64_t dirty_rate =
		basis->dirty_bytes_per_s ? percent_of(basis->dirty_bytes_per_s, dirty) : 0;
	uint64_t left = basis->left_bytes;
	double plain_end_ms = 0;
	struct prediction ret = { 0 };

	while (ret.passes < PASSES_MAX_AHEAD) {
		uint64_t pass_ms = ms_of(left, rate), changed;

		const struct converge_stop at = { .limit_ms = basis->limit_ms,
						  .left_ms = (double)pass_ms,
						  .elapsed_ms =
							  (double)(basis->elapsed_ms + ret.ms),
						  .is_held = basis->is_held };

		if (converge_would_stop(&at, &plain_end_ms)) {
			ret.ends = true;
			ret.still_ms = pass_ms;
			ret.ms += pass_ms;
			break;
		}
		ret.passes++;
		ret.ms += pass_ms;
		/* Of the present one also what was changed in it so far. */
		changed = whole(
			(double)dirty_rate *
			((double)pass_ms + (ret.passes == 1 ? (double)basis->in_pass_ms : 0)) /
			1000);
		left = changed < basis->total_bytes ? changed : basis->total_bytes;
	}
	return ret;
}

/* ---- memory ---------------------------------------------------------------------------- */

/* How a transfer is ended that does not end by itself. */
static void say_way_out(const struct outlook_basis *basis, char *text, size_t size)
{
	static const char *const words[] = {
		[POLICY_TIMEOUT_CANCEL] = "the move is given up",
		[POLICY_TIMEOUT_FORCE] = "the guest is stopped until all is sent",
		[POLICY_TIMEOUT_POSTCOPY] = "the guest goes over by post-copy",
		[POLICY_TIMEOUT_PAUSE] = "the guest is stopped until all is sent",
	};
	char amount[AMOUNT_SIZE];

	if (basis->will_switch)
		snprintf(text, size, "; the guest goes over by post-copy if that stays so");
	else if (basis->deadline_ms)
		snprintf(text, size, "; %s in %s at the latest", words[basis->timeout],
			 amount_ms(basis->deadline_ms, amount));
	else
		snprintf(text, size, "%s", basis->can_switch ? "; post-copy can end it" : "");
}

static void say_rates(const struct outlook_basis *basis, struct outlook *ret)
{
	const struct prediction likely = predict(basis, 100, 100);
	char dirty[AMOUNT_SIZE], sent[AMOUNT_SIZE], still[AMOUNT_SIZE], slow[80] = "", out[120];

	amount_bytes(basis->dirty_bytes_per_s, dirty);
	amount_bytes(basis->bytes_per_s, sent);
	amount_ms(likely.still_ms, still);
	if (basis->throttle_percent > 1) /* the least of a QEMU that may be told more later */
		snprintf(slow, sizeof(slow), " (its CPUs are slowed down by %llu %%)",
			 (unsigned long long)basis->throttle_percent);
	if (!likely.ends) {
		say_way_out(basis, out, sizeof(out));
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "the guest changes %s/s%s, and %s/s are sent: no end is in sight%s", dirty,
			 slow, sent, out);
	} else if (likely.passes) {
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "the guest changes %s/s%s, and %s/s are sent: %llu more %s, then it "
			 "stands "
			 "still for about %s",
			 dirty, slow, sent, (unsigned long long)likely.passes,
			 likely.passes == 1 ? "pass" : "passes", still);
	} else {
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "the guest changes %s/s%s, and %s/s are sent: it stands still soon, for "
			 "about %s",
			 dirty, slow, sent, still);
	}
}

static void look_at_memory(const struct outlook_basis *basis, struct outlook *ret)
{
	struct prediction best, worst;
	char left[AMOUNT_SIZE], sent[AMOUNT_SIZE];

	if (!basis->bytes_per_s) {
		snprintf(ret->sentence, sizeof(ret->sentence), "memory begins to be sent");
		return;
	}
	ret->has_min = true;
	if (!basis->is_dirty_known) {
		ret->min_ms = ms_of(basis->left_bytes, percent_of(basis->bytes_per_s, SENT_BEST));
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "the first pass has %s left at %s/s; what the guest changes meanwhile is "
			 "known at its end",
			 amount_bytes(basis->left_bytes, left),
			 amount_bytes(basis->bytes_per_s, sent));
		return;
	}
	best = predict(basis, SENT_BEST, DIRTY_BEST);
	worst = predict(basis, SENT_WORST, DIRTY_WORST);
	ret->has_min = best.ends;
	ret->min_ms = best.ms;
	ret->has_max = worst.ends;
	ret->max_ms = worst.ms;
	say_rates(basis, ret);
}

/* ---- the rest -------------------------------------------------------------------------- */

static void look_at_disks(const struct outlook_basis *basis, struct outlook *ret)
{
	char left[AMOUNT_SIZE], sent[AMOUNT_SIZE];

	if (!basis->disk_bytes_per_s) {
		snprintf(ret->sentence, sizeof(ret->sentence), "local disks begin to be copied");
		return;
	}
	ret->has_min = true;
	ret->min_ms = ms_of(basis->disk_left_bytes + basis->left_bytes,
			    percent_of(basis->disk_bytes_per_s, SENT_BEST));
	snprintf(ret->sentence, sizeof(ret->sentence),
		 "local disks have %s left at %s/s, then memory is sent",
		 amount_bytes(basis->disk_left_bytes, left),
		 amount_bytes(basis->disk_bytes_per_s, sent));
}

static void look_at_fetch(const struct outlook_basis *basis, struct outlook *ret)
{
	char left[AMOUNT_SIZE], sent[AMOUNT_SIZE];

	if (!basis->bytes_per_s) {
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "the guest runs on host '%s', and its memory follows", basis->peer);
		return;
	}
	ret->has_min = ret->has_max = true;
	ret->min_ms = ms_of(basis->left_bytes, percent_of(basis->bytes_per_s, SENT_BEST));
	ret->max_ms = ms_of(basis->left_bytes, percent_of(basis->bytes_per_s, SENT_WORST));
	snprintf(ret->sentence, sizeof(ret->sentence),
		 "the guest runs on host '%s', and %s of its memory follow at %s/s", basis->peer,
		 amount_bytes(basis->left_bytes, left), amount_bytes(basis->bytes_per_s, sent));
}

static void say(struct outlook *ret, const char *format, const char *peer)
{
	char *at = strchr(format, '%');

	if (!at)
		snprintf(ret->sentence, sizeof(ret->sentence), "%s", format);
	else
		snprintf(ret->sentence, sizeof(ret->sentence), "%.*s%s%s", (int)(at - format),
			 format, peer, at + 1);
}

struct outlook outlook_of(const struct outlook_basis *basis)
{
	struct outlook ret = { .sentence = "" };

	switch (basis->stage) {
	case OUTLOOK_READY:
		say(&ret, "host '%' gets ready", basis->peer);
		break;
	case OUTLOOK_HELD:
		say(&ret, "nothing is sent until both hosts can finish the move", basis->peer);
		break;
	case OUTLOOK_ASKED:
		say(&ret, "the move is held before memory is sent, as was asked for", basis->peer);
		break;
	case OUTLOOK_TOLD:
		say(&ret, "memory waits for the parties that were told of the move", basis->peer);
		break;
	case OUTLOOK_DISKS:
		look_at_disks(basis, &ret);
		break;
	case OUTLOOK_MEMORY:
		look_at_memory(basis, &ret);
		break;
	case OUTLOOK_STILL:
		say(&ret, "the guest stands still until host '%' has the rest and lets it run",
		    basis->peer);
		break;
	case OUTLOOK_FETCH:
		look_at_fetch(basis, &ret);
		break;
	case OUTLOOK_END:
		say(&ret, "the guest is on host '%'; what is left of it here is removed",
		    basis->peer);
		break;
	case OUTLOOK_BACK:
		say(&ret, "the guest stays here; what was begun is undone", basis->peer);
		break;
	}
	return ret;
}
