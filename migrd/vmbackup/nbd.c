/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmbackup/nbd.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "vmbackup/files.h"
#include "wire/nbd_uri.h"

#define GREETING        "NBDMAGICIHAVEOPT"
#define OPTION          "IHAVEOPT"
#define REPLY_MAGIC     UINT64_C(0x3e889045565a9)
#define FIXED_NEWSTYLE  1u /* of the server's flags, and of the client's */
#define OPT_ABORT       2u
#define OPT_INFO        6u
#define REP_ACK         1u
#define REP_INFO        3u
#define REP_ERROR       (1u << 31)
#define INFO_EXPORT     0u
#define IS_READ_ONLY    2u
#define REPLY_MAX_BYTES 4096 /* a longer one is not taken */
#define REPLIES_MAX     32

/* ---- the socket ---------------------------------------------------------------------- */

bool nbd_connect(const char *dirs, const char *text, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int dir = -1;
	char path[NBD_URI_SIZE], by_dir[64 + NBD_URI_SIZE];
	struct nbd_uri uri;
	struct stat st;
	const char *why;
	char *name;

	if (!nbd_uri_parse(text, &uri, &why))
		return err_set(err, ERR_INVALID, "'%s' is %s", text, why);
	memcpy(path, uri.socket, sizeof(path));
	name = strrchr(path, '/');
	*name++ = '\0';
	dir = open(path[0] ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, ERR_CONFLICT, "the directory of the socket '%s': %s",
			       uri.socket, strerror(errno));
	if (!vmbackup_files_check_inside(dirs, path, dir, err))
		return false;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "no NBD server listens at '%s' (%s): start it, or a proxy",
			       uri.socket, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT, "'%s' is no socket", uri.socket);
	/* What was looked at, whatever the path leads to now; and no limit of its length. */
	snprintf(by_dir, sizeof(by_dir), "/proc/self/fd/%d/%s", dir, name);
	if (unix_connect(by_dir, SOCK_STREAM, ret_fd, err))
		return true;
	return err_set(err, err->code, "no NBD server listens at '%s', or migrd may not connect",
		       uri.socket);
}

/* ---- bytes --------------------------------------------------------------------------- */

struct peer {
	int fd;
	uint64_t end_ms;
	const char *socket;
};

static bool wait_for(const struct peer *peer, short events, struct err *err)
{
	struct pollfd poll_fd = { .fd = peer->fd, .events = events };

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		int ready;

		if (now_ms >= peer->end_ms)
			return err_set(err, ERR_TIMEOUT,
				       "the NBD server at '%s' has not answered in %d s",
				       peer->socket, NBD_ANSWER_MS / 1000);
		ready = poll(&poll_fd, 1, (int)(peer->end_ms - now_ms));
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for '%s'", peer->socket);
	}
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static bool closed(const struct peer *peer, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "the NBD server at '%s' has closed the connection",
		       peer->socket);
}

static bool get(const struct peer *peer, void *data, size_t len, struct err *err)
{
	unsigned char *at = data;

	while (len > 0) {
		ssize_t n;

		if (!wait_for(peer, POLLIN, err))
			return false;
		n = recv(peer->fd, at, len, 0);
		if (n < 0 && is_passing(errno))
			continue;
		if (n <= 0)
			return closed(peer, err);
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool put(const struct peer *peer, const void *data, size_t len, struct err *err)
{
	const unsigned char *at = data;

	while (len > 0) {
		ssize_t n;

		if (!wait_for(peer, POLLOUT, err))
			return false;
		n = send(peer->fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && is_passing(errno))
			continue;
		if (n < 0)
			return closed(peer, err);
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static uint16_t be16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t be32(const unsigned char *at)
{
	return (uint32_t)be16(at) << 16 | be16(at + 2);
}

static uint64_t be64(const unsigned char *at)
{
	return (uint64_t)be32(at) << 32 | be32(at + 4);
}

static void put_be32(unsigned char *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

/* ---- the handshake ------------------------------------------------------------------------ */

static bool refuse(const struct peer *peer, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		       "'%s' is no NBD server that knows the fixed newstyle negotiation",
		       peer->socket);
}

static bool greet(const struct peer *peer, struct err *err)
{
	unsigned char greeting[sizeof(GREETING) - 1], flags[2], answer[4];

	if (!get(peer, greeting, sizeof(greeting), err))
		return false;
	/* Nothing is said to what is no NBD server. */
	if (memcmp(greeting, GREETING, sizeof(greeting)) != 0)
		return refuse(peer, err);
	if (!get(peer, flags, sizeof(flags), err))
		return false;
	if (!(be16(flags) & FIXED_NEWSTYLE))
		return refuse(peer, err);
	put_be32(answer, FIXED_NEWSTYLE);
	return put(peer, answer, sizeof(answer), err);
}

static bool put_option(const struct peer *peer, uint32_t option, const void *data, size_t len,
		       struct err *err)
{
	unsigned char head[16];

	memcpy(head, OPTION, 8);
	put_be32(head + 8, option);
	put_be32(head + 12, (uint32_t)len);
	return put(peer, head, sizeof(head), err) && put(peer, data, len, err);
}

static bool ask_info(const struct peer *peer, const char *export, struct err *err)
{
	unsigned char data[4 + NBD_EXPORT_SIZE + 2] = { 0 }; /* no kind of information is named */
	size_t len = strlen(export);

	put_be32(data, (uint32_t)len);
	memcpy(data + 4, export, len);
	return put_option(peer, OPT_INFO, data, 4 + len + 2, err);
}

/* *RET_TYPE and what comes with it, of LEN bytes and their end. */
static bool get_reply(const struct peer *peer, uint32_t *ret_type,
		      unsigned char data[REPLY_MAX_BYTES + 1], size_t *ret_len, struct err *err)
{
	unsigned char head[20];

	if (!get(peer, head, sizeof(head), err))
		return false;
	*ret_type = be32(head + 12);
	*ret_len = be32(head + 16);
	if (be64(head) != REPLY_MAGIC || be32(head + 8) != OPT_INFO || *ret_len > REPLY_MAX_BYTES)
		return refuse(peer, err);
	data[*ret_len] = '\0';
	return get(peer, data, *ret_len, err);
}

struct seen {
	bool is_told, is_read_only;
	uint64_t bytes;
};

static bool read_info(const struct peer *peer, const char *export, struct seen *seen,
		      struct err *err)
{
	unsigned char data[REPLY_MAX_BYTES + 1];
	uint32_t type;
	size_t len;

	for (unsigned i = 0; i < REPLIES_MAX; i++) {
		if (!get_reply(peer, &type, data, &len, err))
			return false;
		if (type & REP_ERROR)
			return err_set(err, ERR_CONFLICT,
				       "the NBD server at '%s' does not give the export '%s' "
				       "(error %" PRIu32 "): %s",
				       peer->socket, export, type & ~REP_ERROR,
				       len ? (char *)data : "it does not say why");
		if (type == REP_ACK)
			return seen->is_told || refuse(peer, err);
		if (type == REP_INFO && len >= 12 && be16(data) == INFO_EXPORT) {
			seen->is_told = true;
			seen->bytes = be64(data + 2);
			seen->is_read_only = be16(data + 10) & IS_READ_ONLY;
		}
	}
	return refuse(peer, err);
}

bool nbd_size_blocking(const char *dirs, const char *text, uint64_t end_ms, uint64_t *ret_bytes,
		       struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct seen seen = { 0 };
	struct err ignored;
	struct nbd_uri uri;
	struct peer peer;
	const char *why;

	if (!nbd_connect(dirs, text, &fd, err))
		return false;
	(void)nbd_uri_parse(text, &uri, &why);
	peer = (struct peer){ .fd = fd, .end_ms = end_ms, .socket = uri.socket };
	if (!greet(&peer, err) || !ask_info(&peer, uri.export, err) ||
	    !read_info(&peer, uri.export, &seen, err))
		return false;
	(void)put_option(&peer, OPT_ABORT, "", 0, &ignored);
	if (seen.is_read_only)
		return err_set(err, ERR_CONFLICT, "the export '%s' at '%s' is read-only",
			       uri.export, uri.socket);
	*ret_bytes = seen.bytes;
	return true;
}
