/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A probe inside migrd-stream.  What QEMU is to a move, a thread at the other end of a pair of UNIX
 * sockets is here, so that each byte goes the way of a move's. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/limiter.h"
#include "stream/link.h"
#include "stream/probe.h"
#include "stream/pump.h"
#include "stream/reach.h"

#define BUF_BYTES  ((size_t)256 * 1024)
#define CONNECT_MS 3000
/* So long nothing is answered: TCP has sent it again some times by then (RTO_MIN of the kernel is
 * 200 ms). */
#define ANSWER_MS 1500
/* Every host takes packets of 576 bytes (RFC 791). */
#define SMALL_SEGMENT 536
#define SMALL_BYTES   ((uint64_t)64 * 1024)
#define LINGER_MS     500
/* What is sent and has not left this host: more would only wait here. */
#define NOT_SENT_BYTES (128 * 1024)

struct run {
	const struct stream_probe_args *args;
	struct stream_config config;
	gnutls_certificate_credentials_t cred;
	struct limiter limiter;
	uint32_t attempt;
};

static void free_gaugep(struct gauge **gauge)
{
	free(*gauge);
}

/* ---- in the place of QEMU --------------------------------------------- */

static void *make_noise(void *arg)
{
	CLEANUP(free_charp) char *buf = xcalloc(1, BUF_BYTES);
	int fd = (int)(intptr_t)arg;
	uint32_t state = 1;

	for (size_t i = 0; i < BUF_BYTES; i++) { /* nothing on the way can make it smaller */
		state = state * 1664525 + 1013904223;
		buf[i] = (char)(state >> 24);
	}
	while (send(fd, buf, BUF_BYTES, MSG_NOSIGNAL) > 0)
		;
	close(fd);
	return NULL;
}

static void *swallow(void *arg)
{
	CLEANUP(free_charp) char *buf = xcalloc(1, BUF_BYTES);
	int fd = (int)(intptr_t)arg;

	while (recv(fd, buf, BUF_BYTES, 0) > 0)
		;
	close(fd);
	return NULL;
}

/* The thread ends when *RET_FD is closed. */
static bool start_thread(void *(*fn)(void *), int *ret_fd, struct err *err)
{
	pthread_t thread;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "cannot make a pair of sockets");
	rc = pthread_create(&thread, NULL, fn, (void *)(intptr_t)pair[1]);
	if (rc != 0) {
		close(pair[0]);
		close(pair[1]);
		return err_set(err, ERR_INTERNAL, "cannot start a thread: %s", strerror(rc));
	}
	pthread_detach(thread);
	*ret_fd = pair[0];
	return true;
}

/* ---- the source ------------------------------------------------------ */

/* Sends until the other side has said what came, or DEADLINE_MS.  1: it has; 0: go on. */
static int send_some(struct run *run, struct link *link, const char *buf, size_t len,
		     uint64_t deadline_ms, struct err *err)
{
	const atomic_bool never = false;

	for (size_t done = 0; done < len;) {
		size_t piece = len - done < PUMP_RECORD_BYTES ? len - done : PUMP_RECORD_BYTES;
		struct pollfd pfd = { .fd = link->fd, .events = POLLIN };

		if (poll(&pfd, 1, 0) > 0)
			return 1;
		piece = limiter_take(&run->limiter, piece, true, &never);
		if (!link_send(link, buf + done, piece, deadline_ms, err))
			return poll(&pfd, 1, 0) > 0 ? 1 : -1;
		done += piece;
	}
	return 0;
}

static bool send_all(struct run *run, struct link *link, uint64_t bytes, uint64_t deadline_ms,
		     struct err *err)
{
	CLEANUP(free_charp) char *buf = xcalloc(1, BUF_BYTES);
	CLEANUP(closep) int fd = -1;
	int state = 0;

	if (!start_thread(make_noise, &fd, err))
		return false;
	while (bytes > 0 && state == 0) {
		size_t want = bytes < BUF_BYTES ? (size_t)bytes : BUF_BYTES;
		ssize_t len = recv(fd, buf, want, 0);

		if (len <= 0)
			return err_errno(err, "the noise has ended");
		bytes -= (uint64_t)len;
		state = send_some(run, link, buf, (size_t)len, deadline_ms, err);
	}
	return state >= 0;
}

static bool prove(struct run *run, struct link *link, uint64_t deadline_ms, struct err *err)
{
	struct stream_preamble preamble = { .attempt = ++run->attempt };
	char key[STREAM_PROOF_SIZE], line[ID_TOKEN_SIZE + 1], answer = '\0';
	int len = snprintf(line, sizeof(line), "%s\n", run->config.token);
	bool ok;

	memcpy(preamble.move_id, run->config.move_id, sizeof(preamble.move_id));
	snprintf(preamble.channel, sizeof(preamble.channel), "%s", STREAM_PROBE_CHANNEL);
	stream_preamble_key(run->config.token, key);
	stream_preamble_prove(&preamble, key);
	explicit_bzero(key, sizeof(key));
	ok = link_send_preamble(link, &preamble, deadline_ms, err) &&
	     link_handshake(link, STREAM_SRC, run->cred, run->config.peer_id, deadline_ms, err) &&
	     link_send(link, line, (size_t)len, deadline_ms, err) &&
	     link_recv(link, &answer, 1, deadline_ms, err);
	explicit_bzero(line, sizeof(line));
	if (!ok)
		return false;
	return answer == STREAM_TOKEN_OK ||
	       err_set(err, ERR_FORBIDDEN, "host '%s' does not know the token",
		       run->config.peer_id);
}

static bool measure(struct run *run, struct link *link, uint64_t bytes, struct gauge_report *ret,
		    struct err *err)
{
	uint64_t deadline_ms = clock_monotonic_ms() + run->args->ms + ANSWER_MS;
	char line[GAUGE_LINE_SIZE];

	if (!send_all(run, link, bytes, deadline_ms, err) ||
	    !link_recv(link, line, sizeof(line), deadline_ms, err))
		return false;
	if (!gauge_report_parse(line, ret))
		return err_set(err, ERR_PEER, "host '%s' does not say what has come",
			       run->config.peer_id);
	return ret->bytes > 0 || err_set(err, ERR_TIMEOUT, "none of the data has come");
}

static enum stream_probe_end end_of(const struct err *err)
{
	return err->code == ERR_TIMEOUT ? STREAM_PROBE_STALLED : STREAM_PROBE_REFUSED;
}

/* One connection.  SEGMENT: as link->segment_bytes. */
static void try_once(struct run *run, int segment, uint64_t bytes, struct stream_probe_result *ret)
{
	struct link link = LINK_INIT;
	struct stream_reach reach;
	struct err err = { .code = ERR_NONE };

	*ret = (struct stream_probe_result){ .end = STREAM_PROBE_UNREACHED };
	link.segment_bytes = segment;
	if (link_connect(&link, run->config.data_address, CONNECT_MS,
			 clock_monotonic_ms() + CONNECT_MS, &err)) {
		const int lowat = NOT_SENT_BYTES;

		(void)setsockopt(link.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
		ret->end = STREAM_PROBE_DONE;
		reach = stream_reach_of(link.fd);
		ret->mtu_bytes = reach.mtu_bytes;
		ret->round_trip_us = reach.round_trip_us;
		if (!prove(run, &link, clock_monotonic_ms() + ANSWER_MS, &err) ||
		    !measure(run, &link, bytes, &ret->report, &err))
			ret->end = (int)end_of(&err);
		link_close(&link);
	}
	if (ret->end != STREAM_PROBE_DONE)
		snprintf(ret->error, sizeof(ret->error), "%.250s", err.msg);
}

/* Nothing was answered: do small packets pass, and large ones still not? */
static void try_small(struct run *run, struct stream_probe_result *result)
{
	struct stream_probe_result again;

	try_once(run, SMALL_SEGMENT, SMALL_BYTES, &again);
	if (again.end != STREAM_PROBE_DONE)
		return;
	try_once(run, 0, run->args->bytes, &again);
	if (again.end == STREAM_PROBE_STALLED)
		again.end = STREAM_PROBE_SMALL_ONLY;
	*result = again;
}

static bool send_result(int fd, const struct stream_probe_result *result, struct err *err)
{
	char msg[STREAM_MSG_MAX];
	size_t len;

	if (!stream_probe_result_print(result, msg, &len, err))
		return false;
	return send(fd, msg, len, MSG_NOSIGNAL) == (ssize_t)len ||
	       err_errno(err, "cannot tell the result of a probe");
}

static bool run_src(struct run *run, struct err *err)
{
	struct stream_probe_result result;

	try_once(run, 0, run->args->bytes, &result);
	if (result.end == STREAM_PROBE_STALLED)
		try_small(run, &result);
	return send_result(run->args->probe_fd, &result, err);
}

/* ---- the destination -------------------------------------------------- */

static bool hear_token(struct run *run, struct link *link, uint64_t deadline_ms, struct err *err)
{
	char line[ID_TOKEN_SIZE], answer = STREAM_TOKEN_OK;
	bool is_right;

	if (!link_recv(link, line, sizeof(line), deadline_ms, err))
		return false;
	is_right = line[sizeof(line) - 1] == '\n';
	line[sizeof(line) - 1] = '\0';
	is_right = is_right && id_token_is_valid(line) && id_token_equal(line, run->config.token);
	explicit_bzero(line, sizeof(line));
	if (!is_right)
		answer = STREAM_TOKEN_REFUSED;
	return link_send(link, &answer, 1, deadline_ms, err) &&
	       (is_right || err_set(err, ERR_FORBIDDEN, "a wrong token"));
}

/* False: the wait is over, or nothing more comes. */
static bool receive(struct link *link, char *buf, uint64_t deadline_ms, size_t *ret_len)
{
	for (;;) {
		struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
		uint64_t now_ms = clock_monotonic_ms();
		ssize_t len;

		if (now_ms >= deadline_ms) /* also of a sender that never pauses */
			return false;
		len = gnutls_record_recv(link->session, buf, PUMP_RECORD_BYTES);
		if (len > 0) {
			*ret_len = (size_t)len;
			return true;
		}
		if (len == 0 || gnutls_error_is_fatal((int)len))
			return false;
		(void)poll(&pfd, 1, (int)(deadline_ms - now_ms));
	}
}

/* Gathers records for the thread at the socket as a move's pump does for QEMU. */
static void count(const struct stream_probe_args *args, struct link *link, int fd,
		  struct gauge *gauge)
{
	CLEANUP(free_charp) char *buf = xcalloc(1, BUF_BYTES);
	uint64_t deadline_ms = clock_monotonic_ms() + ANSWER_MS;
	uint64_t bytes = 0;
	bool has_room = true;
	size_t held = 0, len;

	while (has_room && bytes < args->bytes && receive(link, buf + held, deadline_ms, &len)) {
		if (gauge->count == 0) /* from now on it counts */
			deadline_ms = clock_monotonic_ms() + args->ms;
		has_room = gauge_note(gauge, clock_monotonic_us(), len,
				      stream_received_bytes(link->fd));
		bytes += len;
		held += len;
		if (held + PUMP_RECORD_BYTES > BUF_BYTES) {
			(void)send(fd, buf, held, MSG_NOSIGNAL);
			held = 0;
		}
	}
}

static bool run_dst(struct run *run, struct err *err)
{
	CLEANUP(free_gaugep) struct gauge *gauge = xnew(struct gauge);
	uint64_t deadline_ms = clock_monotonic_ms() + ANSWER_MS;
	char line[GAUGE_LINE_SIZE], rest[PUMP_RECORD_BYTES];
	struct link link = LINK_INIT;
	struct gauge_report report;
	CLEANUP(closep) int fd = -1;
	size_t len;

	link_adopt(&link, run->args->link_fd, ANSWER_MS);
	if (!start_thread(swallow, &fd, err) ||
	    !link_handshake(&link, STREAM_DST, run->cred, run->config.peer_id, deadline_ms, err) ||
	    !hear_token(run, &link, deadline_ms, err))
		return false;
	count(run->args, &link, fd, gauge);
	gauge_judge(gauge, &report);
	gauge_report_print(&report, line);
	if (!link_send(&link, line, sizeof(line), clock_monotonic_ms() + ANSWER_MS, err))
		return false;
	/* What is still on its way is read, since a close would answer it with a reset, which may
	 * overtake the report. */
	deadline_ms = clock_monotonic_ms() + LINGER_MS;
	while (receive(&link, rest, deadline_ms, &len))
		;
	link_close(&link);
	return true;
}

/* ---- both ------------------------------------------------------------ */

static bool hear_config(int fd, struct stream_config *ret, struct err *err)
{
	struct stream_request req = { .cmd = STREAM_CMD_STATUS };
	char msg[STREAM_MSG_MAX];
	ssize_t len = recv(fd, msg, sizeof(msg), 0);
	bool ok = len > 0 ? stream_request_parse(msg, (size_t)len, &req, err)
			  : err_set(err, ERR_INVALID, "no probe is told");

	explicit_bzero(msg, sizeof(msg));
	if (ok && req.cmd != STREAM_CMD_CONFIGURE)
		ok = err_set(err, ERR_INVALID, "a probe begins with its configuration");
	if (ok)
		*ret = req.config;
	explicit_bzero(&req, sizeof(req));
	return ok;
}

bool stream_probe_run(const struct stream_probe_args *args, struct err *err)
{
	struct run run = { .args = args };

	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(STREAM_PROBE_DEADLINE_MS / 1000); /* whatever may happen */
	if (!hear_config(args->probe_fd, &run.config, err) ||
	    !tls_credentials(run.config.ca_file, run.config.cert_file, run.config.key_file,
			     &run.cred, err))
		return false;
	limiter_init(&run.limiter, run.config.bandwidth_bytes_per_s);
	return run.config.side == STREAM_SRC ? run_src(&run, err) : run_dst(&run, err);
}
