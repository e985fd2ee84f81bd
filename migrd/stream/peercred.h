/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/peercred.h -- who is at the other end of a UNIX socket. */
#ifndef MIGRD_STREAM_PEERCRED_H
#define MIGRD_STREAM_PEERCRED_H

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* True: the process at the other end runs as our own user or as root (unix(7),
 * SO_PEERCRED). */
static inline bool peercred_is_ours(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 &&
	       (cred.uid == geteuid() || cred.uid == 0);
}

#endif
