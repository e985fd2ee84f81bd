/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify/answer.h -- what a party's answer means: pure.  Thread: any. */
#ifndef MIGRD_NOTIFY_ANSWER_H
#define MIGRD_NOTIFY_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/notice.h"

#define NOTIFY_ANSWER_MAX 4096 /* bytes of a body */
#define NOTIFY_WORDS_SIZE 384

enum notify_verdict {
	NOTIFY_GO,
	NOTIFY_DELAY,
	NOTIFY_UNHEARD, /* no answer that counts: the move goes on */
};

struct notify_judged {
	enum notify_verdict verdict;
	uint64_t delay_s;                /* DELAY: from now on, as much of it as it may have */
	char reason[NOTICE_REASON_SIZE]; /* in the party's words; "": none */
	char words[NOTIFY_WORDS_SIZE];   /* for the timeline */
};

/* STATUS is that of HTTP; LEFT_S: so long the party may still delay the move. */
struct notify_judged notify_judge(long status, const char *body, size_t len, uint64_t left_s);

#endif
