/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/internal.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/descriptors.h"
#include "base/net_prefix.h"
#include "check_main.h"

/* The descriptors are only numbers: none of them is open. */
#define LIMIT     4096
#define FD        1000
#define CONNS_MAX 1200

static struct http_server *server;
static struct http_conn *conns;
static size_t count;

static void set_up(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = LIMIT;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	server = calloc(1, sizeof(*server));
	conns = calloc(CONNS_MAX, sizeof(*conns));
	count = 0;
	http_shares_init(&server->shares);
}

static void tear_down(void)
{
	for (size_t i = 0; i < count; i++)
		http_share_leave(&conns[i]);
	for (size_t i = 0; i < HTTP_SHARE_COUNT; i++) {
		ck_assert_uint_eq(server->shares.of[i].count, 0);
		ck_assert(TAILQ_EMPTY(&server->shares.of[i].parties));
	}
	free(conns);
	free(server);
}

/* Opens the next connection; NULL: there was no room. */
static struct http_conn *come(enum http_share share, const char *party)
{
	struct http_conn *conn = &conns[count++];

	ck_assert_uint_le(count, CONNS_MAX);
	conn->server = server;
	conn->fd = FD;
	return http_share_enter(conn, share, party) ? conn : NULL;
}

static bool is_in(const struct http_conn *conn)
{
	return conn->party != NULL;
}

/* A network that has its whole part loses its own oldest connection to its next one. */
START_TEST(network_over_its_part_loses_its_oldest)
{
	const unsigned most = http_shares[HTTP_SHARE_UNVERIFIED].each_party;
	struct http_conn *other = come(HTTP_SHARE_UNVERIFIED, "192.0.2.0/24");
	struct http_conn *oldest = come(HTTP_SHARE_UNVERIFIED, "198.51.100.0/24");

	for (unsigned i = 1; i < most; i++)
		ck_assert(come(HTTP_SHARE_UNVERIFIED, "198.51.100.0/24"));
	ck_assert(is_in(oldest));
	ck_assert(come(HTTP_SHARE_UNVERIFIED, "198.51.100.0/24"));
	ck_assert(!is_in(oldest));
	ck_assert(is_in(other));
	ck_assert_uint_eq(server->shares.of[HTTP_SHARE_UNVERIFIED].count, 1 + most);
}
END_TEST

/* Networks that fill the share take nothing from one that has a single connection. */
START_TEST(share_is_full_the_biggest_network_gives_way)
{
	struct http_conn *lone = come(HTTP_SHARE_UNVERIFIED, "192.0.2.0/24");
	char network[NET_PREFIX_SIZE];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(network, sizeof(network), "198.51.%u.0/24", i % 20);
		ck_assert(come(HTTP_SHARE_UNVERIFIED, network));
	}
	ck_assert(is_in(lone));
	ck_assert_uint_eq(server->shares.of[HTTP_SHARE_UNVERIFIED].count,
			  http_shares[HTTP_SHARE_UNVERIFIED].connections);
	ck_assert(come(HTTP_SHARE_UNVERIFIED, "203.0.113.0/24"));
}
END_TEST

/* A connection may be closed between two requests, but not during one. */
START_TEST(viewer_with_busy_connections_gets_no_more)
{
	const unsigned most = http_shares[HTTP_SHARE_VIEWER].each_party;
	struct http_conn *middle = NULL;

	for (unsigned i = 0; i < most; i++) {
		struct http_conn *conn = come(HTTP_SHARE_VIEWER, "dashboard");

		ck_assert(conn);
		middle = i == most / 2 ? conn : middle;
	}
	ck_assert(!come(HTTP_SHARE_VIEWER, "dashboard"));
	ck_assert(come(HTTP_SHARE_VIEWER, "other"));
	ck_assert_ptr_nonnull(middle);
	middle->is_idle = true;
	ck_assert(come(HTTP_SHARE_VIEWER, "dashboard"));
	ck_assert(!is_in(middle));
}
END_TEST

/* Peers, administrators and the local socket find room, however many others connect. */
START_TEST(full_shares_take_nothing_from_others)
{
	char name[32];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%u", i % 50);
		(void)come(HTTP_SHARE_UNVERIFIED, name);
		(void)come(HTTP_SHARE_VIEWER, name);
	}
	ck_assert(come(HTTP_SHARE_ADMIN, "root"));
	ck_assert(come(HTTP_SHARE_PEER, "b"));
	ck_assert(come(HTTP_SHARE_LOCAL, "local"));
}
END_TEST

/* A connection that was verified counts for its role, and makes room for another one of its
 * network. */
START_TEST(verified_connection_leaves_the_unverified)
{
	struct http_conn *conn = come(HTTP_SHARE_UNVERIFIED, "192.0.2.0/24");

	ck_assert(http_share_enter(conn, HTTP_SHARE_OPERATOR, "ops"));
	ck_assert_uint_eq(server->shares.of[HTTP_SHARE_UNVERIFIED].count, 0);
	ck_assert_uint_eq(server->shares.of[HTTP_SHARE_OPERATOR].count, 1);
}
END_TEST

static struct http_conn *come_with(unsigned left, enum http_share share)
{
	struct http_conn *conn = &conns[count++];

	conn->server = server;
	conn->fd = (int)(LIMIT - 1 - left);
	return http_share_enter(conn, share, "party") ? conn : NULL;
}

/* The last descriptors are kept for the local socket, then peers, then administrators. */
START_TEST(few_descriptors_are_left_to_those_who_matter)
{
	const unsigned viewers = http_shares[HTTP_SHARE_VIEWER].leaves;
	const unsigned admins = http_shares[HTTP_SHARE_ADMIN].leaves;
	const unsigned peers = http_shares[HTTP_SHARE_PEER].leaves;

	ck_assert(come_with(viewers, HTTP_SHARE_VIEWER));
	ck_assert(!come_with(viewers - 1, HTTP_SHARE_VIEWER));
	ck_assert(!come_with(viewers - 1, HTTP_SHARE_OPERATOR));
	ck_assert(come_with(admins, HTTP_SHARE_ADMIN));
	ck_assert(!come_with(admins - 1, HTTP_SHARE_ADMIN));
	ck_assert(come_with(peers, HTTP_SHARE_PEER));
	ck_assert(!come_with(peers - 1, HTTP_SHARE_PEER));
	ck_assert(come_with(0, HTTP_SHARE_LOCAL));
	ck_assert(come_with(peers, HTTP_SHARE_UNVERIFIED)); /* it may turn out to be a peer's */
	ck_assert(!come_with(peers - 1, HTTP_SHARE_UNVERIFIED));
}
END_TEST

/* A new connection may be a peer's, so it takes the place of an older unverified one. */
START_TEST(few_descriptors_an_unverified_one_gives_way)
{
	struct http_conn *old = come_with(DESCRIPTORS_RESERVED, HTTP_SHARE_UNVERIFIED);

	ck_assert(come_with(DESCRIPTORS_RESERVED - 1, HTTP_SHARE_UNVERIFIED));
	ck_assert(!is_in(old));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_shares");
	TCase *tc = tcase_create("shares");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, network_over_its_part_loses_its_oldest);
	tcase_add_test(tc, share_is_full_the_biggest_network_gives_way);
	tcase_add_test(tc, viewer_with_busy_connections_gets_no_more);
	tcase_add_test(tc, full_shares_take_nothing_from_others);
	tcase_add_test(tc, verified_connection_leaves_the_unverified);
	tcase_add_test(tc, few_descriptors_are_left_to_those_who_matter);
	tcase_add_test(tc, few_descriptors_an_unverified_one_gives_way);
	suite_add_tcase(s, tc);
	return s;
}
