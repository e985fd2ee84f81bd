/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for the loop, and whose turn it is.
 *
 * Each class has its share of a turn; then the loop looks at its other descriptors
 * before the next turn.  A class is served in rounds, in each of which a caller has one
 * request: who asks on a hundred connections gets no more than who asks on one.
 *
 * Of answers to users only a few are in the library's hands at a time: one thread
 * encrypts and sends them all, and a peer's request must not stand behind sixty
 * long lists there.  A client that does not read its answer costs that thread
 * nothing, so it is not counted for longer than WINDOW_MS. */
#include "api/http_internal.h"

#include <string.h>

#define WINDOW_MS 20

static const struct {
	unsigned turn;   /* requests in one turn of the loop */
	unsigned window; /* answers that the library has not sent yet; 0: any number */
} shares[HTTP_CLASS_COUNT] = {
	[HTTP_CLASS_HANDOVER] = { 16, 0 }, [HTTP_CLASS_PEER] = { 4, 0 },
	[HTTP_CLASS_ADMIN] = { 8, 0 },     [HTTP_CLASS_OPERATOR] = { 4, 8 },
	[HTTP_CLASS_VIEWER] = { 2, 4 },
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
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++)
		TAILQ_INIT(&inbox->classes[i].waiting);
}

/* The round after that of its caller's last one.  As many can wait as a share has
 * connections (http_shares.h), since each has one request under way. */
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

static bool is_window_full(const struct http_inbox *inbox, unsigned class)
{
	return shares[class].window && inbox->classes[class].unsent >= shares[class].window;
}

void http_inbox_begin_turn(struct http_inbox *inbox)
{
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++)
		inbox->classes[i].taken = 0;
}

struct http_request *http_inbox_take(struct http_inbox *inbox)
{
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		struct http_request *req = TAILQ_FIRST(&inbox->classes[i].waiting);

		if (!req || inbox->classes[i].taken == shares[i].turn || is_window_full(inbox, i))
			continue;
		inbox->classes[i].taken++;
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

enum http_inbox_rest http_inbox_rest(const struct http_inbox *inbox)
{
	enum http_inbox_rest rest = HTTP_INBOX_EMPTY;

	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++) {
		if (TAILQ_EMPTY(&inbox->classes[i].waiting))
			continue;
		if (!is_window_full(inbox, i))
			return HTTP_INBOX_READY;
		rest = HTTP_INBOX_PACED;
	}
	return rest;
}

/* ---- the answers that are being sent -------------------------------------- */

uint32_t http_inbox_window_ms(void)
{
	return WINDOW_MS;
}

void http_inbox_open_windows(struct http_inbox *inbox)
{
	inbox->window++;
	for (unsigned i = 0; i < HTTP_CLASS_COUNT; i++)
		inbox->classes[i].unsent = 0;
}

uint64_t http_inbox_sending(struct http_inbox *inbox, enum http_class class)
{
	inbox->classes[class].unsent++;
	return inbox->window;
}

bool http_inbox_sent(struct http_inbox *inbox, enum http_class class, uint64_t window)
{
	bool was_full = is_window_full(inbox, class);

	if (window == inbox->window)
		inbox->classes[class].unsent--;
	return was_full && !TAILQ_EMPTY(&inbox->classes[class].waiting);
}
