/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/shares.h"

#include <string.h>
#include <sys/socket.h>

#include "base/descriptors.h"
#include "base/mem.h"
#include "http/internal.h"

/* Administrators may all use one certificate.  A peer opens at most 8 connections
 * (peer/multi.c), beside some that are ending. */
const struct http_share_def http_shares[HTTP_SHARE_COUNT] = {
	[HTTP_SHARE_UNVERIFIED] = { "unverified", 128, 32, DESCRIPTORS_RESERVED },
	[HTTP_SHARE_VIEWER] = { "viewer", 256, 128, DESCRIPTORS_RESERVED },
	[HTTP_SHARE_OPERATOR] = { "operator", 128, 64, DESCRIPTORS_RESERVED },
	[HTTP_SHARE_ADMIN] = { "admin", 64, 64, DESCRIPTORS_RESERVED / 2 },
	[HTTP_SHARE_PEER] = { "peer", 512, 32, DESCRIPTORS_RESERVED / 4 },
	[HTTP_SHARE_LOCAL] = { "local", 64, 64, 0 },
};

struct http_party {
	TAILQ_ENTRY(http_party) link;
	unsigned count;
	char name[]; /* a network, or the name in a certificate */
};

unsigned http_shares_total(void)
{
	unsigned total = 0;

	for (size_t i = 0; i < HTTP_SHARE_COUNT; i++)
		total += http_shares[i].connections;
	return total;
}

void http_shares_init(struct http_shares *shares)
{
	for (size_t i = 0; i < HTTP_SHARE_COUNT; i++) {
		TAILQ_INIT(&shares->of[i].conns);
		TAILQ_INIT(&shares->of[i].parties);
	}
}

/* ---- parties ------------------------------------------------------------- */

static struct http_party *party_of(struct http_shares *shares, enum http_share share,
				   const char *name)
{
	struct http_party *party;

	TAILQ_FOREACH(party, &shares->of[share].parties, link)
	if (strcmp(party->name, name) == 0)
		return party;
	party = xcalloc(1, sizeof(*party) + strlen(name) + 1);
	memcpy(party->name, name, strlen(name) + 1);
	TAILQ_INSERT_TAIL(&shares->of[share].parties, party, link);
	return party;
}

static struct http_party *biggest(struct http_shares *shares, enum http_share share)
{
	struct http_party *party, *found = NULL;

	TAILQ_FOREACH(party, &shares->of[share].parties, link)
	if (!found || party->count > found->count)
		found = party;
	return found;
}

/* ---- giving way ------------------------------------------------------------ */

static bool is_silent(const struct http_conn *conn)
{
	return conn->share == HTTP_SHARE_UNVERIFIED || conn->is_idle;
}

static struct http_conn *oldest_silent(struct http_shares *shares, const struct http_conn *but,
				       enum http_share share, const struct http_party *party)
{
	struct http_conn *conn;

	TAILQ_FOREACH(conn, &shares->of[share].conns, share_link)
	if (conn != but && is_silent(conn) && conn->party == party)
		return conn;
	return NULL;
}

/* CONN stops to count at once; the library closes it when it sees its end.  False: CONN is NULL. */
static bool push_out(struct http_conn *conn)
{
	if (!conn)
		return false;
	(void)shutdown(conn->fd, SHUT_RDWR);
	http_share_leave(conn);
	return true;
}

/* True: there is room for CONN, which is counted already. */
static bool has_room(struct http_conn *conn)
{
	struct http_shares *shares = &conn->server->shares;
	const struct http_share_def *def = &http_shares[conn->share];

	if (conn->party->count > def->each_party)
		return push_out(oldest_silent(shares, conn, conn->share, conn->party));
	if (shares->of[conn->share].count > def->connections)
		return push_out(
			oldest_silent(shares, conn, conn->share, biggest(shares, conn->share)));
	return true;
}

/* When few descriptors are left, an unverified connection gives way.  A new connection may be a
 * peer's, so it is let in as far as a peer's would be. */
static bool has_descriptors(struct http_conn *conn)
{
	struct http_shares *shares = &conn->server->shares;
	unsigned left = descriptors_left(conn->fd);

	if (left >= http_shares[conn->share].leaves)
		return true;
	(void)push_out(oldest_silent(shares, conn, HTTP_SHARE_UNVERIFIED,
				     biggest(shares, HTTP_SHARE_UNVERIFIED)));
	return conn->share == HTTP_SHARE_UNVERIFIED && left >= http_shares[HTTP_SHARE_PEER].leaves;
}

/* ---- in and out ------------------------------------------------------------ */

bool http_share_enter(struct http_conn *conn, enum http_share share, const char *party)
{
	struct http_shares *shares = &conn->server->shares;

	http_share_leave(conn);
	conn->share = share;
	conn->party = party_of(shares, share, party);
	conn->party->count++;
	shares->of[share].count++;
	TAILQ_INSERT_TAIL(&shares->of[share].conns, conn, share_link);
	if (has_descriptors(conn) && has_room(conn))
		return true;
	http_share_leave(conn);
	return false;
}

void http_share_leave(struct http_conn *conn)
{
	struct http_shares *shares = &conn->server->shares;

	if (!conn->party)
		return;
	TAILQ_REMOVE(&shares->of[conn->share].conns, conn, share_link);
	shares->of[conn->share].count--;
	if (--conn->party->count == 0) {
		TAILQ_REMOVE(&shares->of[conn->share].parties, conn->party, link);
		free(conn->party);
	}
	conn->party = NULL;
}
