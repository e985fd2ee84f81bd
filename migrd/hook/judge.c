/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static struct hook_verdict
verdict(enum hook_next next, enum hook_state state, const char *fmt, ...)
{
	struct hook_verdict ret = { .next = next, .state = state, .needed = true };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret.reason, sizeof(ret.reason), fmt, ap);
	va_end(ap);
	return ret;
}

#define DONE(...)    verdict(HOOK_NEXT_OVER, HOOK_DONE, __VA_ARGS__)
#define FAILED(...)  verdict(HOOK_NEXT_OVER, HOOK_FAILED, __VA_ARGS__)
#define UNKNOWN(...) verdict(HOOK_NEXT_OVER, HOOK_UNKNOWN, __VA_ARGS__)
#define WAIT(...)    verdict(HOOK_NEXT_WAIT, HOOK_RUNNING, __VA_ARGS__)

static const char *what(const struct hook_facts *facts)
{
	return facts->is_url ? "its url" : "its program";
}

/* What its section waits for beside the end of the program.  A boot ends the coordinator too. */
static bool is_awaited(const struct hook_facts *facts)
{
	return (facts->reboots && !facts->is_other_boot) ||
	       (facts->restarts && !facts->is_other_process);
}

/* The first of them. */
static const char *awaited(const struct hook_facts *facts)
{
	return facts->reboots && !facts->is_other_boot ? "host to be booted anew"
						       : "coordinator to be started anew";
}

static bool has_come(const struct hook_facts *facts)
{
	return (facts->reboots || facts->restarts) && !is_awaited(facts);
}

static struct hook_verdict await(const struct hook_facts *facts)
{
	const bool is_boot = facts->reboots && !facts->is_other_boot;

	if (facts->is_late)
		return FAILED("%s within its timeout_s of %llu s",
			      is_boot ? "the host was not booted anew"
				      : "the coordinator was not started anew",
			      (unsigned long long)facts->timeout_s);
	return WAIT("%s is over; it waits for the %s", what(facts), awaited(facts));
}

static const char *what_has_come(const struct hook_facts *facts)
{
	return facts->reboots ? "the host was booted anew" : "the coordinator was started anew";
}

static struct hook_verdict come(const struct hook_facts *facts)
{
	return DONE("%s", what_has_come(facts));
}

/* A boot or a restart that is waited for may be what the url does, and what keeps its answer from
 * being heard.  But the coordinator may also have been ended before the url was told. */
static struct hook_verdict judge_unanswered(const struct hook_facts *facts)
{
	if (has_come(facts))
		return facts->is_told ? DONE("%s after its url was told", what_has_come(facts))
				      : UNKNOWN("%s, and nobody knows whether its url was told "
						"before that: look there",
						what_has_come(facts));
	if (is_awaited(facts) && !facts->is_late)
		return WAIT("its url %s, and its answer was not heard; it waits for the %s",
			    facts->is_told ? "was told" : "may have been told", awaited(facts));
	return UNKNOWN("its url %s, and its answer was not heard%s: look there, and at the host, "
		       "what came of it",
		       facts->is_told ? "was told" : "may have been told or not",
		       facts->reboots    ? "; the host was not booted anew"
		       : facts->restarts ? "; the coordinator was not started anew"
					 : "");
}

/* With a boot or a restart of its own, the program may have been ended by just that. */
static struct hook_verdict judge_gone(const struct hook_facts *facts)
{
	if (has_come(facts) && facts->is_begun)
		return come(facts);
	if (has_come(facts))
		return UNKNOWN("%s, and nobody knows whether its program was begun before that: "
			       "look at the host",
			       what_has_come(facts));
	if (is_awaited(facts))
		return await(facts);
	return UNKNOWN("its program is not there any more, and nobody knows how it ended: look "
		       "at the host");
}

/* A boot may be what has ended migrd-hook; a restart that has come says nothing of a program that
 * was to do more. */
static struct hook_verdict judge_cut(const struct hook_facts *facts, int left)
{
	if (facts->reboots && facts->is_other_boot)
		return come(facts);
	if (is_awaited(facts))
		return await(facts);
	if (left)
		return UNKNOWN("migrd-hook was ended before its program, of which %d process%s "
			       "could not be ended and may go on: look at the host",
			       left, left == 1 ? "" : "es");
	return UNKNOWN("migrd-hook was ended before its program, which was ended then, and nobody "
		       "knows how far it came: look at the host");
}

static struct hook_verdict judge_exit(const struct hook_facts *facts, int status)
{
	if (status == 0 && is_awaited(facts))
		return await(facts);
	if (status == 0)
		return has_come(facts) ? come(facts) : DONE("%s has done it", what(facts));
	if (facts->reboots && facts->is_other_boot)
		return come(facts);
	return FAILED("%s with status %d",
		      facts->is_url ? "its url has answered" : "its program has ended", status);
}

static struct hook_verdict judge_killed(const struct hook_facts *facts, int signo)
{
	if (facts->reboots || facts->restarts)
		return judge_gone(facts);
	return FAILED("its program was ended by signal %d (%s)", signo, strsignal(signo));
}

static struct hook_verdict judge_end(const struct hook_facts *facts)
{
	const struct hook_end *end = facts->end;
	struct hook_verdict ret;

	switch (end->how) {
	case HOOK_HOW_EXITED:
		return judge_exit(facts, end->number);
	case HOOK_HOW_KILLED:
		return judge_killed(facts, end->number);
	case HOOK_HOW_LATE:
		return FAILED("%s within its timeout_s of %d s",
			      facts->is_url ? "its url cannot be told"
					    : "its program did not end, and was ended,",
			      end->number);
	case HOOK_HOW_NOT_STARTED:
		return FAILED("%s", facts->is_url ? "its url cannot be told"
						  : "its program cannot be started");
	case HOOK_HOW_NOT_NEEDED:
		ret = DONE("it is not needed: %s has said so",
			   facts->is_url ? "its url" : "only_if");
		ret.needed = false;
		return ret;
	case HOOK_HOW_UNDECIDED:
		return FAILED("only_if has ended with status %d, where 0 is needed and 1 is not: "
			      "nothing was done",
			      end->number);
	case HOOK_HOW_CUT:
		return judge_cut(facts, end->number);
	case HOOK_HOW_UNANSWERED:
		return judge_unanswered(facts);
	case HOOK_HOW_BEGUN:
	case HOOK_HOW_COUNT:
		break;
	}
	return UNKNOWN("it ended in a way that this version does not know");
}

struct hook_verdict hook_judge(const struct hook_facts *facts)
{
	switch (facts->where) {
	case HOOK_WHERE_NOWHERE:
		if (facts->is_late)
			return FAILED("it was not begun within its timeout_s of %llu s",
				      (unsigned long long)facts->timeout_s);
		return verdict(HOOK_NEXT_BEGIN, HOOK_RUNNING, "it begins");
	case HOOK_WHERE_RUNS:
		return WAIT("%s", !facts->is_url   ? "its program runs"
				  : facts->is_told ? "its url was told; it waits for the answer"
						   : "its url is being told");
	case HOOK_WHERE_ENDED:
		return judge_end(facts);
	case HOOK_WHERE_GONE:
		return facts->is_url ? judge_unanswered(facts) : judge_gone(facts);
	}
	return UNKNOWN("nothing is known of it");
}
