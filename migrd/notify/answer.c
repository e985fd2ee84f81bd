/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify/answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"

static const struct json_limits limits = { .max_bytes = NOTIFY_ANSWER_MAX,
					   .max_depth = 8,
					   .max_values = 256 };

__attribute__((format(printf, 3, 4))) static void
judge(struct notify_judged *ret, enum notify_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	ret->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(ret->words, sizeof(ret->words), fmt, ap);
	va_end(ap);
}

static bool read_answer(const char *body, size_t len, struct notice_answer *ret, struct err *err)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(body, len, &limits, faults);
	bool ok =
		obj && json_decode_object(obj, notice_answer_fields, ret, JSON_IGNORE_UNKNOWN, err);

	if (!obj)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

static void judge_delay(struct notify_judged *ret, uint64_t delay_s, uint64_t left_s)
{
	const char *why = ret->reason[0] ? ret->reason : "without a reason";
	unsigned long long wanted = delay_s, left = left_s;

	ret->delay_s = delay_s < left_s ? delay_s : left_s;
	if (!delay_s)
		judge(ret, NOTIFY_GO, "it has nothing against the move");
	else if (!left_s)
		judge(ret, NOTIFY_GO, "it asked for a delay of %llu s (%s), and may have none",
		      wanted, why);
	else if (delay_s > left_s)
		judge(ret, NOTIFY_DELAY, "it asked for a delay of %llu s (%s), and may have %llu s",
		      wanted, why, left);
	else
		judge(ret, NOTIFY_DELAY, "it asked for a delay of %llu s (%s)", wanted, why);
}

struct notify_judged notify_judge(long status, const char *body, size_t len, uint64_t left_s)
{
	struct notify_judged ret = { 0 };
	struct notice_answer answer = { 0 };
	struct err err;

	if (status >= 300 && status < 400) {
		judge(&ret, NOTIFY_UNHEARD,
		      "it answered with HTTP status %ld, and no redirect is followed", status);
	} else if (status < 200 || status > 299) {
		judge(&ret, NOTIFY_UNHEARD, "it answered with HTTP status %ld", status);
	} else if (len > NOTIFY_ANSWER_MAX) {
		judge(&ret, NOTIFY_UNHEARD, "its answer has over %d bytes", NOTIFY_ANSWER_MAX);
	} else if (len && !read_answer(body, len, &answer, &err)) {
		judge(&ret, NOTIFY_UNHEARD, "its answer is not understood: %.300s", err.msg);
	} else {
		snprintf(ret.reason, sizeof(ret.reason), "%s", answer.reason);
		judge_delay(&ret, answer.delay_s, left_s);
	}
	return ret;
}
