/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"
#include "base/net_prefix.h"
#include "check_main.h"

static const struct {
	const char *text, *name, *prefix;
} rows[] = {
	{ "192.0.2.7", "192.0.2.7", "192.0.2.0/24" },
	{ "127.0.1.1", "127.0.1.1", "127.0.1.0/24" },
	{ "::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24" },
	{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
	{ "::1", "::1", "::/64" },
};

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage ret = { .ss_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(&ret, &in, sizeof(in));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(&ret, &in6, sizeof(in6));
	return ret;
}

/* The owner of a network has all its addresses, and must count as one client. */
START_TEST(address_counts_for_its_network)
{
	struct sockaddr_storage address = address_of(rows[_i].text);
	char name[NET_ADDRESS_SIZE], prefix[NET_PREFIX_SIZE];

	net_address_name(&address, name);
	net_prefix_name(&address, prefix);
	ck_assert_str_eq(name, rows[_i].name);
	ck_assert_str_eq(prefix, rows[_i].prefix);
}
END_TEST

START_TEST(what_is_no_ip_address_is_local)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	char name[NET_ADDRESS_SIZE], prefix[NET_PREFIX_SIZE];

	net_address_name(&address, name);
	net_prefix_name(&address, prefix);
	ck_assert_str_eq(name, "local");
	ck_assert_str_eq(prefix, "local");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("net_prefix");
	TCase *tc = tcase_create("names");

	tcase_add_loop_test(tc, address_counts_for_its_network, 0, (int)ARRAY_LEN(rows));
	tcase_add_test(tc, what_is_no_ip_address_is_local);
	suite_add_tcase(s, tc);
	return s;
}
