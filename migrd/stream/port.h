/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/port.h -- the one data port of a host.
 *
 * Accepts, reads one plain line (stream/preamble.h) without taking a byte more, and
 * gives the descriptor to whoever claims that move.  A connection without such a line,
 * with a wrong id or proof, or that is too slow is closed without an answer.
 *
 * At most 64 connections are in this state at once.  If one more comes, the oldest is
 * closed of those that share a network prefix (/24, /64; net_prefix.h) with the most
 * others: so a flood displaces only connections of its own network.
 *
 * Refusals are logged once for each address and reason in 10 s, then counted
 * (base/noise.h).
 *
 * Thread: loop.
 */
#ifndef MIGRD_STREAM_PORT_H
#define MIGRD_STREAM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "stream/preamble.h"

#define STREAM_PREAMBLE_DEADLINE_MS 5000

struct stream_port;

/* True: FD was taken.  False: the port closes it.  The callee checks the proof. */
typedef bool stream_claim_fn(void *data, const struct stream_preamble *preamble, int fd);

/* ADDRESS is "HOST:PORT" or "[V6]:PORT", numeric; port 0 picks one. */
struct stream_port *stream_port_new(struct loop *loop, const char *address, stream_claim_fn *claim,
				    void *data, struct err *err);
uint16_t stream_port_number(const struct stream_port *port);
void stream_port_free(struct stream_port *port);

#endif
