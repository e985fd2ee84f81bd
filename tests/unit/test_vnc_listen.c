/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may join at a port of 127.0.0.1. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/migrctl/vnc_listen.h"
#include "tests/lib/check_main.h"

static struct vnc_listen listener;

static void set_up(void)
{
	struct err err;

	ck_assert_msg(vnc_listen_port(0, &listener, &err), "%s", err.msg);
}

static void tear_down(void)
{
	vnc_listen_fini(&listener);
}

static int join(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)strtoul(strrchr(listener.viewer, ':') + 1, NULL, 10));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	return fd;
}

START_TEST(own_viewer_joins)
{
	int viewer = join(), fd = vnc_listen_accept(&listener, "viewer");

	ck_assert_int_ge(fd, 0);
	close(fd);
	close(viewer);
}
END_TEST

/* It has an IPv6 socket only, as a Java program may, and the kernel lists it as one. */
static int join_mapped(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr), 1);
	address.sin6_port = htons((uint16_t)strtoul(strrchr(listener.viewer, ':') + 1, NULL, 10));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	return fd;
}

START_TEST(own_viewer_with_a_mapped_address_joins)
{
	int viewer = join_mapped(), fd;

	if (viewer < 0) {
		ck_assert_int_eq(errno,
				 EAFNOSUPPORT); /* a kernel without IPv6 has no such viewer */
		return;
	}
	fd = vnc_listen_accept(&listener, "viewer");
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(viewer);
}
END_TEST

START_TEST(viewer_with_a_mapped_address_that_has_gone_is_nobody)
{
	int viewer = join_mapped();

	if (viewer < 0)
		return;
	close(viewer);
	ck_assert_int_eq(vnc_listen_accept(&listener, "viewer"), -1);
}
END_TEST

/* The kernel tells of it that it is root's, whoever had it; what it has said can still be read. */
START_TEST(viewer_that_has_gone_is_nobody)
{
	close(join());
	ck_assert_int_eq(vnc_listen_accept(&listener, "viewer"), -1);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("vnc_listen");
	TCase *tcase = tcase_create("vnc_listen");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, own_viewer_joins);
	tcase_add_test(tcase, own_viewer_with_a_mapped_address_joins);
	tcase_add_test(tcase, viewer_with_a_mapped_address_that_has_gone_is_nobody);
	tcase_add_test(tcase, viewer_that_has_gone_is_nobody);
	suite_add_tcase(suite, tcase);
	return suite;
}
