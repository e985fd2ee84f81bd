/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination's side of a channel: connections come, prove themselves, and go to QEMU. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/carry.h"
#include "stream/channel_priv.h"
#include "stream/pump.h"

#define NS_PER_MS UINT64_C(1000000)

/* ---- not proved yet ------------------------------------------------------ */

struct attempt {
	TAILQ_ENTRY(attempt) entry;
	struct channel *channel;
	struct link link;
	bool is_listed; /* attempts_lock */
	uint64_t turn;  /* of channel->accepted */
	struct connection *connection; /* NULL: it is to take the place of a lost link */
	bool has_hello;                /* HELLO has come */
	struct carry_hello hello;
};

/* A new attempt displaces the oldest if there are too many: that one is shut down,
 * which its thread sees at once. */
static void attempt_add(struct channels *all, struct attempt *attempt)
{
	struct attempt *oldest;

	pthread_mutex_lock(&all->attempts_lock);
	if (all->attempt_count == all->attempt_max) {
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

/* Takes ATTEMPT off the list: from here on no other thread touches its descriptor. */
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

/* ---- the token ----------------------------------------------------------- */

/* The token is good once for each connection, and is wiped with the last one; that of a
 * channel that may reconnect is kept. */
static void count_claim(struct channel *channel)
{
	struct channels *all = channel->all;

	if (channel->row.may_reconnect)
		return;
	pthread_mutex_lock(&all->token_lock);
	if (--all->unclaimed == 0)
		explicit_bzero(all->config.token, sizeof(all->config.token));
	pthread_mutex_unlock(&all->token_lock);
}

/* For the link that came in this TURN.  NULL: the channel has all its connections, or is broken. */
static struct connection *take_connection(struct channel *channel, uint64_t turn)
{
	struct connection *connection = NULL;

	pthread_mutex_lock(&channel->lock);
	if (channel->started < channel->row.connections && !atomic_load(&channel->is_broken))
		connection = &channel->connections[channel->started++];
	if (connection)
		connection->turn = turn;
	pthread_mutex_unlock(&channel->lock);
	return connection;
}

static bool is_right_token(struct channels *all, const char *token)
{
	bool is_right;

	pthread_mutex_lock(&all->token_lock);
	is_right = id_token_equal(token, all->config.token);
	pthread_mutex_unlock(&all->token_lock);
	return is_right;
}

static bool is_taken(struct channel *channel)
{
	bool all_are_there;

	pthread_mutex_lock(&channel->lock);
	all_are_there = channel->started == channel->row.connections;
	pthread_mutex_unlock(&channel->lock);
	return all_are_there && !channel->row.may_reconnect;
}

/* A source that shows the right token when all connections are there makes a lost one again. */
static bool claim(struct attempt *attempt, const char *token, struct err *err)
{
	struct channel *channel = attempt->channel;

	if (is_taken(channel))
		return err_set(err, ERR_FORBIDDEN, "the channel is taken already");
	if (!is_right_token(channel->all, token))
		return err_set(err, ERR_FORBIDDEN, "the other host sent a wrong token");
	attempt->connection = take_connection(channel, attempt->turn);
	if (attempt->connection)
		count_claim(channel);
	else if (!channel->row.may_reconnect || atomic_load(&channel->is_broken))
		return err_set(err, ERR_FORBIDDEN, "the channel is taken already");
	return true;
}

static bool hear_token(struct attempt *attempt, uint64_t deadline_ms, struct err *err)
{
	char line[ID_TOKEN_SIZE];
	bool ok;

	if (!link_recv(&attempt->link, line, sizeof(line), deadline_ms, err))
		return false;
	ok = line[sizeof(line) - 1] == '\n';
	line[sizeof(line) - 1] = '\0';
	ok = ok && id_token_is_valid(line)
		     ? claim(attempt, line, err)
		     : err_set(err, ERR_FORBIDDEN, "the other host sent no token");
	explicit_bzero(line, sizeof(line));
	return ok;
}

/* False: the other side is not the source of this move, or the connection broke. */
static bool prove(struct attempt *attempt, uint64_t deadline_ms, struct err *err)
{
	static const char refusal = STREAM_TOKEN_REFUSED;
	const struct channels *all = attempt->channel->all;
	struct err ignored;

	if (!link_handshake(&attempt->link, STREAM_DST, all->cred, all->config.peer_id, deadline_ms,
			    err))
		return false;
	if (hear_token(attempt, deadline_ms, err))
		return true;
	if (err->code == ERR_FORBIDDEN)
		(void)link_send(&attempt->link, &refusal, 1, deadline_ms, &ignored);
	return false;
}

/* Logs the 1st, 2nd, 4th, 8th, ... refusal of a channel: the other host may connect
 * without end. */
static void log_refused(const struct channel *channel, const struct err *err)
{
	unsigned count = channel->refused;

	if ((count & (count - 1)) == 0)
		log_warning("stream", "refused", "move=%s channel=%s reason=%s count=%u",
			    channel->all->config.move_id, channel->row.name, err->msg, count);
}

/* The channel can still be claimed; its status tells why this connection was refused. */
static void note_refused(struct channel *channel, const struct err *err)
{
	pthread_mutex_lock(&channel->lock);
	channel->refused++;
	log_refused(channel, err);
	if (channel->state == STREAM_CHANNEL_IDLE) {
		channel_set_error(channel, err->msg);
		channel_wake_control(channel);
	}
	pthread_mutex_unlock(&channel->lock);
}

/* ---- QEMU ------------------------------------------------------------- */

/* QEMU is connected only at the first byte: its only chance to load must not go to a
 * connection that never carries one. */
static bool connect_qemu(struct channel *channel, int *ret_fd, struct err *err)
{
	if (!unix_connect(channel->socket_path, SOCK_STREAM, ret_fd, err))
		return err_wrap(err, "QEMU's socket");
	(void)fcntl(*ret_fd, F_SETFL, fcntl(*ret_fd, F_GETFL) & ~O_NONBLOCK);
	return true;
}

static ssize_t recv_first(struct link *link, char *ret, size_t size)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
	ssize_t len;

	for (;;) {
		errno = 0;
		len = gnutls_record_recv(link->session, ret, size);
		if (len == GNUTLS_E_AGAIN)
			(void)poll(&pfd, 1, -1);
		else if (len != GNUTLS_E_INTERRUPTED)
			return len;
	}
}

/* Takes the byte STREAM_OPEN from the front, which is not for QEMU, and its number. */
static bool take_word(const struct channel *channel, const char **first, ssize_t *len,
		      size_t *ret_number)
{
	*ret_number = 0;
	if (!channel_says_open(channel))
		return true;
	*ret_number = (unsigned char)**first - (size_t)STREAM_OPEN;
	if (*ret_number >= channel->row.connections)
		return false;
	(*first)++;
	(*len)--;
	return true;
}

/* Waits until the connections with lower numbers are connected. */
static bool connect_in_turn(struct channel *channel, size_t number, int *ret_fd, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&channel->lock);
	while (channel->numbered < number && !atomic_load(&channel->is_broken))
		pthread_cond_wait(&channel->is_next, &channel->lock);
	if (atomic_load(&channel->is_broken))
		ok = err_set(err, ERR_PEER, "the channel is broken");
	else if (channel->numbered == number)
		ok = connect_qemu(channel, ret_fd, err);
	else
		ok = err_set(err, ERR_PEER, "two connections have number %zu", number);
	channel->numbered += ok;
	pthread_cond_broadcast(&channel->is_next);
	pthread_mutex_unlock(&channel->lock);
	return ok;
}

static void carry(struct connection *connection, struct link *link)
{
	struct channel *channel = connection->channel;
	char record[PUMP_RECORD_BYTES];
	const char *first = record;
	struct err err = { .code = ERR_NONE };
	int qemu_fd = -1;
	size_t number;
	ssize_t len = recv_first(link, record, sizeof(record));

	if (len == 0) {
		channel_break(channel,
			      "the other host closed the connection before its first byte");
	} else if (len < 0) {
		channel_break(channel, "the connection to the other host: %s",
			      link_reason(link, (int)len));
	} else if (!take_word(channel, &first, &len, &number)) {
		channel_break(channel, "the other host sent something else than that its QEMU has "
				       "connected");
	} else if (!connect_in_turn(channel, number, &qemu_fd, &err)) {
		channel_break(channel, "%s", err.msg);
	} else {
		channel_open(connection, qemu_fd);
		pump_run(channel, link, qemu_fd, first, (size_t)len);
	}
	channel_end(connection, link, qemu_fd);
}

/* ---- one link after another ------------------------------------------------ */

static void attempt_free(struct attempt *attempt)
{
	link_close(&attempt->link);
	free(attempt);
}

/* Call with the lock held: the connection whose link the source has made again, with the hello
 * of NUMBER: that with the number, or one without that has lost its link before QEMU came.  NULL:
 * there is none yet, or it has ended here; the source tries again. */
static struct connection *find_numbered(struct channel *channel, uint8_t number)
{
	struct connection *free_one = NULL;

	for (size_t i = 0; i < channel->row.connections; i++) {
		struct connection *connection = &channel->connections[i];

		if (connection->is_numbered && connection->number == number)
			return connection->is_over ? NULL : connection;
		if (!connection->is_numbered && !connection->next && connection->is_lost &&
		    !connection->is_over)
			free_one = connection;
	}
	return free_one;
}

/* For a source that has lost the last link before it heard that this side is over. */
static void tell_if_over(struct attempt *attempt, uint64_t deadline_ms)
{
	const struct channel *channel = attempt->channel;
	const uint8_t number = attempt->hello.number;
	bool is_over = false;
	uint64_t delivered = 0;

	pthread_mutex_lock(&attempt->channel->lock);
	for (size_t i = 0; i < channel->row.connections; i++) {
		const struct connection *connection = &channel->connections[i];

		if (!connection->is_numbered || connection->number != number)
			continue;
		is_over = connection->is_over && !atomic_load(&channel->is_broken);
		delivered = connection->delivered;
	}
	pthread_mutex_unlock(&attempt->channel->lock);
	if (is_over)
		carry_say_over(&attempt->link, number, delivered, deadline_ms);
}

/* Takes ATTEMPT: the thread of its connection goes on with it.  One that nobody has taken yet
 * is given up.  The link that there is is lost, although no error may have told us yet.  An attempt
 * that came before that link has been given up by the source, and only its thread was late: what
 * its hello says is old. */
static void hand_over(struct attempt *attempt)
{
	struct channel *channel = attempt->channel;
	struct attempt *former = attempt;
	struct connection *connection;

	pthread_mutex_lock(&channel->lock);
	connection = find_numbered(channel, attempt->hello.number);
	if (connection && attempt->turn > connection->turn) {
		connection->turn = attempt->turn;
		former = connection->next;
		connection->next = attempt;
		if (connection->net_fd >= 0)
			(void)shutdown(connection->net_fd, SHUT_RDWR);
		pthread_cond_broadcast(&channel->is_next);
	}
	pthread_mutex_unlock(&channel->lock);
	if (former)
		attempt_free(former);
}

/* Call with the lock held.  False: it is not waited for any more. */
static bool wait_for_next(struct channel *channel, struct carry *carry)
{
	uint64_t until_ms = carry ? carry_ends_by_ms(carry) : UINT64_MAX;
	struct timespec ts;

	if (until_ms == UINT64_MAX) {
		pthread_cond_wait(&channel->is_next, &channel->lock);
		return true;
	}
	ts = clock_timespec(until_ms * NS_PER_MS);
	pthread_cond_timedwait(&channel->is_next, &channel->lock, &ts);
	return clock_monotonic_ms() < until_ms;
}

/* CARRY: NULL before QEMU has come.  NULL: the channel is broken, or only the end was missing, and
 * the source is not there for it. */
static struct attempt *await_next(struct connection *connection, struct carry *carry)
{
	struct channel *channel = connection->channel;
	struct attempt *next;
	bool is_late = false;

	pthread_mutex_lock(&channel->lock);
	while (!connection->next && !is_late && !atomic_load(&channel->is_broken))
		is_late = !wait_for_next(channel, carry);
	next = connection->next;
	connection->next = NULL;
	pthread_mutex_unlock(&channel->lock);
	if (!next && is_late)
		carry_give_up(carry);
	return next;
}

static bool has_hello(struct attempt *attempt, uint64_t deadline_ms)
{
	struct err err = { .code = ERR_NONE };

	if (!attempt->has_hello)
		attempt->has_hello =
			carry_hear_hello(&attempt->link, deadline_ms, &attempt->hello, &err);
	if (err.code == ERR_FORBIDDEN)
		channel_break(attempt->channel, "%s", err.msg);
	return attempt->has_hello;
}

/* The source says hello when its QEMU has connected, which may take as long as it likes. */
static bool await_hello(struct attempt *attempt)
{
	struct pollfd pfd = { .fd = attempt->link.fd, .events = POLLIN };

	if (!attempt->has_hello)
		(void)poll(&pfd, 1, -1);
	return has_hello(attempt, clock_monotonic_ms() + CHANNEL_HANDSHAKE_TIMEOUT_MS);
}

/* NULL: the channel is broken. */
static struct carry *connect_numbered(struct connection *connection, uint8_t number, int *ret_fd)
{
	struct channel *channel = connection->channel;
	struct err err;

	if (number >= channel->row.connections) {
		channel_break(channel, "the other host has more connections than it has planned");
		return NULL;
	}
	/* First, so that a new link for another number is not given to this one. */
	pthread_mutex_lock(&channel->lock);
	connection->is_numbered = true;
	connection->number = number;
	pthread_mutex_unlock(&channel->lock);
	if (!connect_in_turn(channel, number, ret_fd, &err)) {
		channel_break(channel, "%s", err.msg);
		return NULL;
	}
	channel_open(connection, *ret_fd);
	return carry_new(connection, number, *ret_fd);
}

/* True: the connection is over; false: its link is lost. */
static bool carry_over_link(struct connection *connection, struct attempt *attempt,
			    struct carry **carry, int *qemu_fd)
{
	const struct channel *channel = connection->channel;

	if (!await_hello(attempt))
		return atomic_load(&channel->is_broken);
	if (!*carry)
		*carry = connect_numbered(connection, attempt->hello.number, qemu_fd);
	return !*carry || carry_run(*carry, &attempt->link, &attempt->hello);
}

static void end_links(struct connection *connection, uint64_t delivered)
{
	struct channel *channel = connection->channel;
	struct attempt *next;

	pthread_mutex_lock(&channel->lock);
	connection->is_over = true;
	connection->delivered = delivered;
	next = connection->next;
	connection->next = NULL;
	pthread_mutex_unlock(&channel->lock);
	if (next)
		attempt_free(next);
}

/* Takes ATTEMPT, which has the first link. */
static void carry_over_links(struct connection *connection, struct attempt *attempt)
{
	struct carry *carry = NULL;
	struct attempt *next;
	int qemu_fd = -1;

	while (!carry_over_link(connection, attempt, &carry, &qemu_fd)) {
		channel_lost(connection);
		next = await_next(connection, carry);
		if (!next)
			break;
		attempt_free(attempt);
		attempt = next;
		channel_relinked(connection, &attempt->link);
	}
	end_links(connection, carry ? carry_delivered(carry) : 0);
	if (carry)
		carry_free(carry);
	channel_end(connection, &attempt->link, qemu_fd);
	free(attempt);
}

/* ---- a connection -------------------------------------------------------- */

/* ATTEMPT has proved itself; takes it. */
static void serve(struct attempt *attempt)
{
	struct connection *connection = attempt->connection;

	channel_ready(connection, &attempt->link);
	if (connection->channel->row.may_reconnect) {
		carry_over_links(connection, attempt);
	} else {
		carry(connection, &attempt->link);
		free(attempt);
	}
}

static void *run(void *arg)
{
	static const char answer = STREAM_TOKEN_OK;
	struct attempt *attempt = arg;
	struct channels *all = attempt->channel->all;
	uint64_t deadline_ms = clock_monotonic_ms() + CHANNEL_HANDSHAKE_TIMEOUT_MS;
	struct err err = { .code = ERR_NONE };
	bool is_proved = prove(attempt, deadline_ms, &err);
	bool ok = is_proved && link_send(&attempt->link, &answer, 1, deadline_ms, &err) &&
		  (attempt->connection || has_hello(attempt, deadline_ms));

	if (ok && !attempt->connection)
		tell_if_over(attempt, deadline_ms);
	attempt_remove(all, attempt);
	if (!is_proved)
		note_refused(attempt->channel, &err);
	if (ok && attempt->connection) {
		serve(attempt);
	} else if (ok) {
		hand_over(attempt);
	} else if (attempt->connection) {
		/* The connection is claimed, so no other can take its place. */
		channel_break(attempt->channel, "%s", err.msg);
		channel_end(attempt->connection, &attempt->link, -1);
		free(attempt);
	} else {
		attempt_free(attempt); /* the source tries again */
	}
	return NULL;
}

/* ---- for the other files -------------------------------------------------- */

bool channel_dst_accept(struct channel *channel, int fd, struct err *err)
{
	struct channels *all = channel->all;
	struct attempt *attempt = xnew(struct attempt);

	attempt->channel = channel;
	pthread_mutex_lock(&channel->lock);
	attempt->turn = ++channel->accepted;
	pthread_mutex_unlock(&channel->lock);
	link_adopt(&attempt->link, fd, atomic_load(&all->link_timeout_ms));
	attempt_add(all, attempt);
	if (channel_start_thread(run, attempt, channel->row.name, err))
		return true;
	attempt_remove(all, attempt);
	link_close(&attempt->link);
	free(attempt);
	return false;
}
