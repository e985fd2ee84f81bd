/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who wants the host to be empty: requests come, are made again, expire and are withdrawn. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

static struct evac_asker *find(struct evacuation *evac, const char *who)
{
	for (size_t i = 0; i < evac->detail.asker_count; i++)
		if (strcmp(evac->detail.askers[i].requester, who) == 0)
			return &evac->detail.askers[i];
	return NULL;
}

static bool until_of(const struct evacuation_request *request, int64_t *ret_ms, struct err *err)
{
	*ret_ms = 0;
	return !when_parse(request->until, ret_ms) || *ret_ms > clock_wall_ms() ||
	       err_set(err, ERR_INVALID, "until is past: give a later moment, or none");
}

bool evac_ask(struct evacuation *evac, const struct evacuation_request *request, const char *who,
	      struct err *err)
{
	struct evac_detail *detail = &evac->detail;
	struct evac_asker *asker;
	int64_t until_ms;

	if (request->requester[0])
		who = request->requester;
	if (!until_of(request, &until_ms, err))
		return false;
	asker = find(evac, who);
	if (!asker && detail->asker_count == EVACUATION_REQUESTS_MAX)
		return err_set(err, ERR_LIMIT,
			       "%d have asked for this evacuation: that is the most",
			       EVACUATION_REQUESTS_MAX);
	if (!asker) {
		asker = &detail->askers[detail->asker_count++];
		*asker = (struct evac_asker){ .asked_ms = clock_wall_ms() };
		snprintf(asker->requester, sizeof(asker->requester), "%s", who);
	}
	snprintf(asker->why, sizeof(asker->why), "%s", request->why);
	asker->until_ms = until_ms;
	asker->on_withdraw = request->on_withdraw;
	evac->now.is_news = true;
	evac_change(evac);
	return true;
}

/* Nobody wants it any more; LAST was the last who did. */
static void follow(struct evacuation *evac, const struct evac_asker *last, const char *how)
{
	char why[EVACUATION_WHO_SIZE + 64];

	if (evac->detail.ending != EVAC_ENDING_NONE || evac_is_returning(evac))
		return;
	snprintf(why, sizeof(why), "the last request, of '%s', %s", last->requester, how);
	switch ((enum evacuation_withdrawn)last->on_withdraw) {
	case EVACUATION_WITHDRAWN_STAY:
		evac_want_end(evac,
			      evac->machine.state == EVAC_STATE_DRAINED ? EVAC_ENDING_ENDED
									: EVAC_ENDING_ABORTED,
			      EVACUATION_MOVES_FINISH, "", why);
		break;
	case EVACUATION_WITHDRAWN_RETURN:
		evac_want_end(evac, EVAC_ENDING_RETURNING, EVACUATION_MOVES_FINISH, "", why);
		break;
	case EVACUATION_WITHDRAWN_KEEP:
		break;
	}
}

/* A request of that name that comes late is known by it. */
static void note_former(struct evac_detail *detail, const char *who)
{
	for (size_t i = 0; i < detail->former_count; i++)
		if (strcmp(detail->former[i], who) == 0)
			return;
	if (detail->former_count == EVACUATION_REQUESTS_MAX) {
		detail->former_count--;
		memmove(detail->former[0], detail->former[1],
			detail->former_count * sizeof(detail->former[0]));
	}
	snprintf(detail->former[detail->former_count++], sizeof(detail->former[0]), "%s", who);
}

static void take_out(struct evacuation *evac, struct evac_asker *asker, const char *how)
{
	struct evac_detail *detail = &evac->detail;
	struct evac_asker last = *asker;
	size_t at = (size_t)(asker - detail->askers);

	log_info("evacuation", "withdrawn", "evacuation=%s requester=%s how=%s", evac->row.id,
		 last.requester, how);
	detail->asker_count--;
	memmove(asker, asker + 1, (detail->asker_count - at) * sizeof(*asker));
	note_former(detail, last.requester);
	evac->now.is_news = true;
	evac_change(evac);
	if (detail->asker_count == 0)
		follow(evac, &last, how);
}

bool evac_withdraw(struct evacuation *evac, const char *who)
{
	struct evac_asker *asker = find(evac, who);

	if (asker)
		take_out(evac, asker, "was withdrawn");
	return asker;
}

bool evacuation_has_requester(const struct evacuation *evac, const char *who)
{
	for (size_t i = 0; i < evac->detail.asker_count; i++)
		if (strcmp(evac->detail.askers[i].requester, who) == 0)
			return true;
	return false;
}

static bool had_requester(const struct evacuation *evac, const char *who)
{
	for (size_t i = 0; i < evac->detail.former_count; i++)
		if (strcmp(evac->detail.former[i], who) == 0)
			return true;
	return false;
}

struct evacuation *evacuation_of_requester(struct evacuations *evacs, const char *who)
{
	struct evacuation *evac;

	TAILQ_FOREACH(evac, &evacs->list, link)
	{
		if (evacuation_has_requester(evac, who) || had_requester(evac, who))
			return evac;
	}
	return NULL;
}

void evac_expire(struct evacuation *evac, int64_t now_ms, int64_t *ret_ms)
{
	const struct evacuations_env *env = &evac->evacs->env;
	struct evac_detail *detail = &evac->detail;
	const bool is_kept = env->is_kept_empty && env->is_kept_empty(env->data);

	*ret_ms = 0;
	for (size_t i = detail->asker_count; i-- > 0;) {
		struct evac_asker *asker = &detail->askers[i];

		if (!asker->until_ms || (asker->until_ms <= now_ms && is_kept))
			continue;
		if (asker->until_ms <= now_ms)
			take_out(evac, asker, "has expired");
		else if (!*ret_ms || asker->until_ms < *ret_ms)
			*ret_ms = asker->until_ms;
	}
}
