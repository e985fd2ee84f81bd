/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log records that clients can cause as fast as they like. */
#include "http/internal.h"

static const struct noise_kind kinds[HTTP_NOISE_COUNT] = {
	[HTTP_NOISE_CERTIFICATE] = { LOG_LEVEL_INFO, "http", "certificate-refused", "address" },
	[HTTP_NOISE_NO_ROOM] = { LOG_LEVEL_INFO, "http", "no-room", "caller" },
	[HTTP_NOISE_REQUEST_SLOW] = { LOG_LEVEL_INFO, "http", "request-too-slow", "address" },
	[HTTP_NOISE_STREAM_SLOW] = { LOG_LEVEL_INFO, "http", "stream-too-slow", "caller" },
	[HTTP_NOISE_FORBIDDEN] = { LOG_LEVEL_WARNING, "api", "forbidden", "caller" },
	[HTTP_NOISE_HELLO] = { LOG_LEVEL_INFO, "peer", "hello", "peer" },
};

void http_noise_init(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_NOISE_COUNT; i++)
		server->noise[i] = noise_new(server->loop, &kinds[i]);
}

void http_noise_fini(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_NOISE_COUNT; i++)
		noise_free(server->noise[i]);
}
