/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/peers/{id}: what is known of a peer and its guests, also if it is dead. */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "owner/known.h"
#include "wire/known_reply.h"

#define ASK_MS        3000
#define QUESTIONS_MAX 8 /* at a time */

static const char advice_silent[] =
	"silence does not prove that the host is off: its guests may run on. Look at its power "
	"controller, not at the network; what other hosts know of it, 'migrctl host show' tells "
	"there";
static const char advice_answers[] = "the host is there: what it says itself is what counts";

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void show(const struct known_guest *guest, const struct known_words *words,
		 struct known_guest_reply *ret)
{
	*ret = (struct known_guest_reply){
		.vm = guest->name,
		.vm_uuid = guest->uuid,
		.where = known_where_names[guest->where],
		.by = guest->by,
		.state = or_null(guest->state),
		.move = or_null(guest->move),
		.at = guest->at_ms,
		.generation = guest->generation,
		.what = words->what,
		.may = words->may,
		.must_not = or_null(words->must_not),
	};
}

static void reply(struct api_pending *pending, const struct claims *claims)
{
	const struct api *api = pending->api;
	const char *silence = claims->silent_count ? claims->silent[0].why : NULL;
	struct known *known = known_gather(api->vms, api->moves, pending->name, claims);
	size_t count = known->count < KNOWN_MAX ? known->count : KNOWN_MAX;
	struct known_words *words = xcalloc(count + 1, sizeof(*words));
	struct known_guest_reply *guests = xcalloc(count + 1, sizeof(*guests));

	for (size_t i = 0; i < count; i++) {
		known_say(&known->list[i], pending->name, silence, &words[i]);
		show(&known->list[i], &words[i], &guests[i]);
	}
	http_reply_as(pending->req, 200, known_reply_fields,
		      &(struct known_reply){
			      .id = pending->name,
			      .address = peer_clients_address(api->peers, pending->name),
			      .by = api->host_id,
			      .answers = !silence,
			      .silent_because = silence,
			      .advice = silence ? advice_silent : advice_answers,
			      .at = clock_wall_ms(),
			      .guests = guests,
			      .guest_count = count,
			      .left_out = known->count - count,
		      });
	free(guests);
	free(words);
	known_free(known);
}

static void on_claims(void *data, struct claims *claims)
{
	struct api_pending *pending = data;

	pending->api->peer_questions--;
	reply(pending, claims);
	claims_free(claims);
	free(pending);
}

void api_peer_get(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *id = peer_clients_id(api->peers, http_param(req, "id"));
	const char *const hosts[] = { id, NULL };
	struct err err;

	if (!api_ready(req, api))
		return;
	if (!id || strcmp(id, api->host_id) == 0) {
		err_set(&err, ERR_NOT_FOUND,
			"there is no peer '%s': 'migrctl host list' shows those that there are, "
			"and "
			"GET /v1/host is this host itself",
			http_param(req, "id"));
		http_reply_err(req, &err);
		return;
	}
	if (api->peer_questions == QUESTIONS_MAX) {
		err_set(&err, ERR_LIMIT, "%u such questions are under way: try again in a moment",
			api->peer_questions);
		http_reply_err(req, &err);
		return;
	}
	api->peer_questions++;
	claims_ask(&(struct claims_question){ .loop = api->loop,
					      .peers = api->peers,
					      .hosts = hosts,
					      .deadline_ms = ASK_MS },
		   on_claims, api_pending_new(req, api, id, 200));
}
