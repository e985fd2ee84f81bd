/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/vnc_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"

/* ---- a UNIX socket ---------------------------------------------------- */

static bool make_place(const char *vm, struct vnc_listen *listen, struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	CLEANUP(free_charp)
	char *dir = xasprintf("%s/migrctl-XXXXXX", runtime && *runtime == '/' ? runtime : "/tmp");

	if (!mkdtemp(dir))
		return err_set(err, ERR_INTERNAL, "cannot make '%s': %s", dir, strerror(errno));
	listen->dir = TAKE_PTR(dir);
	listen->path = xasprintf("%s/%s", listen->dir, id_name_is_valid(vm) ? vm : "vnc");
	return true;
}

bool vnc_listen_unix(const char *path, const char *vm, struct vnc_listen *ret, struct err *err)
{
	*ret = (struct vnc_listen){ .fd = -1 };
	if (path && !unix_path_is_free(path, err))
		return false;
	if (path)
		ret->path = xstrdup(path);
	else if (!make_place(vm, ret, err))
		return false;
	if (!unix_listen(ret->path, SOCK_STREAM, &ret->fd, err)) {
		free(TAKE_PTR(ret->path)); /* it is not ours to remove */
		vnc_listen_fini(ret);
		return false;
	}
	ret->viewer = xstrdup(ret->path);
	return true;
}

/* ---- a port ----------------------------------------------------------- */

bool vnc_listen_port(uint16_t port, struct vnc_listen *ret, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	int yes = 1;

	*ret = (struct vnc_listen){ .fd = -1 };
	ret->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ret->fd < 0 || setsockopt(ret->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(ret->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(ret->fd, 1) < 0 || getsockname(ret->fd, (struct sockaddr *)&address, &len) < 0) {
		err_set(err, ERR_UNAVAILABLE, "cannot listen at port %u of 127.0.0.1: %s", port,
			strerror(errno));
		vnc_listen_fini(ret);
		return false;
	}
	/* Two colons: the number of a port, and not of a display. */
	ret->viewer = xasprintf("127.0.0.1::%u", ntohs(address.sin_port));
	return true;
}

#define IN_LIST_SIZE 33 /* 32 hexadecimal digits */

/* Where the kernel lists sockets, and how it writes an address there.  A viewer that speaks IPv6
 * only reaches this port by a mapped one (RFC 4291, 2.5.5.2). */
static const struct {
	const char *path, *prefix;
} lists[] = {
	{ "/proc/net/tcp", "" },
	{ "/proc/net/tcp6", "0000000000000000FFFF0000" },
};

static bool is_it(const char *address, unsigned port, const char *prefix,
		  const struct sockaddr_in *it)
{
	char text[IN_LIST_SIZE];

	snprintf(text, sizeof(text), "%s%08X", prefix, it->sin_addr.s_addr);
	return strcmp(address, text) == 0 && port == ntohs(it->sin_port);
}

/* The user who has the socket whose own address is THEIRS and whose other end is OURS; -1: nobody
 * that is known.  Of one that was closed the kernel tells the user 0, and no inode. */
static long user_in(size_t list, const struct sockaddr_in *theirs, const struct sockaddr_in *ours)
{
	FILE *file = fopen(lists[list].path, "re");
	char line[256], local[IN_LIST_SIZE], remote[IN_LIST_SIZE];
	unsigned local_port = 0, remote_port = 0;
	unsigned long inode = 0;
	long uid = -1, ret = -1;

	while (file && ret < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line,
			   "%*d: %32[0-9A-F]:%4X %32[0-9A-F]:%4X %*2X %*8X:%*8X %*2X:%*8X %*8X "
			   "%ld %*d %lu",
			   local, &local_port, remote, &remote_port, &uid, &inode) == 6 &&
		    inode != 0 && is_it(local, local_port, lists[list].prefix, theirs) &&
		    is_it(remote, remote_port, lists[list].prefix, ours))
			ret = uid;
	}
	if (file)
		fclose(file);
	return ret;
}

static long user_of(const struct sockaddr_in *theirs, const struct sockaddr_in *ours)
{
	long uid = user_in(0, theirs, ours);

	return uid >= 0 ? uid : user_in(1, theirs, ours);
}

static bool is_own(int fd, const char *who)
{
	struct sockaddr_in theirs = { 0 }, ours = { 0 };
	socklen_t theirs_len = sizeof(theirs), ours_len = sizeof(ours);
	long uid;

	if (getpeername(fd, (struct sockaddr *)&theirs, &theirs_len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ours, &ours_len) < 0)
		return false;
	uid = user_of(&theirs, &ours);
	if (uid == (long)geteuid())
		return true;
	if (uid < 0)
		fprintf(stderr, "A %s that has gone already was refused.\n", who);
	else
		fprintf(stderr,
			"A %s of another user (uid %ld) was refused: this migrctl runs as uid %ld. "
			" "
			"Start it as uid %ld, without sudo if that was used.\n",
			who, uid, (long)geteuid(), uid);
	return false;
}

uint16_t vnc_listen_port_of(const struct vnc_listen *listen)
{
	struct sockaddr_in address = { 0 };
	socklen_t len = sizeof(address);

	return getsockname(listen->fd, (struct sockaddr *)&address, &len) == 0
		       ? ntohs(address.sin_port)
		       : 0;
}

/* ---- both ------------------------------------------------------------- */

int vnc_listen_accept(const struct vnc_listen *listen, const char *who)
{
	int fd = accept4(listen->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && !listen->path && !is_own(fd, who)) {
		close(fd);
		return -1;
	}
	return fd;
}

void vnc_listen_fini(struct vnc_listen *listen)
{
	closep(&listen->fd);
	if (listen->path)
		unlink(listen->path);
	if (listen->dir)
		rmdir(listen->dir);
	free(listen->path);
	free(listen->dir);
	free(listen->viewer);
	*listen = (struct vnc_listen){ .fd = -1 };
}
