/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that wait for the loop, and the order in which it takes them.
 *
 * Each class has its share of a turn; then the loop looks at its other descriptors
 * before the next turn.  A class is served in rounds, in each of which a caller has one
 * request: a caller with a hundred connections gets no more than one with a single connection.
 *
 * The requests and answers of users have a limit in bytes a second, since bytes are what a
 * request costs: one thread reads, decodes, writes and encrypts them for all connections.  A
 * class whose credit is used up waits until it has some again, so that users who ask as fast as
 * they are answered hold up neither a peer's request nor a guest on this host. */
#include "http/internal.h"

#include <string.h>

/* What any request costs, beside its body and its answer. */
#define REQUEST_BYTES 4096
/* The most credit that a class can have, as after a silence: what it earns in this time. */
#define CREDIT_MS 100

static const struct {
	unsigned turn;    /* requests in one turn of the loop */
	int64_t bytes_ms; /* bytes a millisecond; 0: any number */
} shares[HTTP_CLASS_COUNT] = {
	[HTTP_CLASS_HANDOVER] = { 16, 0 },    [HTTP_CLASS_PEER] = { 4, 0 },
	[HTTP_CLASS_ADMIN] = { 8, 0 },        [HTTP_CLASS_OPERATOR] = { 4, 1 << 10 },
	[HTTP_CLASS_VIEWER] = { 2, 2 << 10 },
};

static enum http_class class_of(const struct http_request *req)
{
	static const char moves[] = HTTP_PEER_PREFIX "v1/moves/";

	switch (req->role) {
	case HTTP_ROLE_PEER:
		return strncmp(req->path, moves, strlen(moves)) == 0 ? HTTP_CLASS_HANDOVER
								     : HTTP_CLASS_PEER;
	case HTTP_ROLE_ADMIN:
		return HTTP_CLASS_ADMIN;
	case HTTP_ROLE_OPERATOR:
		return HTTP_CLASS_OPERATOR;
	case HTTP_ROLE_VIEWER:
	case HTTP_ROLE_NONE:
		break;
	}
	return HTTP_CLASS_VIEWER;
}

void http_inbox_init(struct http_inbox *inbox)
{
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		TAILQ_INIT(&inbox->classes[i].waiting);
		inbox->classes[i].credit = shares[i].bytes_ms * CREDIT_MS;
	}
}

/* The round after that of the caller's last request that waits, or else the next
 * round.  The list is no longer than a share has connections (http/shares.h), since
 * each has one request under way. */
static uint64_t round_of(const struct http_inbox *inbox, const struct http_request *req)
{
	const struct http_request *other;

	TAILQ_FOREACH_REVERSE(other, &inbox->classes[req->class].waiting, http_request_list, link)
	if (strcmp(other->caller, req->caller) == 0)
		return other->round + 1;
	return inbox->classes[req->class].round + 1;
}

void http_inbox_add(struct http_inbox *inbox, struct http_request *req)
{
	struct http_request_list *waiting;
	struct http_request *other;

	req->class = class_of(req);
	req->round = round_of(inbox, req);
	waiting = &inbox->classes[req->class].waiting;
	TAILQ_FOREACH_REVERSE(other, waiting, http_request_list, link)
	if (other->round <= req->round)
		break;
	if (other)
		TAILQ_INSERT_AFTER(waiting, other, req, link);
	else
		TAILQ_INSERT_HEAD(waiting, req, link);
}

static void take(struct http_inbox *inbox, struct http_request *req)
{
	inbox->classes[req->class].round = req->round;
	TAILQ_REMOVE(&inbox->classes[req->class].waiting, req, link);
}

static bool is_out_of_credit(const struct http_inbox *inbox, unsigned class)
{
	return shares[class].bytes_ms && inbox->classes[class].credit <= 0;
}

static void earn(struct http_inbox *inbox, unsigned class, int64_t ms)
{
	int64_t rate = shares[class].bytes_ms;
	int64_t *credit = &inbox->classes[class].credit;

	if (rate)
		*credit = ms < CREDIT_MS - *credit / rate ? *credit + ms * rate : CREDIT_MS * rate;
}

void http_inbox_begin_turn(struct http_inbox *inbox, uint64_t now_ms)
{
	int64_t ms = (int64_t)(now_ms - inbox->earned_ms);

	inbox->earned_ms = now_ms;
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		inbox->classes[i].taken = 0;
		earn(inbox, i, ms);
	}
}

void http_inbox_charge(struct http_inbox *inbox, enum http_class class, size_t bytes)
{
	inbox->classes[class].credit -= (int64_t)bytes;
}

struct http_request *http_inbox_take(struct http_inbox *inbox)
{
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		struct http_request *req = TAILQ_FIRST(&inbox->classes[i].waiting);

		if (!req || inbox->classes[i].taken == shares[i].turn || is_out_of_credit(inbox, i))
			continue;
		inbox->classes[i].taken++;
		http_inbox_charge(inbox, i, REQUEST_BYTES + req->body_bytes);
		take(inbox, req);
		return req;
	}
	return NULL;
}

struct http_request *http_inbox_take_any(struct http_inbox *inbox)
{
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		struct http_request *req = TAILQ_FIRST(&inbox->classes[i].waiting);

		if (!req)
			continue;
		take(inbox, req);
		return req;
	}
	return NULL;
}

static uint32_t wait_ms_of(const struct http_inbox *inbox, unsigned class)
{
	if (!is_out_of_credit(inbox, class))
		return 0;
	return (uint32_t)(-inbox->classes[class].credit / shares[class].bytes_ms + 1);
}

uint32_t http_inbox_wait_ms(const struct http_inbox *inbox)
{
	uint32_t least = HTTP_INBOX_EMPTY;

	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++)
		if (!TAILQ_EMPTY(&inbox->classes[i].waiting) && wait_ms_of(inbox, i) < least)
			least = wait_ms_of(inbox, i);
	return least;
}
