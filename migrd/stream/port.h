/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/port.h -- the one data port of a host.
 *
 * Accepts, reads one plain preamble line "MIGRD1 <move-id> <channel>\n" without
 * taking a byte more, and gives the descriptor to whoever claims that move.  A
 * stranger, a wrong id, a second claim of a channel, and one that talks too
 * slowly are closed without an answer.  At most 64 connections are in this
 * state at once; the oldest is closed for a new one.
 *
 * Thread: loop.
 */
#ifndef MIGRD_STREAM_PORT_H
#define MIGRD_STREAM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define STREAM_PREAMBLE_MAX         80
#define STREAM_PREAMBLE_DEADLINE_MS 5000

struct stream_port;

/* True: FD was taken.  False: the port closes it. */
typedef bool stream_claim_fn(void *data, const char *move_id, const char *channel, int fd);

/* ADDRESS is "HOST:PORT" or "[V6]:PORT", numeric; port 0 picks one. */
struct stream_port *stream_port_new(struct loop *loop, const char *address, stream_claim_fn *claim,
				    void *data, struct err *err);
uint16_t stream_port_number(const struct stream_port *port);
void stream_port_free(struct stream_port *port);

#endif
