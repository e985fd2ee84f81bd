/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The coordinator's side of a probe, and the packet of its result. */
#include "stream/probe.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"

/* ---- the result ------------------------------------------------------ */

static const char *const end_names[] = {
#define X(name, word) [STREAM_PROBE_##name] = (word),
	STREAM_PROBE_ENDS(X)
#undef X
		NULL,
};

#define OF(member) JSON_MEMBER(struct stream_probe_result, member)

static const struct json_field result_fields[] = {
	{ .key = "end", .type = JSON_ENUM, .required = true, .names = end_names, OF(end) },
	{ .key = "bytes", .type = JSON_UINT, OF(report.bytes) },
	{ .key = "us", .type = JSON_UINT, OF(report.us) },
	{ .key = "bytes_per_s", .type = JSON_UINT, OF(report.bytes_per_s) },
	{ .key = "is_growing", .type = JSON_BOOL, OF(report.is_growing) },
	{ .key = "mtu_bytes", .type = JSON_UINT, OF(mtu_bytes) },
	{ .key = "round_trip_us", .type = JSON_UINT, OF(round_trip_us) },
	{ .key = "error", .type = JSON_STRING, OF(error) },
	{ .key = NULL },
};

bool stream_probe_result_print(const struct stream_probe_result *result,
			       char ret_msg[STREAM_MSG_MAX], size_t *ret_len, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(result_fields, result);
	size_t len;
	const char *text = json_text(obj, &len);

	if (len >= STREAM_MSG_MAX)
		return err_set(err, ERR_TOO_LARGE, "a result of %zu bytes", len);
	memcpy(ret_msg, text, len + 1);
	*ret_len = len;
	return true;
}

static void faults_freep(struct faults **faults)
{
	faults_free(*faults);
}

bool stream_probe_result_parse(const void *msg, size_t len, struct stream_probe_result *ret,
			       struct err *err)
{
	static const struct json_limits limits = { .max_bytes = STREAM_MSG_MAX, .max_depth = 2 };
	CLEANUP(faults_freep) struct faults *faults = faults_new();
	CLEANUP(json_putp) struct json_object *obj = json_parse(msg, len, &limits, faults);
	struct stream_probe_result result = { 0 };

	if (!obj)
		return faults_to_err(faults, err);
	if (!json_decode_object(obj, result_fields, &result, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = result;
	return true;
}

/* ---- the process ----------------------------------------------------- */

static bool send_wish(int fd, const struct stream_probe_wish *wish, struct err *err)
{
	struct stream_request req = { .cmd = STREAM_CMD_CONFIGURE, .config = wish->config };
	char msg[STREAM_MSG_MAX];
	size_t len;
	bool ok = stream_request_print(&req, msg, &len, err);

	explicit_bzero(&req, sizeof(req));
	if (ok && send(fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		ok = err_errno(err, "migrd-stream takes no probe");
	explicit_bzero(msg, sizeof(msg));
	return ok;
}

/* LINK_FD -1: none.  *RET_FD is our end of the socket. */
static bool start(const struct stream_probe_wish *wish, int link_fd, int *ret_fd,
		  struct proc_id *ret_id, struct err *err)
{
	CLEANUP(closep) int ours = -1, theirs = -1;
	char probe[16], link[16], bytes[24], ms[24];
	const char *const argv[] = { wish->config.program,
				     "--probe-fd",
				     probe,
				     "--link-fd",
				     link,
				     "--bytes",
				     bytes,
				     "--ms",
				     ms,
				     NULL };
	int pair[2], keep[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "cannot make a pair of sockets");
	ours = pair[0];
	theirs = pair[1];
	keep[0] = theirs;
	keep[1] = link_fd;
	snprintf(probe, sizeof(probe), "%d", theirs);
	snprintf(link, sizeof(link), "%d", link_fd < 0 ? 0 : link_fd);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)wish->bytes);
	snprintf(ms, sizeof(ms), "%llu", (unsigned long long)wish->ms);
	const struct proc_args args = {
		.argv = argv,
		.keep_fds = keep,
		.keep_fd_count = link_fd < 0 ? 1 : 2,
	};
	if (!send_wish(ours, wish, err) || !proc_spawn(&args, ret_id, err))
		return false;
	*ret_fd = TAKE_FD(ours);
	return true;
}

static bool await_result(int fd, int stop_fd, struct stream_probe_result *ret, struct err *err)
{
	struct pollfd pfds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};
	char msg[STREAM_MSG_MAX];
	ssize_t len = -1;
	int ready = poll(pfds, ARRAY_LEN(pfds), STREAM_PROBE_DEADLINE_MS);

	if (ready > 0 && pfds[1].revents)
		return err_set(err, ERR_UNAVAILABLE, "migrd is stopping");
	if (ready > 0)
		len = recv(fd, msg, sizeof(msg), MSG_DONTWAIT);
	if (ready == 0)
		return err_set(err, ERR_TIMEOUT, "migrd-stream did not end a probe in %d ms",
			       STREAM_PROBE_DEADLINE_MS);
	if (len <= 0)
		return err_set(err, ERR_INTERNAL, "migrd-stream ended without a result");
	return stream_probe_result_parse(msg, (size_t)len, ret, err);
}

bool stream_probe_blocking(const struct stream_probe_wish *wish, int stop_fd,
			   struct stream_probe_result *ret, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct proc_id id;

	return start(wish, -1, &fd, &id, err) && await_result(fd, stop_fd, ret, err);
}

bool stream_probe_serve(const struct stream_probe_wish *wish, int link_fd, struct err *err)
{
	CLEANUP(closep) int taken = link_fd, fd = -1;
	struct proc_id id;

	return start(wish, taken, &fd, &id, err);
}
