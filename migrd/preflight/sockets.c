/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Are the UNIX sockets there that the guest's QEMU connects to: of its serial port, or of programs
 * that serve its devices?  They are not connected to: a program that serves one caller would take
 * us for it, and end with us. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "preflight/checks.h"

#define LIST_BYTES_MAX (8u << 20)

/* Of the network namespace of this process: one that listens in another is not in it. */
static bool is_listed(const char *list, const char *path)
{
	CLEANUP(free_charp) char *end = xasprintf(" %s\n", path);

	return list && strstr(list, end);
}

void sockets_look_blocking(struct preflight *preflight)
{
	CLEANUP(free_charp) char *list = NULL;
	struct err ignored;
	size_t len;

	if (!preflight->needs->socket_count)
		return;
	if (!file_read("/proc/net/unix", LIST_BYTES_MAX, &list, &len, &ignored))
		list = NULL;
	for (size_t i = 0; i < preflight->needs->socket_count; i++) {
		const char *path = preflight->needs->sockets[i].path;
		struct stat st;
		bool is_there = stat(path, &st) == 0 && S_ISSOCK(st.st_mode);

		preflight->sockets[i] = !is_there               ? PREFLIGHT_SOCKET_NONE
					: is_listed(list, path) ? PREFLIGHT_SOCKET_SERVED
								: PREFLIGHT_SOCKET_MAYBE_SERVED;
	}
}

void sockets_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->socket_count; i++) {
		const struct need_socket *need = &preflight->needs->sockets[i];
		enum preflight_socket found = preflight->sockets[i];

		if (found == PREFLIGHT_SOCKET_NONE && !need->may_come_later)
			preflight_add(ret, "sockets",
				      "%s: the socket '%s' is not there on this host, and QEMU "
				      "does "
				      "not start without: start the program that serves it",
				      need->what, need->path);
		else if (found != PREFLIGHT_SOCKET_SERVED)
			preflight_warn(ret, "sockets",
				       "%s: nobody is seen to serve the socket '%s' on this host: "
				       "start the program that does, or what the guest says there "
				       "is "
				       "lost",
				       need->what, need->path);
	}
}
