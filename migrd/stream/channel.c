/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/peercred.h"
#include "stream/preamble.h"
#include "stream/pump.h"

#define CONNECT_TIMEOUT_MS   10000
#define HANDSHAKE_TIMEOUT_MS 10000
/* A connection that was lost before both sides were sure of each other is tried
 * again, more patiently each time. */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   2000
/* Each has a thread, for at most the handshake's time. */
#define ATTEMPTS_MAX 8

/* ---- state ----------------------------------------------------------- */

static void wake_control(struct channel *channel)
{
	channel->is_changed = true;
	(void)eventfd_write(channel->all->wake_fd, 1);
}

/* Reports are strict UTF-8, and a log line is a line. */
static void copy_printable(char *ret_text, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i]; i++)
		ret_text[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	ret_text[i] = '\0';
}

static void set_state(struct channel *channel, enum stream_channel_state state)
{
	log_info("stream", "channel", "move=%s channel=%s from=%s to=%s",
		 channel->all->config.move_id, channel->name, stream_state_name(channel->state),
		 stream_state_name(state));
	channel->state = state;
	wake_control(channel);
}

void channel_break(struct channel *channel, const char *fmt, ...)
{
	/* The rest in the buffers is of no use to anybody: a reset tells the
	 * other side at once. */
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&channel->lock);
	if (!atomic_load(&channel->is_broken)) {
		copy_printable(channel->error, sizeof(channel->error), text);
		atomic_store(&channel->is_broken, true);
		if (channel->net_fd >= 0) {
			(void)setsockopt(channel->net_fd, SOL_SOCKET, SO_LINGER, &reset,
					 sizeof(reset));
			(void)shutdown(channel->net_fd, SHUT_RDWR);
		}
		if (channel->qemu_fd >= 0)
			(void)shutdown(channel->qemu_fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&channel->lock);
	limiter_wake(&channel->all->limiter);
}

/* The descriptors are closed after nobody else can reach them. */
static void channel_end(struct channel *channel, struct link *link, int qemu_fd)
{
	pthread_mutex_lock(&channel->lock);
	channel->net_fd = -1;
	channel->qemu_fd = -1;
	pthread_mutex_unlock(&channel->lock);
	link_close(link);
	if (qemu_fd >= 0)
		close(qemu_fd);
	pthread_mutex_lock(&channel->lock);
	if (atomic_load(&channel->is_broken))
		log_warning("stream", "broken", "move=%s channel=%s reason=%s",
			    channel->all->config.move_id, channel->name, channel->error);
	set_state(channel,
		  atomic_load(&channel->is_broken) ? STREAM_CHANNEL_FAILED : STREAM_CHANNEL_CLOSED);
	pthread_mutex_unlock(&channel->lock);
}

static void channel_ready(struct channel *channel, const struct link *link)
{
	pthread_mutex_lock(&channel->lock);
	channel->error[0] = '\0';
	channel->net_fd = link->fd;
	/* It may have been changed while the handshake ran. */
	link_set_timeout(link->fd, atomic_load(&channel->all->link_timeout_ms));
	set_state(channel, STREAM_CHANNEL_READY);
	pthread_mutex_unlock(&channel->lock);
}

static void channel_open(struct channel *channel, int qemu_fd)
{
	pthread_mutex_lock(&channel->lock);
	channel->qemu_fd = qemu_fd;
	set_state(channel, STREAM_CHANNEL_OPEN);
	pthread_mutex_unlock(&channel->lock);
}

/* ---- source ---------------------------------------------------------- */

static bool src_prove(struct channel *channel, struct link *link, uint64_t deadline_ms,
		      struct err *err)
{
	char line[ID_TOKEN_SIZE + 1];
	char answer = '\0';
	int len;
	bool ok;

	pthread_mutex_lock(&channel->all->token_lock);
	len = snprintf(line, sizeof(line), "%s\n", channel->all->config.token);
	pthread_mutex_unlock(&channel->all->token_lock);
	ok = link_send(link, line, (size_t)len, deadline_ms, err) &&
	     link_recv(link, &answer, 1, deadline_ms, err);
	explicit_bzero(line, sizeof(line));
	if (!ok)
		return err_wrap(err, "the other host did not accept this move");
	if (answer != STREAM_TOKEN_OK)
		return err_set(err, ERR_FORBIDDEN, "the other host did not accept this move: %s",
			       answer == STREAM_TOKEN_REFUSED
				       ? "it knows the token as wrong or as used already"
				       : "it sent a wrong answer to the token");
	return true;
}

static void make_preamble(struct channel *channel, uint32_t attempt, struct stream_preamble *ret)
{
	const struct stream_config *config = &channel->all->config;
	char key[STREAM_PROOF_SIZE];

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->move_id, config->move_id, sizeof(ret->move_id));
	memcpy(ret->channel, channel->name, sizeof(ret->channel));
	ret->attempt = attempt;
	pthread_mutex_lock(&channel->all->token_lock);
	stream_preamble_key(config->token, key);
	pthread_mutex_unlock(&channel->all->token_lock);
	stream_preamble_prove(ret, key);
	explicit_bzero(key, sizeof(key));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* UNTIL_MS ends all attempts, this one too. */
static bool src_try(struct channel *channel, struct link *link, uint32_t attempt, uint64_t until_ms,
		    struct err *err)
{
	const struct stream_config *config = &channel->all->config;
	uint32_t timeout_ms = atomic_load(&channel->all->link_timeout_ms);
	struct stream_preamble preamble;
	uint64_t deadline_ms = earlier(until_ms, clock_monotonic_ms() + CONNECT_TIMEOUT_MS);

	if (!link_connect(link, config->data_address, timeout_ms, deadline_ms, err))
		return false;
	make_preamble(channel, attempt, &preamble);
	deadline_ms = earlier(until_ms, clock_monotonic_ms() + HANDSHAKE_TIMEOUT_MS);
	return link_send_preamble(link, &preamble, deadline_ms, err) &&
	       link_handshake(link, STREAM_SRC, channel->all->cred, config->peer_id, deadline_ms,
			      err) &&
	       src_prove(channel, link, deadline_ms, err);
}

static bool is_lost(const struct err *err)
{
	return err->code == ERR_PEER || err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
}

/* Whoever stands between may break a connection that is not authenticated yet; a
 * refusal by the right host is final. */
static bool src_connect(struct channel *channel, struct link *link, struct err *err)
{
	uint32_t all_ms = channel->all->config.connect_timeout_ms;
	uint64_t until_ms = clock_monotonic_ms() + (all_ms ? all_ms : CONNECT_TIMEOUT_MS);
	uint32_t pause_ms = RETRY_FIRST_MS;

	for (uint32_t attempt = 1;; attempt++) {
		if (src_try(channel, link, attempt, until_ms, err))
			return true;
		link_close(link);
		if (!is_lost(err) || clock_monotonic_ms() + pause_ms >= until_ms)
			return false;
		log_info("stream", "again", "move=%s channel=%s attempt=%u reason=%s",
			 channel->all->config.move_id, channel->name, (unsigned)attempt, err->msg);
		poll(NULL, 0, (int)pause_ms);
		pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
	}
}

/* While QEMU is awaited nothing may come: the destination's QEMU is not
 * connected before our first byte. */
static bool src_still_there(struct link *link, struct err *err)
{
	char byte;
	ssize_t rc;

	errno = 0;
	rc = gnutls_record_recv(link->session, &byte, 1);
	if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED)
		return true;
	return err_set(err, ERR_PEER, "the connection to the other host: %s",
		       rc > 0    ? "it sent data too early"
		       : rc == 0 ? "it was closed before the start"
				 : link_reason(link, (int)rc));
}

/* QEMU connects once; another program of another user is turned away. */
static int src_take_qemu(struct channel *channel)
{
	int fd = accept4(channel->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && !peercred_is_ours(fd)) {
		log_warning("stream", "stranger", "move=%s channel=%s socket=%s",
			    channel->all->config.move_id, channel->name, channel->socket_path);
		close(fd);
		return -1;
	}
	return fd;
}

static bool src_await_qemu(struct channel *channel, struct link *link, int *ret_fd, struct err *err)
{
	struct pollfd pfds[] = {
		{ .fd = channel->listen_fd, .events = POLLIN },
		{ .fd = link->fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(pfds, ARRAY_LEN(pfds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(err, "cannot wait for QEMU");
		}
		if (pfds[1].revents && !src_still_there(link, err))
			return false;
		if (!pfds[0].revents)
			continue;
		*ret_fd = src_take_qemu(channel);
		if (*ret_fd >= 0)
			return true;
	}
}

static void src_stop_listening(struct channel *channel)
{
	close(channel->listen_fd);
	channel->listen_fd = -1;
	(void)unlink(channel->socket_path);
}

static void *src_run(void *arg)
{
	struct channel *channel = arg;
	struct link link = LINK_INIT;
	struct err err = { .code = ERR_NONE };
	int qemu_fd = -1;
	bool ok = src_connect(channel, &link, &err);

	if (ok) {
		channel_ready(channel, &link);
		ok = src_await_qemu(channel, &link, &qemu_fd, &err);
	}
	src_stop_listening(channel);
	if (ok) {
		channel_open(channel, qemu_fd);
		pump_run(channel, &link, qemu_fd, NULL, 0);
	} else {
		channel_break(channel, "%s", err.msg);
	}
	channel_end(channel, &link, qemu_fd);
	return NULL;
}

/* ---- destination ----------------------------------------------------- */

struct attempt {
	TAILQ_ENTRY(attempt) entry;
	struct channel *channel;
	struct link link;
	bool is_listed; /* attempts_lock */
};

/* The newest wins over the silent: the oldest is cut off, which its thread sees at
 * once. */
static void attempt_add(struct channels *all, struct attempt *attempt)
{
	struct attempt *oldest;

	pthread_mutex_lock(&all->attempts_lock);
	if (all->attempt_count == ATTEMPTS_MAX) {
		oldest = TAILQ_FIRST(&all->attempts);
		(void)shutdown(oldest->link.fd, SHUT_RDWR);
		TAILQ_REMOVE(&all->attempts, oldest, entry);
		oldest->is_listed = false;
		all->attempt_count--;
	}
	TAILQ_INSERT_TAIL(&all->attempts, attempt, entry);
	attempt->is_listed = true;
	all->attempt_count++;
	pthread_mutex_unlock(&all->attempts_lock);
}

/* From here on nobody else touches its descriptor. */
static void attempt_remove(struct channels *all, struct attempt *attempt)
{
	pthread_mutex_lock(&all->attempts_lock);
	if (attempt->is_listed) {
		TAILQ_REMOVE(&all->attempts, attempt, entry);
		attempt->is_listed = false;
		all->attempt_count--;
	}
	pthread_mutex_unlock(&all->attempts_lock);
}

/* The token is good for each channel once, and forgotten with the last. */
static bool dst_claim(struct channel *channel, const char *token, struct err *err)
{
	struct channels *all = channel->all;
	bool is_first = false, is_right = false, is_last = true;

	pthread_mutex_lock(&all->token_lock);
	if (!channel->is_claimed) {
		is_first = true;
		is_right = id_token_equal(token, all->config.token);
		channel->is_claimed = is_right;
	}
	for (size_t i = 0; i < ARRAY_LEN(all->list); i++)
		is_last = is_last && all->list[i].is_claimed;
	if (is_last)
		explicit_bzero(all->config.token, sizeof(all->config.token));
	pthread_mutex_unlock(&all->token_lock);
	if (!is_first)
		return err_set(err, ERR_FORBIDDEN, "the channel is taken already");
	if (!is_right)
		return err_set(err, ERR_FORBIDDEN, "the other host sent a wrong token");
	return true;
}

static bool dst_prove(struct attempt *attempt, struct err *err)
{
	static const char answer = STREAM_TOKEN_OK, refusal = STREAM_TOKEN_REFUSED;
	struct channel *channel = attempt->channel;
	struct link *link = &attempt->link;
	uint64_t deadline_ms = clock_monotonic_ms() + HANDSHAKE_TIMEOUT_MS;
	char line[ID_TOKEN_SIZE];
	bool ok;

	if (!link_handshake(link, STREAM_DST, channel->all->cred, channel->all->config.peer_id,
			    deadline_ms, err) ||
	    !link_recv(link, line, sizeof(line), deadline_ms, err))
		return false;
	ok = line[sizeof(line) - 1] == '\n';
	line[sizeof(line) - 1] = '\0';
	ok = ok && id_token_is_valid(line);
	if (ok)
		ok = dst_claim(channel, line, err);
	else
		err_set(err, ERR_FORBIDDEN, "the other host sent no token");
	explicit_bzero(line, sizeof(line));
	if (!ok) {
		struct err ignored;

		(void)link_send(link, &refusal, 1, deadline_ms, &ignored);
		return false;
	}
	if (!link_send(link, &answer, 1, deadline_ms, err)) {
		/* It is claimed, so there will be no other. */
		channel_break(channel, "%s", err->msg);
		channel_end(channel, link, -1);
		return false;
	}
	return true;
}

/* The 1st, 2nd, 4th, 8th, ... of a channel: the other host may connect without end. */
static void log_refused(const struct channel *channel, const struct err *err)
{
	unsigned count = channel->refused;

	if ((count & (count - 1)) == 0)
		log_warning("stream", "refused", "move=%s channel=%s reason=%s count=%u",
			    channel->all->config.move_id, channel->name, err->msg, count);
}

/* The channel stays claimable; its status tells why this one was refused. */
static void dst_refused(struct channel *channel, const struct err *err)
{
	pthread_mutex_lock(&channel->lock);
	channel->refused++;
	log_refused(channel, err);
	if (channel->state == STREAM_CHANNEL_IDLE) {
		copy_printable(channel->error, sizeof(channel->error), err->msg);
		wake_control(channel);
	}
	pthread_mutex_unlock(&channel->lock);
}

/* QEMU gets to see the connection only now: one that never carries a byte must
 * not cost it its only chance to load. */
static bool dst_connect_qemu(struct channel *channel, int *ret_fd, struct err *err)
{
	if (!unix_connect(channel->socket_path, SOCK_STREAM, ret_fd, err))
		return err_wrap(err, "QEMU's socket");
	(void)fcntl(*ret_fd, F_SETFL, fcntl(*ret_fd, F_GETFL) & ~O_NONBLOCK);
	return true;
}

static void dst_carry(struct channel *channel, struct link *link)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
	char first[PUMP_RECORD_BYTES];
	struct err err = { .code = ERR_NONE };
	int qemu_fd = -1;
	ssize_t len;

	for (;;) {
		errno = 0;
		len = gnutls_record_recv(link->session, first, sizeof(first));
		if (len == GNUTLS_E_AGAIN)
			(void)poll(&pfd, 1, -1);
		else if (len != GNUTLS_E_INTERRUPTED)
			break;
	}
	if (len == 0) {
		channel_break(channel,
			      "the other host closed the connection before its first byte");
	} else if (len < 0) {
		channel_break(channel, "the connection to the other host: %s",
			      link_reason(link, (int)len));
	} else if (!dst_connect_qemu(channel, &qemu_fd, &err)) {
		channel_break(channel, "%s", err.msg);
	} else {
		channel_open(channel, qemu_fd);
		pump_run(channel, link, qemu_fd, first, (size_t)len);
	}
	channel_end(channel, link, qemu_fd);
}

static void *dst_run(void *arg)
{
	struct attempt *attempt = arg;
	struct channel *channel = attempt->channel;
	struct err err = { .code = ERR_NONE };
	bool ok = dst_prove(attempt, &err);

	attempt_remove(channel->all, attempt);
	if (ok) {
		channel_ready(channel, &attempt->link);
		dst_carry(channel, &attempt->link);
	} else {
		dst_refused(channel, &err);
		link_close(&attempt->link);
	}
	free(attempt);
	return NULL;
}

/* ---- all of them ----------------------------------------------------- */

static bool start_thread(void *(*fn)(void *), void *arg, const char *name, struct err *err)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, fn, arg);

	if (rc != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread: %s", strerror(rc));
	pthread_setname_np(thread, name);
	pthread_detach(thread);
	return true;
}

static void channel_init(struct channel *channel, struct channels *all, const char *name)
{
	channel->all = all;
	channel->listen_fd = -1;
	channel->net_fd = -1;
	channel->qemu_fd = -1;
	pthread_mutex_init(&channel->lock, NULL);
	snprintf(channel->name, sizeof(channel->name), "%s", name);
	snprintf(channel->socket_path, sizeof(channel->socket_path), "%s/%s.sock", all->config.dir,
		 name);
}

static bool src_start(struct channel *channel, struct err *err)
{
	if (!unix_listen(channel->socket_path, SOCK_STREAM, &channel->listen_fd, err))
		return false;
	if (start_thread(src_run, channel, channel->name, err))
		return true;
	src_stop_listening(channel);
	return false;
}

struct channels *channels_start(const struct stream_config *config, int wake_fd, struct err *err)
{
	struct channels *all = xnew(struct channels);

	all->config = *config;
	all->wake_fd = wake_fd;
	atomic_store(&all->link_timeout_ms, config->link_timeout_ms);
	pthread_mutex_init(&all->token_lock, NULL);
	pthread_mutex_init(&all->attempts_lock, NULL);
	TAILQ_INIT(&all->attempts);
	limiter_init(&all->limiter, config->bandwidth_bytes_per_s);
	channel_init(&all->list[0], all, "ram");
	if (tls_credentials(config->ca_file, config->cert_file, config->key_file, &all->cred,
			    err) &&
	    (config->side == STREAM_DST || src_start(&all->list[0], err)))
		return all;
	/* No thread runs yet. */
	if (all->cred)
		gnutls_certificate_free_credentials(all->cred);
	explicit_bzero(&all->config, sizeof(all->config));
	free(all);
	return NULL;
}

static struct channel *channel_find(struct channels *all, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(all->list); i++)
		if (strcmp(all->list[i].name, name) == 0)
			return &all->list[i];
	return NULL;
}

bool channels_accept(struct channels *all, const char *name, int fd, struct err *err)
{
	struct channel *channel = channel_find(all, name);
	struct attempt *attempt;

	if (!channel || all->config.side != STREAM_DST) {
		close(fd);
		return err_set(err, ERR_NOT_FOUND, "there is no channel '%s' to accept", name);
	}
	attempt = xnew(struct attempt);
	attempt->channel = channel;
	link_adopt(&attempt->link, fd, atomic_load(&all->link_timeout_ms));
	attempt_add(all, attempt);
	if (start_thread(dst_run, attempt, name, err))
		return true;
	attempt_remove(all, attempt);
	link_close(&attempt->link);
	free(attempt);
	return false;
}

void channels_set_bandwidth(struct channels *all, uint64_t bytes_per_s)
{
	limiter_set(&all->limiter, bytes_per_s);
}

void channels_set_lease(struct channels *all, uint32_t ms)
{
	limiter_lease(&all->limiter, ms == STREAM_LEASE_FOREVER ? LIMITER_FOREVER : ms);
}

void channels_end_lease(struct channels *all)
{
	if (limiter_is_on_lease(&all->limiter))
		limiter_lease(&all->limiter, 0);
}

void channels_set_link_timeout(struct channels *all, uint32_t timeout_ms)
{
	atomic_store(&all->link_timeout_ms, timeout_ms);
	for (size_t i = 0; i < ARRAY_LEN(all->list); i++) {
		pthread_mutex_lock(&all->list[i].lock);
		if (all->list[i].net_fd >= 0)
			link_set_timeout(all->list[i].net_fd, timeout_ms);
		pthread_mutex_unlock(&all->list[i].lock);
	}
}

bool channel_report(struct channel *channel, struct stream_report *ret)
{
	bool was_changed;

	memset(ret, 0, sizeof(*ret));
	ret->event = STREAM_EVENT_CHANNEL;
	memcpy(ret->channel, channel->name, sizeof(ret->channel));
	pthread_mutex_lock(&channel->lock);
	was_changed = channel->is_changed;
	channel->is_changed = false;
	ret->status.state = channel->state;
	memcpy(ret->status.error, channel->error, sizeof(ret->status.error));
	pthread_mutex_unlock(&channel->lock);
	ret->status.bytes_out = atomic_load(&channel->bytes_out);
	ret->status.bytes_in = atomic_load(&channel->bytes_in);
	return was_changed;
}

void channel_report_again(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->is_changed = true;
	pthread_mutex_unlock(&channel->lock);
}

enum stream_channel_state channel_state(struct channel *channel)
{
	enum stream_channel_state state;

	pthread_mutex_lock(&channel->lock);
	state = channel->state;
	pthread_mutex_unlock(&channel->lock);
	return state;
}
