/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/links.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/amounts.h"
#include "move/priv.h"
#include "wire/peer_msg.h"

#define ASK_DEADLINE_MS 3000
/* How often one host may probe the link to this one. */
#define OFFER_EVERY_MS 10000
/* How long a host may take to come, and to come again with small segments. */
#define OFFER_OPEN_MS 4000
/* More hosts than that have no probe of their own remembered. */
#define LINKS_MAX 256
/* A probe that was limited, and got nearly that, tells no more of the link. */
#define LIMITED_PERCENT 90
/* However small a budget is: it shows that large packets pass. */
#define LEAST_BYTES (UINT64_C(64) * 1024)

struct link_record {
	TAILQ_ENTRY(link_record) link;
	char peer[ID_NAME_SIZE];
	uint64_t offered_at_ms;  /* loop's clock; 0: never */
	struct link_found found; /* at_ms 0: nothing */
};

struct links {
	struct moves *moves;
	TAILQ_HEAD(record_list, link_record) records; /* the newest first */
	size_t count;
	int stop_fd;
	/* The one probe that may come. */
	struct {
		char id[ID_UUID_SIZE]; /* "": none */
		char peer[ID_NAME_SIZE];
		char token[ID_TOKEN_SIZE], key[STREAM_PROOF_SIZE];
		struct stream_attempts attempts;
		unsigned taken;
		uint64_t bytes, ms, until_ms;
	} offer;
};

/* ---- life ------------------------------------------------------------ */

struct links *links_new(struct moves *moves)
{
	struct links *links = xnew(struct links);

	links->moves = moves;
	links->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	TAILQ_INIT(&links->records);
	return links;
}

void links_stop(struct links *links)
{
	(void)eventfd_write(links->stop_fd, 1);
}

void links_free(struct links *links)
{
	struct link_record *record;

	while ((record = TAILQ_FIRST(&links->records))) {
		TAILQ_REMOVE(&links->records, record, link);
		free(record);
	}
	if (links->stop_fd >= 0)
		close(links->stop_fd);
	explicit_bzero(&links->offer, sizeof(links->offer));
	free(links);
}

static struct link_record *find(const struct links *links, const char *peer)
{
	struct link_record *record;

	TAILQ_FOREACH(record, &links->records, link)
	{
		if (strcmp(record->peer, peer) == 0)
			return record;
	}
	return NULL;
}

/* The record of PEER, as the newest; another may go for it. */
static struct link_record *touch(struct links *links, const char *peer)
{
	struct link_record *record = find(links, peer);

	if (!record && links->count == LINKS_MAX)
		record = TAILQ_LAST(&links->records, record_list);
	if (record) {
		TAILQ_REMOVE(&links->records, record, link);
	} else {
		record = xnew(struct link_record);
		links->count++;
	}
	if (strcmp(record->peer, peer) != 0) {
		*record = (struct link_record){ 0 };
		snprintf(record->peer, sizeof(record->peer), "%s", peer);
	}
	TAILQ_INSERT_HEAD(&links->records, record, link);
	return record;
}

bool links_found(const struct links *links, const char *peer, struct link_found *ret)
{
	const struct link_record *record = find(links, peer);

	if (!record || !record->found.at_ms)
		return false;
	*ret = record->found;
	return true;
}

/* ---- source ---------------------------------------------------------- */

struct probing {
	struct fair_work work;
	struct links *links;
	char peer[ID_NAME_SIZE];
	uint64_t limit_bytes_per_s;
	links_probed_fn *fn;
	void *data;
	int stop_fd;
	struct stream_probe_wish wish;
	struct stream_probe_result result;
	struct err err; /* not set: there is a result */
};

static void end(struct probing *probing)
{
	bool is_made = !err_is_set(&probing->err);

	probing->fn(probing->data, is_made ? &probing->result : NULL,
		    is_made ? NULL : &probing->err);
	explicit_bzero(probing->wish.config.token, sizeof(probing->wish.config.token));
	free(probing);
}

/* A short look at the packets measures nothing. */
static void keep(const struct probing *probing)
{
	const struct gauge_report *report = &probing->result.report;
	uint64_t limit = probing->limit_bytes_per_s;

	if (probing->result.end != STREAM_PROBE_DONE || !report->bytes_per_s ||
	    probing->wish.bytes <= LINKS_LOOK_BYTES)
		return;
	touch(probing->links, probing->peer)->found = (struct link_found){
		.bytes_per_s = report->bytes_per_s,
		.is_least = report->is_growing ||
			    (limit && report->bytes_per_s > limit / 100 * LIMITED_PERCENT),
		.at_ms = clock_wall_ms(),
	};
}

static void run_probe(struct fair_work *work)
{
	struct probing *probing = (struct probing *)work;

	stream_probe_blocking(&probing->wish, probing->stop_fd, &probing->result, &probing->err);
}

static void probe_done(struct fair_work *work)
{
	struct probing *probing = (struct probing *)work;
	char text[ERR_MSG_SIZE];

	if (!err_is_set(&probing->err)) {
		keep(probing);
		links_say(probing->peer, &probing->result, text);
		log_info("link", "probed", "peer=%s bytes=%llu us=%llu result=%s", probing->peer,
			 (unsigned long long)probing->result.report.bytes,
			 (unsigned long long)probing->result.report.us, text);
	}
	end(probing);
}

static void fill_config(const struct links *links, const struct peer_probe_reply *reply,
			struct probing *probing)
{
	const struct moves_env *env = &links->moves->env;
	struct stream_config *config = &probing->wish.config;

	move_stream_files(env, config);
	config->side = STREAM_SRC;
	config->link_timeout_ms = env->link_timeout_ms;
	config->bandwidth_bytes_per_s = probing->limit_bytes_per_s;
	snprintf(config->move_id, sizeof(config->move_id), "%s", reply->id);
	snprintf(config->peer_id, sizeof(config->peer_id), "%s", probing->peer);
	snprintf(config->data_address, sizeof(config->data_address), "%s", reply->data_address);
	snprintf(config->token, sizeof(config->token), "%s", reply->token);
}

/* What may be sent, as this host and the other one see it; 0 is no limit. */
static uint64_t limit_of(uint64_t ours, uint64_t theirs)
{
	if (theirs && theirs < MOVE_BANDWIDTH_MIN)
		theirs = MOVE_BANDWIDTH_MIN;
	return !ours || (theirs && theirs < ours) ? theirs : ours;
}

static void on_offered(void *data, struct json_object *result, const struct err *err)
{
	struct probing *probing = data;
	struct peer_probe_reply reply;

	if (err)
		probing->err = *err;
	if (err || !peer_probe_reply_decode(result, &reply, &probing->err)) {
		end(probing);
		return;
	}
	probing->limit_bytes_per_s = limit_of(probing->limit_bytes_per_s, reply.limit_bytes_per_s);
	probing->wish.bytes = reply.bytes < probing->wish.bytes ? reply.bytes : probing->wish.bytes;
	probing->wish.ms = reply.ms < probing->wish.ms ? reply.ms : probing->wish.ms;
	fill_config(probing->links, &reply, probing);
	explicit_bzero(&reply, sizeof(reply));
	probing->work.run = run_probe;
	probing->work.done = probe_done;
	fair_worker_submit(probing->links->moves->looker, probing->peer, &probing->work);
}

static void on_refused(void *data)
{
	end(data);
}

/* A move under way tells the link itself. */
static bool is_disturbed(const struct moves *moves, const struct move *but)
{
	const struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (move != but && !move_is_final(move))
			return true;
	}
	return false;
}

static bool may_probe(const struct moves *moves, const struct move *but, struct err *err)
{
	if (!moves->env.link_probe_ms)
		return err_set(err, ERR_CONFLICT, "link_probe_ms of [move] is 0 on host '%s'",
			       moves->env.host_id);
	if (moves->is_closing)
		return err_set(err, ERR_UNAVAILABLE, "host '%s' is stopping", moves->env.host_id);
	if (is_disturbed(moves, but))
		return err_set(err, ERR_BUSY,
			       "a move is under way on host '%s', and would be disturbed",
			       moves->env.host_id);
	return true;
}

void links_probe(struct links *links, const struct link_question *question, links_probed_fn *fn,
		 void *data)
{
	struct moves *moves = links->moves;
	struct probing *probing = xnew(struct probing);
	struct peer_probe wish = { .bytes = question->bytes, .ms = moves->env.link_probe_ms };

	probing->links = links;
	probing->stop_fd = links->stop_fd;
	probing->limit_bytes_per_s = question->limit_bytes_per_s;
	probing->fn = fn;
	probing->data = data;
	probing->wish.bytes = wish.bytes;
	probing->wish.ms = wish.ms;
	snprintf(probing->peer, sizeof(probing->peer), "%s", question->peer);
	if (may_probe(moves, question->for_move, &probing->err))
		peer_request(moves->env.peers, probing->peer, "POST", "/peer/v1/probe",
			     json_encode(peer_probe_fields, &wish), ASK_DEADLINE_MS, on_offered,
			     probing);
	else
		loop_post(moves->env.loop, on_refused, probing);
}

/* ---- in words ---------------------------------------------------------- */

void links_say(const char *peer, const struct stream_probe_result *result,
	       char ret_text[ERR_MSG_SIZE])
{
	char rate[AMOUNT_SIZE], bytes[AMOUNT_SIZE];

	switch ((enum stream_probe_end)result->end) {
	case STREAM_PROBE_DONE:
		err_text(ret_text, "host '%s' took %s in %llu ms, %s%s/s", peer,
			 amount_bytes(result->report.bytes, bytes),
			 (unsigned long long)result->report.us / 1000,
			 result->report.is_growing ? "and more and more: at least " : "",
			 amount_bytes(result->report.bytes_per_s, rate));
		return;
	case STREAM_PROBE_UNREACHED:
		err_text(ret_text,
			 "the data port of host '%s' is not reached: %s: let a firewall pass it, "
			 "or set what 'advertise' of [data] says there",
			 peer, result->error);
		return;
	case STREAM_PROBE_REFUSED:
		err_text(ret_text,
			 "what answers at the address of the data port of host '%s' does not take "
			 "its data: %s: look at what 'advertise' of [data] says there, and at both "
			 "certificates",
			 peer, result->error);
		return;
	case STREAM_PROBE_STALLED:
		err_text(ret_text,
			 "the data port of host '%s' takes a connection and answers nothing, to "
			 "small packets neither: %s: look for a firewall or a proxy between the "
			 "hosts that holds the data, or at the load of that host",
			 peer, result->error);
		return;
	case STREAM_PROBE_SMALL_ONLY:
		err_text(ret_text,
			 "large packets do not arrive at the data port of host '%s', or not from "
			 "it, while small ones do: check the MTU of the path: this host sends up "
			 "to %llu bytes in one; something between the hosts takes less and does "
			 "not say so (or a firewall drops its ICMP)",
			 peer, (unsigned long long)result->mtu_bytes);
		return;
	}
}

/* ---- destination ----------------------------------------------------- */

static bool may_come(const struct links *links, const char *peer, struct err *err)
{
	uint64_t now_ms = loop_now_ms(links->moves->env.loop);
	const struct link_record *record = find(links, peer);

	if (!may_probe(links->moves, NULL, err))
		return false;
	if (links->offer.id[0] && now_ms < links->offer.until_ms)
		return err_set(err, ERR_BUSY, "host '%s' is being probed by host '%s'",
			       links->moves->env.host_id, links->offer.peer);
	if (record && record->offered_at_ms && now_ms - record->offered_at_ms < OFFER_EVERY_MS)
		return err_set(err, ERR_LIMIT, "host '%s' is probed by the same host once in %d s",
			       links->moves->env.host_id, OFFER_EVERY_MS / 1000);
	return true;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

/* What may come in MS, since an older source does not know of the limit.  As no move is under way,
 * nothing else uses the budget. */
static uint64_t within_budget(const struct moves *moves, uint64_t ms)
{
	uint64_t budget = moves->env.limits.budget_in_bytes_per_s;
	uint64_t bytes = budget / 1000 * ms;

	if (!budget)
		return STREAM_PROBE_BYTES_MAX;
	return bytes > LEAST_BYTES ? bytes : LEAST_BYTES;
}

bool moves_offer_probe(struct moves *moves, const char *peer, const struct peer_probe *wish,
		       struct peer_probe_reply *ret, struct err *err)
{
	struct links *links = moves->links;
	uint64_t now_ms = loop_now_ms(moves->env.loop);

	if (!may_come(links, peer, err))
		return false;
	memset(&links->offer, 0, sizeof(links->offer));
	id_uuid_new(links->offer.id);
	id_token_new(links->offer.token);
	stream_preamble_key(links->offer.token, links->offer.key);
	snprintf(links->offer.peer, sizeof(links->offer.peer), "%s", peer);
	links->offer.bytes = at_most(wish->bytes, STREAM_PROBE_BYTES_MAX);
	links->offer.ms = at_most(wish->ms, moves->env.link_probe_ms);
	links->offer.bytes = at_most(links->offer.bytes, within_budget(moves, links->offer.ms));
	links->offer.until_ms = now_ms + OFFER_OPEN_MS;
	touch(links, peer)->offered_at_ms = now_ms;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->id, links->offer.id, sizeof(ret->id));
	memcpy(ret->token, links->offer.token, sizeof(ret->token));
	snprintf(ret->data_address, sizeof(ret->data_address), "%s", moves->env.data_address);
	ret->bytes = links->offer.bytes;
	ret->ms = links->offer.ms;
	ret->limit_bytes_per_s = moves->env.limits.budget_in_bytes_per_s;
	return true;
}

bool links_claim(struct links *links, const struct stream_preamble *preamble, int fd)
{
	uint64_t now_ms = loop_now_ms(links->moves->env.loop);
	struct stream_probe_wish wish = { .bytes = links->offer.bytes, .ms = links->offer.ms };
	struct err err;

	if (!links->offer.id[0] || strcmp(preamble->move_id, links->offer.id) != 0 ||
	    strcmp(preamble->channel, STREAM_PROBE_CHANNEL) != 0 ||
	    now_ms >= links->offer.until_ms || links->offer.taken == STREAM_PROBE_TRIES ||
	    !stream_preamble_is_proved(preamble, links->offer.key) ||
	    !stream_attempts_take(&links->offer.attempts, preamble->attempt))
		return false;
	links->offer.taken++;
	links->offer.until_ms = now_ms + OFFER_OPEN_MS;
	move_stream_files(&links->moves->env, &wish.config);
	wish.config.side = STREAM_DST;
	wish.config.link_timeout_ms = links->moves->env.link_timeout_ms;
	snprintf(wish.config.move_id, sizeof(wish.config.move_id), "%s", links->offer.id);
	snprintf(wish.config.peer_id, sizeof(wish.config.peer_id), "%s", links->offer.peer);
	snprintf(wish.config.token, sizeof(wish.config.token), "%s", links->offer.token);
	if (!stream_probe_serve(&wish, fd, &err)) /* has closed FD */
		log_warning("link", "probe", "peer=%s reason=%s", links->offer.peer, err.msg);
	explicit_bzero(wish.config.token, sizeof(wish.config.token));
	return true;
}
