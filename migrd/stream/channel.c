/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/channel.h"

#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/log.h"
#include "stream/channel_priv.h"

/* ---- state ----------------------------------------------------------- */

void channel_wake_control(struct channel *channel)
{
	channel->is_changed = true;
	(void)eventfd_write(channel->all->wake_fd, 1);
}

/* Keeps printable ASCII only: reports are strict UTF-8, and a log record is one line. */
void channel_set_error(struct channel *channel, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < sizeof(channel->error) && text[i]; i++)
		channel->error[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	channel->error[i] = '\0';
}

static enum stream_channel_state state_of(const struct channel *channel)
{
	if (atomic_load(&channel->is_broken))
		return channel->ended == channel->started ? STREAM_CHANNEL_FAILED : channel->state;
	if (channel->ended == channel->row.connections)
		return STREAM_CHANNEL_CLOSED;
	if (channel->proved < channel->row.connections)
		return STREAM_CHANNEL_IDLE;
	return channel->opened > 0 ? STREAM_CHANNEL_OPEN : STREAM_CHANNEL_READY;
}

static void update_state(struct channel *channel)
{
	enum stream_channel_state state = state_of(channel);

	if (state == channel->state)
		return;
	log_info("stream", "channel", "move=%s channel=%s from=%s to=%s",
		 channel->all->config.move_id, channel->row.name, stream_state_name(channel->state),
		 stream_state_name(state));
	channel->state = state;
	channel_wake_control(channel);
}

/* Shuts the connection down with a reset, which tells the other side at once: nobody
 * needs what is left in the buffers. */
static void shut_down(const struct connection *connection)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (connection->net_fd >= 0) {
		(void)setsockopt(connection->net_fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		(void)shutdown(connection->net_fd, SHUT_RDWR);
	}
	if (connection->qemu_fd >= 0)
		(void)shutdown(connection->qemu_fd, SHUT_RDWR);
}

void channel_break(struct channel *channel, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&channel->lock);
	if (!atomic_load(&channel->is_broken)) {
		channel_set_error(channel, text);
		atomic_store(&channel->is_broken, true);
		for (size_t i = 0; i < channel->row.connections; i++)
			shut_down(&channel->connections[i]);
		pthread_cond_broadcast(&channel->is_next);
	}
	pthread_mutex_unlock(&channel->lock);
	limiter_wake(&channel->all->limiter);
}

size_t channel_take(struct channel *channel, size_t wanted)
{
	return limiter_take(&channel->all->limiter, wanted, channel->row.without_lease,
			    &channel->is_broken);
}

/* Another connection may have broken the channel before this one came to it. */
static void shut_down_if_broken(const struct connection *connection)
{
	if (atomic_load(&connection->channel->is_broken))
		shut_down(connection);
}

bool channel_says_open(const struct channel *channel)
{
	return channel->row.connections > 1 || channel->row.speaks_first == TRANSFER_DESTINATION;
}

void channel_ready(struct connection *connection, const struct link *link)
{
	struct channel *channel = connection->channel;

	pthread_mutex_lock(&channel->lock);
	connection->net_fd = link->fd;
	/* The timeout may have been changed while the handshake ran. */
	link_set_timeout(link->fd, atomic_load(&channel->all->link_timeout_ms));
	if (!atomic_load(&channel->is_broken))
		channel->error[0] = '\0';
	channel->proved++;
	shut_down_if_broken(connection);
	update_state(channel);
	pthread_mutex_unlock(&channel->lock);
}

void channel_open(struct connection *connection, int qemu_fd)
{
	struct channel *channel = connection->channel;

	pthread_mutex_lock(&channel->lock);
	connection->qemu_fd = qemu_fd;
	channel->opened++;
	shut_down_if_broken(connection);
	update_state(channel);
	pthread_mutex_unlock(&channel->lock);
}

void channel_lost(struct connection *connection)
{
	struct channel *channel = connection->channel;

	pthread_mutex_lock(&channel->lock);
	connection->net_fd = -1;
	connection->is_lost = true;
	if (!atomic_load(&channel->is_broken)) {
		channel_set_error(channel,
				  "the connection to the other host is lost, and made again");
		log_warning("stream", "lost", "move=%s channel=%s", channel->all->config.move_id,
			    channel->row.name);
	}
	channel_wake_control(channel);
	pthread_mutex_unlock(&channel->lock);
}

/* Call with the lock held.  The channel's error was that a link is lost. */
static void note_not_lost(struct connection *connection)
{
	struct channel *channel = connection->channel;
	bool lost = false;

	connection->is_lost = false;
	for (size_t i = 0; i < channel->row.connections; i++)
		lost = lost || channel->connections[i].is_lost;
	if (!lost && !atomic_load(&channel->is_broken))
		channel->error[0] = '\0';
}

void channel_relinked(struct connection *connection, const struct link *link)
{
	struct channel *channel = connection->channel;

	pthread_mutex_lock(&channel->lock);
	connection->net_fd = link->fd;
	note_not_lost(connection);
	link_set_timeout(link->fd, atomic_load(&channel->all->link_timeout_ms));
	if (!atomic_load(&channel->is_broken))
		log_info("stream", "again", "move=%s channel=%s", channel->all->config.move_id,
			 channel->row.name);
	shut_down_if_broken(connection);
	channel_wake_control(channel);
	pthread_mutex_unlock(&channel->lock);
}

void channel_look_again(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	pthread_cond_broadcast(&channel->is_next);
	pthread_mutex_unlock(&channel->lock);
}

void channel_end(struct connection *connection, struct link *link, int qemu_fd)
{
	struct channel *channel = connection->channel;

	/* First nobody else can reach the descriptors any more, then they are closed. */
	pthread_mutex_lock(&channel->lock);
	connection->net_fd = -1;
	connection->qemu_fd = -1;
	pthread_mutex_unlock(&channel->lock);
	link_close(link);
	if (qemu_fd >= 0)
		close(qemu_fd);
	pthread_mutex_lock(&channel->lock);
	if (connection->is_lost)
		note_not_lost(connection);
	channel->ended++;
	update_state(channel);
	if (channel->state == STREAM_CHANNEL_FAILED)
		log_warning("stream", "broken", "move=%s channel=%s reason=%s",
			    channel->all->config.move_id, channel->row.name, channel->error);
	pthread_mutex_unlock(&channel->lock);
}

/* ---- reports --------------------------------------------------------- */

bool channel_report(struct channel *channel, struct stream_report *ret)
{
	bool was_changed;

	memset(ret, 0, sizeof(*ret));
	ret->event = STREAM_EVENT_CHANNEL;
	memcpy(ret->channel, channel->row.name, sizeof(ret->channel));
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
