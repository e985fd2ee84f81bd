/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/trial_reply.h -- what POST /v1/moves?dry_run=true answers.  Thread: any. */
#ifndef MIGRD_WIRE_TRIAL_REPLY_H
#define MIGRD_WIRE_TRIAL_REPLY_H

#include "wire/forecast.h"
#include "wire/notice.h"
#include "wire/transfer_plan.h"

#define TRIAL_REASONS_MAX 160 /* two lists of each host */

/* One check that did not pass. */
struct trial_reason {
	const char *check;
	const char *side; /* "source", "destination" */
	bool blocks;      /* false: the move would begin all the same */
	const char *detail;
};

/* The way to the destination's data port. */
struct trial_link {
	uint64_t mtu_bytes, round_trip_us;
	bool was_probed; /* data went there: large packets pass */
	uint64_t probe_bytes, probe_us, probe_bytes_per_s;
	bool probe_is_least;
};

/* Texts are borrowed. */
struct trial_reply {
	bool possible; /* no reason blocks, and the destination was asked */
	const char *vm, *source, *destination;
	bool destination_asked;
	struct trial_reason reasons[TRIAL_REASONS_MAX];
	size_t reason_count;
	bool has_link;
	struct trial_link link; /* the port was reached */
	struct forecast forecast;
	struct notice_expected notices[NOTICE_PARTIES_MAX];
	size_t notice_count;
	bool has_plan;
	struct transfer_plan plan;
};

extern const struct json_field trial_reply_fields[];

#endif
