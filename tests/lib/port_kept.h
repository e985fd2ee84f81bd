/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/port_kept.h -- a port at which nobody listens, and which no other program gets. */
#ifndef MIGRD_TESTS_LIB_PORT_KEPT_H
#define MIGRD_TESTS_LIB_PORT_KEPT_H

#include <arpa/inet.h>
#include <check.h>
#include <sys/socket.h>

/* Returns a descriptor, which keeps the port NUMBER of 127.0.0.1 until it is closed: who connects
 * is refused, and who asks the kernel for any port gets another.  A listener with SO_REUSEADDR can
 * have it meanwhile (socket(7)). */
static inline int port_keep(uint16_t number)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(number),
					     .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

#endif
