/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/judge.h -- what has come of a hook that was begun: pure.  Thread: any. */
#ifndef MIGRD_HOOK_JUDGE_H
#define MIGRD_HOOK_JUDGE_H

#include "hook/files.h"
#include "wire/hook.h"

/* Where its program is, or the request to its url. */
enum hook_where {
	HOOK_WHERE_NOWHERE, /* it was not begun */
	HOOK_WHERE_RUNS,
	HOOK_WHERE_ENDED, /* and said how */
	HOOK_WHERE_GONE,  /* it was begun, is not there any more, and has not said how it ended */
};

struct hook_facts {
	uint64_t timeout_s;
	bool reboots, restarts; /* of its section when it was begun */
	bool is_url;
	bool is_begun; /* a program: it was, as its files say; it is not only its only_if that was
			*/
	bool is_told;  /* a url: its request was sent, as this process or the record knows */
	/* Since it was begun or, if it was not, asked for: */
	bool is_other_boot, is_other_process; /* of the host; of the coordinator */
	bool is_late;                         /* timeout_s is over */
	enum hook_where where;
	const struct hook_end *end; /* ENDED */
};

enum hook_next {
	HOOK_NEXT_BEGIN, /* it was never begun, and may be */
	HOOK_NEXT_WAIT,  /* REASON says for what */
	HOOK_NEXT_OVER,
};

struct hook_verdict {
	enum hook_next next;
	enum hook_state state; /* OVER */
	bool needed;
	char reason[HOOK_REASON_SIZE];
};

struct hook_verdict hook_judge(const struct hook_facts *facts);

#endif
