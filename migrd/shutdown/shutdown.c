/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shutdown/shutdown.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "shutdown/logind.h"

/* Where a shutdown of the host is, as far as it is for this migrd. */
enum stage { STAGE_NONE, STAGE_EVACUATING, STAGE_EMPTY, STAGE_GAVE_UP, STAGE_COUNT };

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_NONE] = "none",
	[STAGE_EVACUATING] = "evacuating",
	[STAGE_EMPTY] = "empty",
	[STAGE_GAVE_UP] = "gave-up",
};

struct shutdown {
	struct shutdown_env env;
	struct logind *logind; /* NULL: off */
	struct loop_timer *look;
	struct loop_timer *limit;
	bool is_called_off; /* it was said that there is none */
	enum stage stage;
	int64_t until_ms;           /* 0: no limit */
	struct host_shutdown shown; /* as `changed' has told */
};

static const char *const mode_names[] = {
	[SHUTDOWN_OFF] = "off",
	[SHUTDOWN_LIMIT] = "limit",
	[SHUTDOWN_WAIT] = "wait",
};

enum shutdown_mode shutdown_mode_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++)
		if (strcmp(mode_names[i], name) == 0)
			return (enum shutdown_mode)i;
	return SHUTDOWN_OFF;
}

/* ---- locks ------------------------------------------------------------------------ */

/* Shown by systemctl and systemd-inhibit to who shuts the host down. */
static const char why_delayed[] = "the guests of this host are moved away first";
static const char why_refused[] =
	"guests run on this host: 'migrctl host evacuate' empties it, and then it may go down";

static void set_locks(struct shutdown *shutdown, bool has_guests)
{
	bool delays = shutdown->stage == STAGE_NONE || shutdown->stage == STAGE_EVACUATING;
	bool refuses = shutdown->env.mode == SHUTDOWN_WAIT && has_guests;

	logind_want(shutdown->logind, LOGIND_DELAY, delays ? why_delayed : NULL);
	logind_want(shutdown->logind, LOGIND_BLOCK, refuses ? why_refused : NULL);
}

/* ---- a shutdown --------------------------------------------------------------------- */

static void enter(struct shutdown *shutdown, enum stage stage)
{
	log_info("shutdown", "stage", "from=%s to=%s", stage_names[shutdown->stage],
		 stage_names[stage]);
	shutdown->stage = stage;
	if (stage != STAGE_EVACUATING)
		loop_timer_stop(shutdown->limit);
}

/* logind's own limit holds in any case.  0: none is known. */
static uint64_t time_left_s(const struct shutdown *shutdown)
{
	uint64_t limit_s = shutdown->env.mode == SHUTDOWN_LIMIT ? shutdown->env.limit_s : 0;
	uint64_t logind_s = logind_state(shutdown->logind)->delay_max_ms / 1000;

	return limit_s == 0 || (logind_s > 0 && logind_s < limit_s) ? logind_s : limit_s;
}

static void begin(struct shutdown *shutdown)
{
	uint64_t left_s = time_left_s(shutdown);

	enter(shutdown, STAGE_EVACUATING);
	shutdown->until_ms = left_s ? clock_wall_ms() + (int64_t)left_s * 1000 : 0;
	if (shutdown->env.mode == SHUTDOWN_LIMIT)
		loop_timer_start(shutdown->limit, shutdown->env.limit_s * 1000);
	if (shutdown->env.evacuate)
		shutdown->env.evacuate(shutdown->env.data, left_s);
}

static void call_off(struct shutdown *shutdown)
{
	if (shutdown->stage != STAGE_NONE)
		enter(shutdown, STAGE_NONE);
	shutdown->until_ms = 0;
	if (shutdown->env.called_off)
		shutdown->env.called_off(shutdown->env.data);
}

/* A logind that cannot be heard says nothing: then all stays as it is. */
static void follow(struct shutdown *shutdown, bool has_guests)
{
	const struct logind_state *logind = logind_state(shutdown->logind);

	if (!logind->is_there)
		return;
	if (!logind->is_preparing) {
		if (!shutdown->is_called_off)
			call_off(shutdown);
		shutdown->is_called_off = true;
		return;
	}
	shutdown->is_called_off = false;
	if (!has_guests && shutdown->stage != STAGE_EMPTY)
		enter(shutdown, STAGE_EMPTY);
	else if (has_guests && shutdown->stage == STAGE_NONE)
		begin(shutdown);
}

/* ---- what is shown --------------------------------------------------------------------- */

/* Of logind's own limit, which migrd cannot change. */
static void warn_of_limit(const struct shutdown *shutdown, char ret[ERR_MSG_SIZE])
{
	uint64_t logind_ms = logind_state(shutdown->logind)->delay_max_ms;

	if (logind_ms == 0 || logind_ms >= shutdown->env.limit_s * 1000)
		return;
	err_text(ret,
		 "logind lets a shutdown wait for %" PRIu64 " s at most, and shutdown_limit_s is "
		 "%" PRIu64 ": write '[Login]' and 'InhibitDelayMaxSec=%" PRIu64
		 "' into /etc/systemd/logind.conf.d/migrd.conf, then 'systemctl kill -s HUP "
		 "systemd-logind' and 'systemctl reload migrd'",
		 logind_ms / 1000, shutdown->env.limit_s, shutdown->env.limit_s);
}

static void show_problem(const struct shutdown *shutdown, char ret[ERR_MSG_SIZE])
{
	const struct logind_state *logind = logind_state(shutdown->logind);

	if (logind->error[0])
		err_text(ret, "%s", logind->error);
	else if (shutdown->stage == STAGE_EVACUATING && !logind->has[LOGIND_DELAY])
		err_text(ret, "%s",
			 "the host goes down without waiting for its guests: migrd was not there "
			 "when the shutdown began");
	else
		warn_of_limit(shutdown, ret);
}

static const char *logind_word(const struct shutdown *shutdown)
{
	if (!logind_is_built)
		return "not-built";
	return logind_state(shutdown->logind)->is_there ? "there" : "away";
}

void shutdown_show(const struct shutdown *shutdown, struct host_shutdown *ret)
{
	ret->mode = mode_names[shutdown->env.mode];
	ret->stage = stage_names[shutdown->stage];
	ret->limit_s = shutdown->env.limit_s;
	ret->until = shutdown->until_ms;
	ret->logind = "off";
	if (!shutdown->logind)
		return;
	ret->logind = logind_word(shutdown);
	ret->logind_limit_s = logind_state(shutdown->logind)->delay_max_ms / 1000;
	ret->delays = logind_state(shutdown->logind)->has[LOGIND_DELAY];
	ret->refuses = logind_state(shutdown->logind)->has[LOGIND_BLOCK];
	show_problem(shutdown, ret->problem);
}

/* ---- a look ----------------------------------------------------------------------------- */

static void tell(struct shutdown *shutdown)
{
	struct host_shutdown shown;

	memset(&shown, 0, sizeof(shown));
	shutdown_show(shutdown, &shown);
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): padding is zero too */
	if (memcmp(&shown, &shutdown->shown, sizeof(shown)) == 0)
		return;
	memcpy(&shutdown->shown, &shown, sizeof(shown));
	if (shutdown->env.changed)
		shutdown->env.changed(shutdown->env.data);
}

static void look(void *data)
{
	struct shutdown *shutdown = data;
	bool has_guests = shutdown->env.has_guests(shutdown->env.data);

	follow(shutdown, has_guests);
	set_locks(shutdown, has_guests);
	tell(shutdown);
}

static void on_limit(void *data)
{
	struct shutdown *shutdown = data;

	log_error("shutdown", "limit", "limit_s=%llu reason=%s",
		  (unsigned long long)shutdown->env.limit_s,
		  "the host goes down with guests that were not moved away in time");
	enter(shutdown, STAGE_GAVE_UP);
	look(shutdown);
}

void shutdown_look(struct shutdown *shutdown)
{
	if (shutdown && shutdown->logind && !loop_timer_is_active(shutdown->look))
		loop_timer_start(shutdown->look, 0);
}

void shutdown_look_again(struct shutdown *shutdown)
{
	if (shutdown->logind)
		logind_look_again(shutdown->logind);
}

/* ---- life -------------------------------------------------------------------------------- */

struct shutdown *shutdown_new(const struct shutdown_env *env)
{
	struct shutdown *shutdown = xnew(struct shutdown);

	shutdown->env = *env;
	if (env->mode == SHUTDOWN_OFF)
		return shutdown;
	shutdown->look = loop_timer_new(env->loop, look, shutdown);
	shutdown->limit = loop_timer_new(env->loop, on_limit, shutdown);
	shutdown->logind = logind_new(env->loop, look, shutdown);
	shutdown_look(shutdown);
	return shutdown;
}

void shutdown_free(struct shutdown *shutdown)
{
	if (!shutdown)
		return;
	logind_free(shutdown->logind);
	loop_timer_free(shutdown->look);
	loop_timer_free(shutdown->limit);
	free(shutdown);
}
