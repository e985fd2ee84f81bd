/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"

#define UNIX_PREFIX "unix:"
#define TCP_PREFIX  "tcp:"

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Splits "HOST:PORT" or "[HOST]:PORT" in place. */
static bool split_host_port(char *text, char **ret_host, char **ret_port)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return false;
	*colon = '\0';
	*ret_host = text;
	*ret_port = colon + 1;
	if (text[0] == '[') {
		if (colon - text < 3 || colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		*ret_host = text + 1;
	}
	return true;
}

static bool tcp_resolve(const char *text, struct addrinfo **ret_info, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	CLEANUP(free_charp) char *copy = xstrdup(text);
	char *host, *port;

	if (!split_host_port(copy, &host, &port) || getaddrinfo(host, port, &hints, ret_info) != 0)
		return err_set(err, ERR_INVALID,
			       "'tcp:%s' is not a numeric address and port (tcp:192.0.2.1:4444)",
			       text);
	return true;
}

static bool tcp_connect(const char *text, int *ret_fd, bool *ret_pending, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct addrinfo *info;
	int rc, error, on = 1;

	if (!tcp_resolve(text, &info, err))
		return false;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -1 : connect(fd, info->ai_addr, info->ai_addrlen);
	error = errno;
	freeaddrinfo(info);
	if (rc < 0 && error != EINPROGRESS)
		return err_set(err, ERR_UNAVAILABLE, "cannot connect to 'tcp:%s': %s", text,
			       strerror(error));
	/* A command is one small write whose reply we wait for. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*ret_fd = TAKE_FD(fd);
	*ret_pending = rc < 0;
	return true;
}

bool qmp_address_connect(const char *address, int *ret_fd, bool *ret_pending, struct err *err)
{
	if (has_prefix(address, TCP_PREFIX))
		return tcp_connect(address + strlen(TCP_PREFIX), ret_fd, ret_pending, err);
	if (!has_prefix(address, UNIX_PREFIX) || !address[strlen(UNIX_PREFIX)])
		return err_set(err, ERR_INVALID, "'%s' is neither unix:PATH nor tcp:HOST:PORT",
			       address);
	if (!unix_connect(address + strlen(UNIX_PREFIX), SOCK_STREAM, ret_fd, err))
		return false;
	*ret_pending = false;
	return true;
}

bool qmp_address_connected(int fd, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return err_errno(err, "getsockopt");
	if (error != 0)
		return err_set(err, ERR_UNAVAILABLE, "cannot connect: %s", strerror(error));
	return true;
}
