/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source's side of a channel: connects to the other host, and accepts QEMU. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/carry.h"
#include "stream/channel_priv.h"
#include "stream/peercred.h"
#include "stream/pump.h"

#define CONNECT_TIMEOUT_MS 10000
/* Pauses between attempts, doubled each time: for a connection that was lost before
 * both sides were sure of each other, and for a channel that was lost. */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   2000
/* For a link that is made again: QEMU waits, and a packet that is dropped says nothing. */
#define AGAIN_TIMEOUT_MS 1500
#define AGAIN_MAX_MS     400

/* ---- to the other host ------------------------------------------------- */

static bool prove(struct channel *channel, struct link *link, uint64_t deadline_ms, struct err *err)
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

static void make_preamble(struct channel *channel, struct stream_preamble *ret)
{
	const struct stream_config *config = &channel->all->config;
	char key[STREAM_PROOF_SIZE];

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->move_id, config->move_id, sizeof(ret->move_id));
	memcpy(ret->channel, channel->row.name, sizeof(ret->channel));
	ret->attempt = atomic_fetch_add(&channel->all->attempt, 1) + 1;
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

/* UNTIL_MS is the deadline of all attempts together. */
static bool try_once(struct channel *channel, struct link *link, uint64_t until_ms, struct err *err)
{
	const struct stream_config *config = &channel->all->config;
	uint32_t timeout_ms = atomic_load(&channel->all->link_timeout_ms);
	struct stream_preamble preamble;
	uint64_t deadline_ms = earlier(until_ms, clock_monotonic_ms() + CONNECT_TIMEOUT_MS);

	if (!link_connect(link, config->data_address, timeout_ms, deadline_ms, err))
		return false;
	make_preamble(channel, &preamble);
	deadline_ms = earlier(until_ms, clock_monotonic_ms() + CHANNEL_HANDSHAKE_TIMEOUT_MS);
	return link_send_preamble(link, &preamble, deadline_ms, err) &&
	       link_handshake(link, STREAM_SRC, channel->all->cred, config->peer_id, deadline_ms,
			      err) &&
	       prove(channel, link, deadline_ms, err);
}

static bool is_lost(const struct err *err)
{
	return err->code == ERR_PEER || err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
}

static uint32_t longer(uint32_t pause_ms)
{
	return pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
}

/* Repeats attempts that were lost: somebody in between may break a connection that is
 * not authenticated yet.  A refusal by the right host is final, and so is the failure
 * of another connection of the channel. */
static bool connect_link(struct channel *channel, struct link *link, struct err *err)
{
	uint32_t all_ms = channel->all->config.connect_timeout_ms;
	uint64_t until_ms = clock_monotonic_ms() + (all_ms ? all_ms : CONNECT_TIMEOUT_MS);
	uint32_t pause_ms = RETRY_FIRST_MS;

	for (unsigned attempt = 1;; attempt++) {
		if (try_once(channel, link, until_ms, err))
			return true;
		link_close(link);
		if (!is_lost(err) || clock_monotonic_ms() + pause_ms >= until_ms ||
		    atomic_load(&channel->is_broken))
			return false;
		log_info("stream", "again", "move=%s channel=%s attempt=%u reason=%s",
			 channel->all->config.move_id, channel->row.name, attempt, err->msg);
		poll(NULL, 0, (int)pause_ms);
		pause_ms = longer(pause_ms);
	}
}

/* ---- QEMU ------------------------------------------------------------- */

/* While we wait for QEMU nothing may arrive: the destination's QEMU is not connected
 * before our first byte. */
static bool is_still_there(struct link *link, struct err *err)
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

/* -1: another connection has accepted QEMU, or the program that came is of another user
 * and was turned away.  Under the lock, so that the numbers are in the order in which QEMU
 * has connected. */
static int take_qemu(struct channel *channel, size_t *ret_number)
{
	int fd;

	pthread_mutex_lock(&channel->lock);
	fd = accept4(channel->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0 && !peercred_is_ours(fd)) {
		log_warning("stream", "stranger", "move=%s channel=%s socket=%s",
			    channel->all->config.move_id, channel->row.name, channel->socket_path);
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*ret_number = channel->numbered++;
	pthread_mutex_unlock(&channel->lock);
	return fd;
}

/* QEMU's connection, and its number. */
struct qemu_end {
	int fd;
	size_t number;
};

/* A channel that may reconnect connects again when QEMU has come. */
static bool await_qemu(struct channel *channel, struct link *link, struct qemu_end *ret,
		       struct err *err)
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
		if (pfds[1].revents && !is_still_there(link, err)) {
			if (!channel->row.may_reconnect)
				return false;
			pfds[1].fd = -1;
		}
		if (!pfds[0].revents)
			continue;
		ret->fd = take_qemu(channel, &ret->number);
		if (ret->fd >= 0)
			return true;
	}
}

/* Called when a connection has QEMU, or waits no more.  The last one closes the socket
 * at which QEMU connects. */
static void wait_no_more(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	if (--channel->waiting == 0) {
		close(channel->listen_fd);
		channel->listen_fd = -1;
		(void)unlink(channel->socket_path);
	}
	pthread_mutex_unlock(&channel->lock);
}

/* ---- a connection -------------------------------------------------------- */

static void give_up(struct channel *channel, const struct err *why)
{
	pthread_mutex_lock(&channel->lock);
	channel->is_given_up = true;
	pthread_mutex_unlock(&channel->lock);
	channel_break(channel, "%s", why->msg);
}

static bool tell_open(const struct channel *channel, struct link *link, size_t number,
		      struct err *err)
{
	const char word = (char)(STREAM_OPEN + number);

	return !channel_says_open(channel) ||
	       link_send(link, &word, 1, clock_monotonic_ms() + CHANNEL_HANDSHAKE_TIMEOUT_MS, err);
}

/* False: the channel is broken, or the other host has said that it will not have us, or only the
 * end is missing, and the other host is not there for it. */
static bool connect_again(struct connection *connection, struct link *link, struct carry *carry)
{
	struct channel *channel = connection->channel;
	uint32_t pause_ms = RETRY_FIRST_MS;
	struct err err;

	channel_lost(connection);
	link_close(link);
	if (carry_ends_by_ms(carry) != UINT64_MAX)
		poll(NULL, 0,
		     AGAIN_MAX_MS); /* an older migrd-stream is over, and does not say so */
	while (!atomic_load(&channel->is_broken)) {
		if (clock_monotonic_ms() >= carry_ends_by_ms(carry)) {
			carry_give_up(carry);
			return false;
		}
		if (try_once(channel, link, clock_monotonic_ms() + AGAIN_TIMEOUT_MS, &err)) {
			channel_relinked(connection, link);
			return true;
		}
		link_close(link);
		if (!is_lost(&err)) {
			channel_break(channel, "%s", err.msg);
			return false;
		}
		poll(NULL, 0, (int)pause_ms);
		pause_ms = pause_ms * 2 < AGAIN_MAX_MS ? pause_ms * 2 : AGAIN_MAX_MS;
	}
	return false;
}

static void carry_over_links(struct connection *connection, struct link *link,
			     const struct qemu_end *qemu)
{
	struct carry *carry = carry_new(connection, (uint8_t)qemu->number, qemu->fd);

	channel_open(connection, qemu->fd);
	while (!carry_run(carry, link, NULL) && connect_again(connection, link, carry))
		;
	carry_free(carry);
}

static void carry(struct connection *connection, struct link *link, const struct qemu_end *qemu)
{
	struct channel *channel = connection->channel;
	struct err err = { .code = ERR_NONE };

	if (channel->row.may_reconnect) {
		carry_over_links(connection, link, qemu);
		return;
	}
	channel_open(connection, qemu->fd);
	if (tell_open(channel, link, qemu->number, &err))
		pump_run(channel, link, qemu->fd, NULL, 0);
	else
		channel_break(channel, "%s", err.msg);
}

static void *run(void *arg)
{
	struct connection *connection = arg;
	struct channel *channel = connection->channel;
	struct link link = LINK_INIT;
	struct err err = { .code = ERR_NONE };
	struct qemu_end qemu = { .fd = -1 };
	bool ok = connect_link(channel, &link, &err);

	if (!ok) {
		give_up(channel, &err);
	} else {
		channel_ready(connection, &link);
		ok = await_qemu(channel, &link, &qemu, &err);
		if (!ok)
			channel_break(channel, "%s", err.msg);
	}
	wait_no_more(channel);
	if (ok)
		carry(connection, &link, &qemu);
	channel_end(connection, &link, qemu.fd);
	return NULL;
}

/* ---- all of them ------------------------------------------------------- */

bool channel_src_listen(struct channel *channel, struct err *err)
{
	return unix_listen(channel->socket_path, SOCK_STREAM, &channel->listen_fd, err);
}

void channel_src_start(struct channel *channel)
{
	struct link none = LINK_INIT;
	struct err err;

	pthread_mutex_lock(&channel->lock);
	channel->started = channel->waiting = channel->row.connections;
	pthread_mutex_unlock(&channel->lock);
	for (size_t i = 0; i < channel->row.connections; i++) {
		struct connection *connection = &channel->connections[i];

		if (channel_start_thread(run, connection, channel->row.name, &err))
			continue;
		give_up(channel, &err);
		wait_no_more(channel);
		channel_end(connection, &none, -1);
	}
}
