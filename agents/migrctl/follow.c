/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/follow.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 3000

void follow_init(struct follow *follow, struct client *client, const char *program)
{
	memset(follow, 0, sizeof(*follow));
	follow->client = client;
	follow->program = program;
	follow->path = "/v1/events";
	follow->outage_max_ms = FOLLOW_OUTAGE_MAX_MS;
	follow->pause_ms = PAUSE_MIN_MS;
}

void follow_fini(struct follow *follow)
{
	client_stream_free(follow->stream);
	free(follow->last_id);
}

bool follow_lost(struct follow *follow, const struct err *err)
{
	if (!follow->was_open || (err->code != ERR_UNAVAILABLE && err->code != ERR_TIMEOUT))
		return false;
	client_stream_free(follow->stream);
	follow->stream = NULL;
	if (follow->lost_at_ms == 0) {
		follow->lost_at_ms = clock_monotonic_ms();
		fprintf(stderr, "%s: the connection to migrd is lost; trying again for %u s\n",
			follow->program, follow->outage_max_ms / 1000);
	}
	return true;
}

static bool is_hopeless(const struct follow *follow)
{
	return follow->lost_at_ms != 0 &&
	       clock_monotonic_ms() - follow->lost_at_ms > follow->outage_max_ms;
}

/* Each pause is longer than the last: a daemon that is starting should not be asked often. */
static void pause_before_retry(struct follow *follow)
{
	poll(NULL, 0, (int)follow->pause_ms);
	follow->pause_ms =
		follow->pause_ms * 2 < PAUSE_MAX_MS ? follow->pause_ms * 2 : PAUSE_MAX_MS;
}

static enum follow_step open_stream(struct follow *follow, struct err *err)
{
	for (;;) {
		if (follow->lost_at_ms != 0)
			pause_before_retry(follow);
		follow->stream =
			client_stream_open(follow->client, follow->path,
					   follow->must_resume ? follow->last_id : NULL, err);
		if (follow->stream)
			break;
		if (!follow_lost(follow, err))
			return FOLLOW_FAILED;
		if (is_hopeless(follow)) {
			err_wrap(err, "migrd did not come back within %u s",
				 follow->outage_max_ms / 1000);
			return FOLLOW_FAILED;
		}
	}
	if (follow->lost_at_ms != 0)
		fprintf(stderr, "%s: migrd is there again\n", follow->program);
	follow->lost_at_ms = 0;
	follow->pause_ms = PAUSE_MIN_MS;
	follow->was_open = true;
	return FOLLOW_OPENED;
}

static void remember_id(struct follow *follow, const char *id)
{
	if (!id[0])
		return;
	free(follow->last_id);
	follow->last_id = xstrdup(id);
}

enum follow_step follow_next(struct follow *follow, uint32_t timeout_ms,
			     struct client_event *ret_event, struct err *err)
{
	if (follow->stream) {
		switch (client_stream_next(follow->stream, timeout_ms, ret_event, err)) {
		case CLIENT_EVENT:
			remember_id(follow, ret_event->id);
			return FOLLOW_EVENT;
		case CLIENT_SILENCE:
			return FOLLOW_SILENCE;
		case CLIENT_BROKEN:
			if (!follow_lost(follow, err))
				return FOLLOW_FAILED;
			break;
		}
	}
	return open_stream(follow, err);
}
