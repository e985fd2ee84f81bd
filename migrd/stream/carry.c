/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/carry.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/channel_priv.h"
#include "stream/pump.h"

#define HELLO_TIMEOUT_MS 10000
#define GOODBYE_MS       500
#define DATA_MAX         (PUMP_RECORD_BYTES - 1)
/* So much is read from QEMU ahead of the link: a page that the guest waits for goes behind it. */
#define AHEAD_BYTES ((size_t)256 << 10)
/* So much of many records goes to QEMU at once. */
#define GATHER_BYTES ((size_t)256 << 10)

struct carry {
	struct channel *channel;
	bool is_source;
	uint8_t number;
	int qemu_fd;
	pthread_t reader;
	bool has_reader;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	/* To the other host: acked <= sent <= filled <= acked + kept_bytes, and
	 * filled <= sent + AHEAD_BYTES before a link is lost. */
	char *kept;
	size_t kept_bytes;
	uint64_t acked, sent, filled;
	bool is_out_ended; /* QEMU has closed its side */
	bool end_is_told, end_is_heard;
	/* From the other host. */
	uint64_t delivered, told;
	bool is_in_ended, in_end_is_told;
	bool is_closed; /* source: the destination is over, and has said so by the end of TLS */
	bool is_lost;   /* the present link */
	/* For carry_ends_by_ms(): when both QEMUs had ended; the first loss of a link since so much
	 * progress was made. */
	uint64_t ended_ms, lost_ms, lost_progress;
	bool is_freed;
	/* Only of the thread that receives: HELD bytes for QEMU, from in[1] on. */
	struct link *link;
	size_t held;
	char in[1 + GATHER_BYTES + PUMP_RECORD_BYTES];
	char out[PUMP_RECORD_BYTES]; /* only of the thread that sends, as what follows */
	bool has_more;               /* another full record follows OUT */
};

static bool is_broken(const struct carry *carry)
{
	return atomic_load(&carry->channel->is_broken);
}

static void lock(struct carry *carry)
{
	pthread_mutex_lock(&carry->lock);
}

static void unlock(struct carry *carry)
{
	pthread_mutex_unlock(&carry->lock);
}

/* Wakes the sender, which waits for one of several things. */
static void changed(struct carry *carry)
{
	pthread_cond_broadcast(&carry->changed);
}

/* All has gone both ways, and both sides know; but not whether the other knows that.  Call with
 * the lock held. */
static bool is_all_done(const struct carry *carry)
{
	return carry->end_is_heard && carry->is_in_ended;
}

/* The destination is over first.  A link that is lost before the source has heard of it is made
 * again by the source, which is told then (carry_say_over()).  Call with the lock held. */
static bool is_over(const struct carry *carry)
{
	return is_all_done(carry) && (carry->is_source ? carry->is_closed : carry->in_end_is_told);
}

static bool both_have_ended(const struct carry *carry)
{
	return carry->is_out_ended && carry->is_in_ended;
}

/* When both QEMUs have ended, what is still to be said is waited for as long as the network may be
 * silent before a move is given up. */
static uint32_t end_ms(const struct carry *carry)
{
	return carry->channel->all->config.link_timeout_ms;
}

/* Call with the lock held, and with FLAG one of those that both_have_ended() asks. */
static void note_ended(struct carry *carry, bool *flag)
{
	bool before = both_have_ended(carry);

	*flag = true;
	if (!before && both_have_ended(carry))
		carry->ended_ms = clock_monotonic_ms();
}

/* ---- QEMU to what is kept ---------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* More is to be read from QEMU: not each time that a record has gone, but much at once. */
static bool is_short(const struct carry *carry)
{
	return carry->filled - carry->sent <= AHEAD_BYTES / 2;
}

/* The free part of the ring behind what is filled, in one piece; 0 while nothing is to be read. */
static size_t free_piece(const struct carry *carry, size_t *ret_at)
{
	size_t at = carry->filled % carry->kept_bytes;
	size_t room = carry->kept_bytes - (size_t)(carry->filled - carry->acked);
	size_t ahead = (size_t)(carry->filled - carry->sent);

	*ret_at = at;
	if (!is_short(carry))
		return 0;
	return least(least(room, AHEAD_BYTES - ahead), carry->kept_bytes - at);
}

static size_t await_room(struct carry *carry, size_t *ret_at)
{
	size_t room;

	lock(carry);
	while ((room = free_piece(carry, ret_at)) == 0 && !is_broken(carry) && !carry->is_freed)
		pthread_cond_wait(&carry->changed, &carry->lock);
	unlock(carry);
	return is_broken(carry) ? 0 : room; /* room is 0 when it is being freed */
}

static void *run_reader(void *arg)
{
	struct carry *carry = arg;
	size_t at, room;
	ssize_t len = 1;

	while (len > 0 && (room = await_room(carry, &at)) > 0) {
		do
			len = recv(carry->qemu_fd, carry->kept + at, room, 0);
		while (len < 0 && errno == EINTR);
		lock(carry);
		if (len > 0)
			carry->filled += (uint64_t)len;
		else
			note_ended(carry, &carry->is_out_ended);
		unlock(carry);
		changed(carry);
	}
	channel_look_again(carry->channel); /* perhaps the next link is not waited for any more */
	return NULL;
}

static bool start_reader(struct carry *carry)
{
	int rc = pthread_create(&carry->reader, NULL, run_reader, carry);

	carry->has_reader = rc == 0;
	if (rc != 0)
		channel_break(carry->channel, "cannot start a thread: %s", strerror(rc));
	return rc == 0;
}

/* ---- what is kept to the link ------------------------------------------------ */

static void await_link(struct link *link, short events)
{
	struct pollfd pfd = { .fd = link->fd, .events = events };

	(void)poll(&pfd, 1, -1);
}

static bool send_record(struct link *link, const char *data, size_t len)
{
	ssize_t rc;

	for (;;) {
		errno = 0;
		rc = gnutls_record_send(link->session, data, len);
		if (rc == GNUTLS_E_AGAIN)
			await_link(link, POLLOUT);
		else if (rc != GNUTLS_E_INTERRUPTED)
			return rc == (ssize_t)len;
	}
}

static size_t put_offset(char *record, char type, uint64_t offset)
{
	uint64_t wire = htobe64(offset);

	record[0] = type;
	memcpy(record + 1, &wire, sizeof(wire));
	return 1 + sizeof(wire);
}

static bool has_ack_to_say(const struct carry *carry)
{
	return carry->delivered - carry->told >= carry->kept_bytes / 8;
}

static bool has_something_to_say(const struct carry *carry)
{
	return has_ack_to_say(carry) || carry->sent < carry->filled ||
	       (carry->is_out_ended && !carry->end_is_told) ||
	       (carry->is_in_ended && !carry->in_end_is_told);
}

/* Call with the lock held: the next message; 0: data, of which *RET_DATA may go. */
static size_t next_message(struct carry *carry, size_t *ret_data)
{
	*ret_data = 0;
	carry->has_more = false;
	if (has_ack_to_say(carry)) {
		carry->told = carry->delivered;
		return put_offset(carry->out, 'A', carry->delivered);
	}
	if (carry->is_in_ended && !carry->in_end_is_told) {
		carry->out[0] = 'e';
		return 1;
	}
	if (carry->sent < carry->filled) {
		*ret_data = (size_t)(carry->filled - carry->sent);
		return 0;
	}
	carry->out[0] = 'E';
	return 1;
}

/* Without the lock: nobody else changes what is filled and not sent, nor `sent'. */
static size_t take_data(struct carry *carry, size_t size)
{
	size_t at = carry->sent % carry->kept_bytes;
	bool is_wanted;

	size = least(size, carry->kept_bytes - at);
	carry->out[0] = 'D';
	memcpy(carry->out + 1, carry->kept + at, size);
	lock(carry);
	carry->sent += size;
	carry->has_more = carry->filled - carry->sent >= DATA_MAX;
	is_wanted = is_short(carry);
	unlock(carry);
	if (is_wanted)
		changed(carry);
	return 1 + size;
}

/* The length of the next message; 0: the link is lost or all is over. */
static size_t await_message(struct carry *carry)
{
	size_t len = 0, data = 0;

	lock(carry);
	while (!carry->is_lost && !is_broken(carry) && !has_something_to_say(carry) &&
	       !is_over(carry))
		pthread_cond_wait(&carry->changed, &carry->lock);
	if (!carry->is_lost && !is_broken(carry) && has_something_to_say(carry))
		len = next_message(carry, &data);
	unlock(carry);
	if (!data)
		return len;
	data = channel_take(carry->channel, least(data, DATA_MAX));
	return data ? take_data(carry, data) : 0;
}

static void lose(struct carry *carry)
{
	lock(carry);
	carry->is_lost = true;
	(void)shutdown(carry->link->fd, SHUT_RDWR);
	changed(carry);
	unlock(carry);
}

/* The message of LEN bytes has been sent. */
static void note_sent(struct carry *carry, size_t len)
{
	if (carry->out[0] == 'D') {
		atomic_fetch_add(&carry->channel->bytes_out, len - 1);
		return;
	}
	lock(carry);
	carry->end_is_told = carry->end_is_told || carry->out[0] == 'E';
	carry->in_end_is_told = carry->in_end_is_told || carry->out[0] == 'e';
	unlock(carry);
}

/* Says by the end of TLS that this side is over. */
static void say_bye(struct link *link)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLOUT };
	uint64_t until_ms = clock_monotonic_ms() + GOODBYE_MS;
	int rc;

	do
		rc = gnutls_bye(link->session, GNUTLS_SHUT_WR);
	while (rc == GNUTLS_E_INTERRUPTED ||
	       (rc == GNUTLS_E_AGAIN && clock_monotonic_ms() < until_ms &&
		poll(&pfd, 1, GOODBYE_MS) > 0));
}

static bool is_finished(struct carry *carry)
{
	bool over;

	lock(carry);
	over = is_over(carry);
	unlock(carry);
	return over;
}

static void *run_sender(void *arg)
{
	struct carry *carry = arg;
	size_t len;

	while ((len = await_message(carry)) > 0) {
		link_set_more(carry->link, carry->has_more);
		if (!send_record(carry->link, carry->out, len)) {
			lose(carry);
			break;
		}
		note_sent(carry, len);
	}
	if (!carry->is_source && is_finished(carry)) {
		say_bye(carry->link);
		/* The thread that receives need not wait for the source to close. */
		(void)shutdown(carry->link->fd, SHUT_RD);
	}
	return NULL;
}

/* ---- the link to QEMU -------------------------------------------------------- */

/* What is held goes to QEMU. */
static void deliver(struct carry *carry)
{
	if (!carry->held)
		return;
	for (size_t done = 0; done < carry->held;) {
		ssize_t rc = send(carry->qemu_fd, carry->in + 1 + done, carry->held - done,
				  MSG_NOSIGNAL);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			break; /* QEMU has ended, which the reader sees */
		done += (size_t)rc;
	}
	lock(carry);
	carry->delivered += carry->held;
	if (has_ack_to_say(carry)) /* the sender is not woken for nothing */
		changed(carry);
	unlock(carry);
	carry->held = 0;
}

/* OFFSET: what the other host says it has passed on. */
static bool note_acked(struct carry *carry, uint64_t offset)
{
	bool ok;

	lock(carry);
	ok = offset >= carry->acked && offset <= carry->sent;
	if (ok)
		carry->acked = offset;
	changed(carry);
	unlock(carry);
	if (!ok)
		channel_break(carry->channel, "the other host has got what was not sent");
	return ok;
}

static uint64_t offset_of(const char *record)
{
	uint64_t wire;

	memcpy(&wire, record + 1, sizeof(wire));
	return be64toh(wire);
}

static bool is_no_message(struct carry *carry)
{
	channel_break(carry->channel, "the other host sent something that is no message");
	return false;
}

/* The other host's QEMU has closed its connection.  All before has been delivered. */
static bool note_in_ended(struct carry *carry)
{
	deliver(carry);
	(void)shutdown(carry->qemu_fd, SHUT_WR);
	lock(carry);
	note_ended(carry, &carry->is_in_ended);
	changed(carry);
	unlock(carry);
	return true;
}

/* The other host has got all, and our end.  It cannot have, before it was sent. */
static bool note_end_heard(struct carry *carry)
{
	bool ok;

	lock(carry);
	ok = carry->is_out_ended && carry->sent == carry->filled;
	carry->end_is_heard = carry->end_is_heard || ok;
	changed(carry);
	unlock(carry);
	return ok || is_no_message(carry);
}

/* Only this thread sets `is_in_ended': nothing comes after the end. */
static bool hold(struct carry *carry, size_t len)
{
	if (!len || carry->is_in_ended)
		return is_no_message(carry);
	atomic_fetch_add(&carry->channel->bytes_in, len);
	carry->held += len;
	if (carry->held >= GATHER_BYTES)
		deliver(carry);
	return true;
}

/* A record of LEN bytes, which but for its TYPE is behind what is held. */
static bool take_record(struct carry *carry, char type, size_t len)
{
	switch (type) {
	case 'D':
		return hold(carry, len - 1);
	case 'A':
		if (len == 1 + sizeof(uint64_t))
			return note_acked(carry, offset_of(carry->in + carry->held));
		break;
	case 'E':
		return note_in_ended(carry);
	case 'e':
		return note_end_heard(carry);
	default:
		break;
	}
	return is_no_message(carry);
}

/* Receives a record behind what is held.  Its first byte, the type, comes in the place of the
 * last byte held, which is put back. */
static ssize_t recv_record(struct carry *carry, char *ret_type)
{
	char *record = carry->in + carry->held;
	const char last = *record;
	ssize_t len;

	errno = 0;
	len = gnutls_record_recv(carry->link->session, record, PUMP_RECORD_BYTES);
	*ret_type = *record;
	*record = last;
	return len;
}

/* The end of TLS: the destination is over, if it has said all that goes before. */
static void note_closed(struct carry *carry)
{
	lock(carry);
	carry->is_closed = is_all_done(carry);
	changed(carry);
	unlock(carry);
}

/* False: on the source, nothing but the end of TLS is missing, and does not come. */
static bool await_record(struct carry *carry, uint64_t *done_ms)
{
	struct pollfd pfd = { .fd = carry->link->fd, .events = POLLIN };
	uint64_t now_ms = clock_monotonic_ms();
	bool is_done;

	lock(carry);
	is_done = carry->is_source && is_all_done(carry);
	unlock(carry);
	if (is_done && *done_ms == 0)
		*done_ms = now_ms;
	if (is_done && now_ms >= *done_ms + end_ms(carry))
		return false;
	(void)poll(&pfd, 1, is_done ? (int)(*done_ms + end_ms(carry) - now_ms) : -1);
	return true;
}

/* As in pump.c: records are gathered while more are there, and none is held back. */
static void run_receiver(struct carry *carry)
{
	uint64_t done_ms = 0;
	ssize_t len;
	char type = '\0';

	while (type == 'D' || !is_finished(carry)) {
		len = recv_record(carry, &type);
		if (len > 0) {
			if (!take_record(carry, type, (size_t)len))
				break;
			continue;
		}
		type = '\0';
		deliver(carry);
		if (len == 0)
			note_closed(carry);
		if (len == GNUTLS_E_AGAIN ? !await_record(carry, &done_ms)
					  : len != GNUTLS_E_INTERRUPTED)
			break;
	}
	deliver(carry);
	if (!is_finished(carry))
		lose(carry);
}

/* ---- one link ---------------------------------------------------------------- */

#define HELLO_BYTES (2 + sizeof(uint64_t))

bool carry_hear_hello(struct link *link, uint64_t deadline_ms, struct carry_hello *ret,
		      struct err *err)
{
	char record[HELLO_BYTES];

	if (!link_recv(link, record, sizeof(record), deadline_ms, err))
		return false;
	if (record[0] != 'H')
		return err_set(err, ERR_FORBIDDEN, "the other host sent no hello");
	ret->number = (uint8_t)record[1];
	ret->delivered = offset_of(record + 1);
	return true;
}

static bool say_hello(struct carry *carry)
{
	char record[HELLO_BYTES] = "H";
	struct err err;

	lock(carry);
	(void)put_offset(record + 1, (char)carry->number, carry->delivered);
	carry->told = carry->delivered;
	unlock(carry);
	return link_send(carry->link, record, sizeof(record),
			 clock_monotonic_ms() + HELLO_TIMEOUT_MS, &err);
}

static bool hear_hello(struct carry *carry, struct carry_hello *ret)
{
	struct err err;

	if (carry_hear_hello(carry->link, clock_monotonic_ms() + HELLO_TIMEOUT_MS, ret, &err))
		return true;
	if (err.code == ERR_FORBIDDEN)
		channel_break(carry->channel, "%s", err.msg);
	return false;
}

/* What went over the last link and is not known to have come goes again. */
static bool begin_again(struct carry *carry, const struct carry_hello *heard)
{
	if (heard->number != carry->number) {
		channel_break(carry->channel, "the other host has mixed up its connections");
		return false;
	}
	if (!note_acked(carry, heard->delivered))
		return false;
	lock(carry);
	carry->sent = carry->acked;
	carry->end_is_told = carry->end_is_heard;
	carry->in_end_is_told = false;
	carry->is_lost = false;
	unlock(carry);
	return true;
}

static bool exchange_hellos(struct carry *carry, const struct carry_hello *heard)
{
	struct carry_hello answer;

	if (heard)
		return begin_again(carry, heard) && say_hello(carry);
	return say_hello(carry) && hear_hello(carry, &answer) && begin_again(carry, &answer);
}

/* How far it has come; only grows, and not without end when both QEMUs have ended. */
static uint64_t progress(const struct carry *carry)
{
	return carry->acked + carry->delivered + carry->is_out_ended + carry->is_in_ended +
	       carry->end_is_heard;
}

static void note_lost(struct carry *carry)
{
	lock(carry);
	if (carry->lost_progress != progress(carry)) {
		carry->lost_progress = progress(carry);
		carry->lost_ms = clock_monotonic_ms();
	}
	unlock(carry);
}

/* A socket that is closed with unread data resets the connection, and with it what was sent last:
 * the other side would not hear that its end has come. */
static void close_gently(struct link *link)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
	uint64_t until_ms = clock_monotonic_ms() + GOODBYE_MS;
	char rest[4096];

	(void)shutdown(link->fd, SHUT_WR);
	while (clock_monotonic_ms() < until_ms && poll(&pfd, 1, GOODBYE_MS) > 0 &&
	       recv(link->fd, rest, sizeof(rest), 0) > 0)
		;
}

static void run_both_ways(struct carry *carry)
{
	pthread_t sender;
	int rc = pthread_create(&sender, NULL, run_sender, carry);

	if (rc != 0) {
		channel_break(carry->channel, "cannot start a thread: %s", strerror(rc));
		return;
	}
	pthread_setname_np(sender, "out");
	run_receiver(carry);
	pthread_join(sender, NULL);
	if (is_finished(carry))
		close_gently(carry->link);
}

bool carry_run(struct carry *carry, struct link *link, const struct carry_hello *heard)
{
	carry->link = link;
	if (exchange_hellos(carry, heard) && (carry->has_reader || start_reader(carry)))
		run_both_ways(carry);
	if (is_broken(carry) || is_finished(carry))
		return true;
	note_lost(carry);
	return false;
}

/* ---- the end -------------------------------------------------------------------- */

uint64_t carry_ends_by_ms(struct carry *carry)
{
	uint64_t since_ms, ends_ms = UINT64_MAX;

	lock(carry);
	since_ms = carry->lost_ms > carry->ended_ms ? carry->lost_ms : carry->ended_ms;
	if (both_have_ended(carry))
		ends_ms = since_ms + end_ms(carry);
	unlock(carry);
	return ends_ms;
}

void carry_give_up(struct carry *carry)
{
	bool all_has_come;

	lock(carry);
	all_has_come = carry->end_is_heard;
	unlock(carry);
	if (all_has_come)
		log_info("stream", "end", "move=%s channel=%s reason=%s",
			 carry->channel->all->config.move_id, carry->channel->row.name,
			 "the other host does not say that it is over");
	else
		channel_break(carry->channel,
			      "both QEMUs have ended, and the other host does not say whether all "
			      "has come");
}

uint64_t carry_delivered(struct carry *carry)
{
	uint64_t delivered;

	lock(carry);
	delivered = carry->delivered;
	unlock(carry);
	return delivered;
}

void carry_say_over(struct link *link, uint8_t number, uint64_t delivered, uint64_t deadline_ms)
{
	char hello[HELLO_BYTES] = "H";
	struct err ignored; /* the source asks again */

	(void)put_offset(hello + 1, (char)number, delivered);
	if (!link_send(link, hello, sizeof(hello), deadline_ms, &ignored) ||
	    !link_send(link, "E", 1, deadline_ms, &ignored) ||
	    !link_send(link, "e", 1, deadline_ms, &ignored))
		return;
	say_bye(link);
	close_gently(link);
}

/* ---- life ---------------------------------------------------------------------- */

static size_t kept_bytes(const struct channel *channel)
{
	size_t share = CARRY_KEPT_BYTES / channel->row.connections;

	return share > CARRY_KEPT_MIN ? share : CARRY_KEPT_MIN;
}

struct carry *carry_new(struct connection *connection, uint8_t number, int qemu_fd)
{
	struct carry *carry = xnew(struct carry);

	carry->channel = connection->channel;
	carry->is_source = carry->channel->all->config.side == STREAM_SRC;
	carry->lost_progress = UINT64_MAX;
	carry->number = number;
	carry->qemu_fd = qemu_fd;
	carry->kept_bytes = kept_bytes(carry->channel);
	carry->kept = xcalloc(1, carry->kept_bytes);
	pthread_mutex_init(&carry->lock, NULL);
	pthread_cond_init(&carry->changed, NULL);
	return carry;
}

void carry_free(struct carry *carry)
{
	if (carry->has_reader) {
		(void)shutdown(carry->qemu_fd, SHUT_RDWR);
		lock(carry);
		carry->is_freed = true; /* a broken channel has not read its QEMU to the end */
		changed(carry);
		unlock(carry);
		pthread_join(carry->reader, NULL);
	}
	pthread_mutex_destroy(&carry->lock);
	pthread_cond_destroy(&carry->changed);
	free(carry->kept);
	free(carry);
}
