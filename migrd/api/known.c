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

/* What the peer told before it fell silent. */
struct told {
	struct capacity_picture *picture; /* has the texts */
	struct known_told_guest *list;
	struct known_told known;
	uint64_t stopped;
};

static void told_take(struct told *told, const struct capacity_host *host, size_t at)
{
	told->list = xcalloc(host->vm_count + 1, sizeof(*told->list));
	for (size_t i = 0; i < host->vm_count; i++) {
		const struct capacity_guest guest = capacity_guest(told->picture, at, i);

		told->list[i] = (struct known_told_guest){ guest.uuid, guest.name, guest.state };
	}
	told->known = (struct known_told){ told->list, host->vm_count,
					   clock_wall_ms() - (int64_t)host->age_ms };
	told->stopped = host->told->figures.stopped;
}

/* Nothing if it has told nothing. */
static void told_find(const struct api *api, const char *peer, struct told *ret)
{
	const struct capacity_host *hosts;

	*ret = (struct told){ .picture = capacity_take(api->capacity) };
	hosts = capacity_hosts(ret->picture);
	for (size_t i = 0; i < capacity_host_count(ret->picture); i++)
		if (strcmp(hosts[i].id, peer) == 0 && hosts[i].told)
			told_take(ret, &hosts[i], i);
}

static void told_fini(struct told *told)
{
	capacity_picture_free(told->picture);
	free(told->list);
}

static void reply(struct api_pending *pending, const struct claims *claims)
{
	const struct api *api = pending->api;
	const char *silence = claims->silent_count ? claims->silent[0].why : NULL;
	struct told told = { 0 };
	struct known *known;
	size_t count;
	struct known_words *words;
	struct known_guest_reply *guests;

	if (silence)
		told_find(api, pending->name, &told);
	known = known_gather(api->vms, api->moves, pending->name, claims,
			     told.list ? &told.known : NULL);
	count = known->count < KNOWN_MAX ? known->count : KNOWN_MAX;
	words = xcalloc(count + 1, sizeof(*words));
	guests = xcalloc(count + 1, sizeof(*guests));

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
			      .told_at = told.known.at_ms,
			      .told_stopped = told.stopped,
			      .guests = guests,
			      .guest_count = count,
			      .left_out = known->count - count,
		      });
	free(guests);
	free(words);
	known_free(known);
	told_fini(&told);
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
