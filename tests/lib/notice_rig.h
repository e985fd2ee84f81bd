/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/notice_rig.h -- a move of move_rig.h that waits for the parties that are told of it. */
#ifndef MIGRD_TESTS_LIB_NOTICE_RIG_H
#define MIGRD_TESTS_LIB_NOTICE_RIG_H

#include <string.h>

#include "check_main.h"
#include "move_rig.h"

/* Up to where parties are told. */
static inline void bring(const struct move_options *options)
{
	if (options)
		rig_start_move_with(options);
	else
		rig_start_move();
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
}

static inline void pass(uint64_t ms)
{
	for (; ms > 0; ms -= 500) {
		rig_advance(500);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
}

/* What the move shows of a party. */
static inline struct notice_shown shown(const char *party)
{
	static struct move_reply reply;

	reply = move_show(rig_move());
	for (size_t i = 0; i < reply.notice_count; i++)
		if (strcmp(reply.notices[i].party, party) == 0)
			return reply.notices[i];
	ck_abort_msg("the move shows no party '%s'", party);
}

static inline void assert_waits(void)
{
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert(rig_guest_runs());
}

static inline void assert_goes_on(void)
{
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	ck_assert_str_eq(move_reason(rig_move()), "");
}

static inline void complete(void)
{
	fake_qemu_migrates("completed");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}

#endif
