/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Named fault points.
 *
 * How to use them, with examples:
 *
 *     MIGRD_FAULTS=store.save:error                 the first save fails
 *     MIGRD_FAULTS=store.save:error:times=0         every save fails
 *     MIGRD_FAULTS=peer.*:delay:ms=500:times=0      all that talks to a peer is slow
 *     MIGRD_FAULTS=any:crash:after=17               dies at the 17th point passed
 *     MIGRD_FAULTS=move.src.go:hold MIGRD_FAULT_HOLD=/tmp/held   stands there until it is removed
 *     MIGRD_FAULTS=peer.send.go:drop:times=0:held   all are lost until the same file is removed
 *     MIGRD_FAULT_LOG=/tmp/points                   which points there are to walk
 *
 * A rule counts the passages at the points it matches, and of these only the ones that can
 * carry out its action: `error' counts calls of fault_hit(), `drop' calls of fault_drop(),
 * fault_message() counts for both, and `delay', `hold' and `crash' count all.  So
 * "any:error:after=N" with N from 1 up reaches every point that can fail.  Where several rules fire
 * at one passage, each is carried out, in the order of the plan.
 *
 * The log has a line for each passage, "COUNT POINT", written before the point
 * acts; it is appended to, so that it survives a crash and a restart.
 */
#include "base/fault.h"

#ifdef ENABLE_FAULT_INJECTION

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define RULES_MAX    32
#define POINT_SIZE   64
#define CRASH_STATUS 99
#define HOLD_MAX_MS  60000
#define HOLD_LOOK_MS 2

enum action { ACTION_NONE, ACTION_ERROR, ACTION_DELAY, ACTION_HOLD, ACTION_DROP, ACTION_CRASH };

static const char *const action_names[] = {
	[ACTION_NONE] = "none", [ACTION_ERROR] = "error", [ACTION_DELAY] = "delay",
	[ACTION_HOLD] = "hold", [ACTION_DROP] = "drop",   [ACTION_CRASH] = "crash",
};

struct rule {
	char point[POINT_SIZE];
	enum action action;
	uint64_t after;
	uint64_t times; /* 0: all */
	uint64_t delay_ms;
	bool while_held;
	uint64_t passed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct rule rules[RULES_MAX];
static size_t rule_count;
static uint64_t passed_count;
static int log_fd = -1;

/* ---- plan ------------------------------------------------------------ */

static bool parse_number(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool parse_action(const char *word, struct rule *rule)
{
	for (size_t i = ACTION_ERROR; i < ARRAY_LEN(action_names); i++) {
		if (rule->action == ACTION_NONE && strcmp(action_names[i], word) == 0) {
			rule->action = (enum action)i;
			return true;
		}
	}
	return false;
}

static bool parse_word(const char *word, struct rule *rule)
{
	if (strncmp(word, "after=", 6) == 0)
		return parse_number(word + 6, &rule->after) && rule->after > 0;
	if (strncmp(word, "times=", 6) == 0)
		return parse_number(word + 6, &rule->times);
	if (strncmp(word, "ms=", 3) == 0)
		return parse_number(word + 3, &rule->delay_ms);
	if (strcmp(word, "held") == 0) {
		rule->while_held = true;
		return true;
	}
	return parse_action(word, rule);
}

/* Changes TEXT. */
static bool parse_rule(char *text, struct rule *ret_rule, struct err *err)
{
	struct rule rule = { .after = 1, .times = 1 };
	char *word = strsep(&text, ":");

	if (!word[0] || strlen(word) >= sizeof(rule.point))
		return err_set(err, ERR_INVALID, "MIGRD_FAULTS: '%s' is no name of a point", word);
	memcpy(rule.point, word, strlen(word) + 1);
	while ((word = strsep(&text, ":")))
		if (!parse_word(word, &rule))
			return err_set(err, ERR_INVALID, "MIGRD_FAULTS: %s: cannot understand '%s'",
				       rule.point, word);
	if (rule.action == ACTION_NONE)
		return err_set(err, ERR_INVALID, "MIGRD_FAULTS: %s: no action", rule.point);
	*ret_rule = rule;
	return true;
}

static bool parse_plan(const char *plan, struct err *err)
{
	CLEANUP(free_charp) char *copy = xstrdup(plan);
	char *rest = copy;
	char *text;

	rule_count = 0;
	while (plan[0] && (text = strsep(&rest, ","))) {
		if (rule_count == RULES_MAX)
			return err_set(err, ERR_INVALID, "MIGRD_FAULTS: more than %d rules",
				       RULES_MAX);
		if (!parse_rule(text, &rules[rule_count], err))
			return false;
		rule_count++;
	}
	return true;
}

static bool open_log(const char *path, struct err *err)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	if (!path)
		return true;
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return log_fd >= 0 || err_errno(err, "MIGRD_FAULT_LOG: cannot open '%s'", path);
}

bool fault_init(struct err *err)
{
	const char *plan = getenv("MIGRD_FAULTS");
	bool ok;

	pthread_mutex_lock(&lock);
	passed_count = 0;
	ok = parse_plan(plan ? plan : "", err) && open_log(getenv("MIGRD_FAULT_LOG"), err);
	if (!ok)
		rule_count = 0;
	pthread_mutex_unlock(&lock);
	return ok;
}

/* ---- passages -------------------------------------------------------- */

static bool matches(const char *pattern, const char *point)
{
	size_t len = strlen(pattern);

	if (strcmp(pattern, "any") == 0)
		return true;
	if (pattern[len - 1] == '*')
		return strncmp(pattern, point, len - 1) == 0;
	return strcmp(pattern, point) == 0;
}

static void log_passage(const char *point)
{
	char line[POINT_SIZE + 32];
	int len;

	passed_count++;
	if (log_fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%llu %.*s\n", (unsigned long long)passed_count,
		       POINT_SIZE, point);
	if (write(log_fd, line, (size_t)len) < 0)
		log_warning("fault", "log", "reason=%s", strerror(errno));
}

static bool is_held(void)
{
	const char *path = getenv("MIGRD_FAULT_HOLD");

	return path && access(path, F_OK) == 0;
}

/* Counts a passage; true when RULE fires at it. */
static bool fires(struct rule *rule)
{
	uint64_t n = ++rule->passed;

	return n >= rule->after && (rule->times == 0 || n - rule->after < rule->times) &&
	       (!rule->while_held || is_held());
}

#define BIT(action) (1u << (action))

/* What to do at a passage: decided under the lock, carried out without it. */
struct verdict {
	unsigned hits;
	bool is_crash;
	bool is_hold;
	uint64_t delay_ms;
};

/* CAN has the bits of the actions that the caller itself carries out. */
static struct verdict judge(const char *point, unsigned can)
{
	const unsigned known = can | BIT(ACTION_DELAY) | BIT(ACTION_HOLD) | BIT(ACTION_CRASH);
	struct verdict verdict = { 0 };

	pthread_mutex_lock(&lock);
	log_passage(point);
	for (size_t i = 0; i < rule_count; i++) {
		struct rule *rule = &rules[i];

		if (!(known & BIT(rule->action)) || !matches(rule->point, point) || !fires(rule))
			continue;
		verdict.hits |= can & BIT(rule->action);
		verdict.is_crash |= rule->action == ACTION_CRASH;
		verdict.is_hold |= rule->action == ACTION_HOLD;
		verdict.delay_ms += rule->action == ACTION_DELAY ? rule->delay_ms : 0;
		log_warning("fault", "fired", "point=%s action=%s", point,
			    action_names[rule->action]);
	}
	pthread_mutex_unlock(&lock);
	return verdict;
}

static void wait_ms(uint64_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void wait_released(void)
{
	unsigned left = HOLD_MAX_MS / HOLD_LOOK_MS;

	while (is_held() && left--)
		wait_ms(HOLD_LOOK_MS);
}

static unsigned pass(const char *point, unsigned can)
{
	struct verdict verdict = judge(point, can);

	if (verdict.delay_ms)
		wait_ms(verdict.delay_ms);
	if (verdict.is_hold)
		wait_released();
	if (verdict.is_crash)
		_exit(CRASH_STATUS);
	return verdict.hits;
}

bool fault_hit(const char *point, struct err *err)
{
	if (!pass(point, BIT(ACTION_ERROR)))
		return false;
	err_set(err, ERR_INTERNAL, "fault injected at '%s'", point);
	return true;
}

bool fault_drop(const char *point)
{
	return pass(point, BIT(ACTION_DROP)) != 0;
}

enum fault_kind fault_message(const char *point, struct err *err)
{
	unsigned hits = pass(point, BIT(ACTION_ERROR) | BIT(ACTION_DROP));

	if (!(hits & BIT(ACTION_ERROR)))
		return hits ? FAULT_DROP : FAULT_NONE;
	err_set(err, ERR_INTERNAL, "fault injected at '%s'", point);
	return FAULT_ERROR;
}

#endif
