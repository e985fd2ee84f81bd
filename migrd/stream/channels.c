/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All channels of the move: makes them, finds them, and passes on the coordinator's
 * commands. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "stream/channel_priv.h"

/* Most connections that have not proved themselves, beyond the expected ones: each has
 * a thread, for at most CHANNEL_HANDSHAKE_TIMEOUT_MS. */
#define STRANGERS_MAX 8

static const struct transfer_channel ram = { TRANSFER_CHANNEL_RAM, .connections = 1 };

bool channel_start_thread(void *(*fn)(void *), void *arg, const char *name, struct err *err)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, fn, arg);

	if (rc != 0)
		return err_set(err, ERR_INTERNAL, "cannot start a thread: %s", strerror(rc));
	pthread_setname_np(thread, name);
	pthread_detach(thread);
	return true;
}

static void init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static void channel_init(struct channel *channel, struct channels *all,
			 const struct transfer_channel *row)
{
	channel->all = all;
	channel->row = *row;
	channel->listen_fd = -1;
	pthread_mutex_init(&channel->lock, NULL);
	init_monotonic(&channel->is_next);
	snprintf(channel->socket_path, sizeof(channel->socket_path), "%s/%s.sock", all->config.dir,
		 row->name);
	for (size_t i = 0; i < TRANSFER_CONNECTION_MAX; i++)
		channel->connections[i] =
			(struct connection){ .channel = channel, .net_fd = -1, .qemu_fd = -1 };
	all->attempt_max += row->connections;
	all->unclaimed += row->connections;
}

static void init_all(struct channels *all)
{
	const struct stream_config *config = &all->config;

	all->attempt_max = STRANGERS_MAX;
	all->count = config->channel_count ? config->channel_count : 1;
	for (size_t i = 0; i < all->count; i++)
		channel_init(&all->list[i], all,
			     config->channel_count ? &config->channels[i] : &ram);
}

static bool listen_all(struct channels *all, struct err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		if (!channel_src_listen(&all->list[i], err))
			return false;
	}
	return true;
}

/* Frees ALL; no thread runs yet. */
static void channels_drop(struct channels *all)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->list[i].listen_fd >= 0)
			close(all->list[i].listen_fd);
	}
	if (all->cred)
		gnutls_certificate_free_credentials(all->cred);
	explicit_bzero(&all->config, sizeof(all->config));
	free(all);
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
	init_all(all);
	if (!tls_credentials(config->ca_file, config->cert_file, config->key_file, &all->cred,
			     err) ||
	    (config->side == STREAM_SRC && !listen_all(all, err))) {
		channels_drop(all);
		return NULL;
	}
	for (size_t i = 0; config->side == STREAM_SRC && i < all->count; i++)
		channel_src_start(&all->list[i]);
	return all;
}

bool channels_accept(struct channels *all, const char *name, int fd, struct err *err)
{
	for (size_t i = 0; all->config.side == STREAM_DST && i < all->count; i++) {
		if (strcmp(all->list[i].row.name, name) == 0)
			return channel_dst_accept(&all->list[i], fd, err);
	}
	close(fd);
	return err_set(err, ERR_NOT_FOUND, "there is no channel '%s' to accept", name);
}

void channels_set_bandwidth(struct channels *all, uint64_t bytes_per_s)
{
	limiter_set(&all->limiter, bytes_per_s);
}

void channels_set_lease(struct channels *all, uint32_t ms)
{
	limiter_lease(&all->limiter, ms == STREAM_LEASE_FOREVER ? LIMITER_FOREVER : ms);
}

void channels_give_way(struct channels *all, uint32_t ms)
{
	limiter_give_way(&all->limiter, ms);
}

void channels_end_lease(struct channels *all)
{
	if (limiter_is_on_lease(&all->limiter))
		limiter_lease(&all->limiter, 0);
}

void channels_break(struct channels *all, const char *why)
{
	for (size_t i = 0; i < all->count; i++)
		channel_break(&all->list[i], "%s", why);
}

static void set_link_timeout(struct channel *channel, uint32_t timeout_ms)
{
	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->row.connections; i++) {
		if (channel->connections[i].net_fd >= 0)
			link_set_timeout(channel->connections[i].net_fd, timeout_ms);
	}
	pthread_mutex_unlock(&channel->lock);
}

void channels_set_link_timeout(struct channels *all, uint32_t timeout_ms)
{
	atomic_store(&all->link_timeout_ms, timeout_ms);
	for (size_t i = 0; i < all->count; i++)
		set_link_timeout(&all->list[i], timeout_ms);
}
