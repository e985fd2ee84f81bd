/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/proto.h -- the messages between a coordinator and migrd-stream(8).
 *
 * The control socket is a UNIX SOCK_SEQPACKET one in the move's directory; one packet
 * is one JSON object of at most STREAM_MSG_MAX bytes:
 *
 *   {"cmd":"configure", side, move, dir, ca, cert, key, peer, data_address,
 *    token, link_timeout_ms, connect_timeout_ms, bandwidth_bytes_per_s,
 *    channels, monitor, other_monitor}  once, first; channels: rows of
 *                                       wire/transfer_channel.h, none: RAM's;
 *                                       monitors: see stream/deadman.h
 *   {"cmd":"accept","channel":"ram"}    dst; the descriptor travels beside it
 *   {"cmd":"limit","bytes_per_s":N}     0: no limit
 *   {"cmd":"link-timeout","ms":N}
 *   {"cmd":"lease","ms":N}              data goes out for N ms, then waits for the
 *                                       next lease, but on a channel without_lease;
 *                                       ends with the connection too
 *   {"cmd":"give-way","ms":N}           no data goes out for N ms, but on a channel
 *                                       without_lease; 0: it goes on
 *   {"cmd":"keep"}                      post-copy begins: QEMU's connection is never ended
 *                                       any more because no coordinator is there
 *   {"cmd":"status"}                    an event for each channel, then the reply
 *   {"cmd":"quit"}
 *
 * Each request gets one {"event":"reply","to":CMD} with "code" and "error" if it
 * failed.  At any time {"event":"channel", channel, state, bytes_out, bytes_in, error}
 * may come: that channel has changed.  Of several changes in quick succession perhaps
 * only the last is reported.  Unknown members are skipped.
 *
 * The network side begins with one plain line (stream/preamble.h); then TLS, in which
 * the source first sends the token and a newline and the destination answers with one
 * byte, STREAM_TOKEN_OK or STREAM_TOKEN_REFUSED.  Then, on a channel with several
 * connections or on which the destination's QEMU speaks first, the source sends one byte
 * when its QEMU has connected: STREAM_OPEN and how many connections QEMU had made on the
 * channel before.  In this order the destination connects to its own QEMU, since 7.2 takes
 * the first one for that of the device state.  All else is QEMU's.  On a channel that may
 * reconnect the messages of stream/carry.h follow the answer to the token instead.
 *
 * Thread: any.
 */
#ifndef MIGRD_STREAM_PROTO_H
#define MIGRD_STREAM_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "wire/transfer_channel.h"

#define STREAM_MSG_MAX        4096
#define STREAM_CONTROL_SOCKET "control.sock"
#define STREAM_TOKEN_OK       'K'
#define STREAM_TOKEN_REFUSED  'R'
/* The error of a channel that was ended so that the guest runs on. */
#define STREAM_LET_GO         "the guest stood still, and no coordinator was there"
#define STREAM_OPEN           'O' /* + number of the connection: STREAM_OPEN to 0x8e */

enum stream_side { STREAM_SRC, STREAM_DST };

#define STREAM_ADDRESS_SIZE 272 /* HOST:PORT, a DNS name has 253 */

/* The configuration of migrd-stream.  It travels over the control socket, so no secret
 * is on a command line. */
struct stream_config {
	enum stream_side side;
	char move_id[ID_UUID_SIZE];
	char dir[108];     /* private directory: control.sock and NAME.sock of each channel */
	char program[256]; /* path of migrd-stream */
	char ca_file[256], cert_file[256], key_file[256];
	char peer_id[ID_NAME_SIZE];             /* host id its certificate must name */
	char data_address[STREAM_ADDRESS_SIZE]; /* src: "HOST:PORT" of the peer's data port */
	char token[ID_TOKEN_SIZE];              /* of this move */
	uint32_t link_timeout_ms;               /* unacknowledged data for this long: dead link */
	uint32_t connect_timeout_ms;            /* src: until the answer to the token; 0: 10 s */
	uint64_t bandwidth_bytes_per_s;         /* 0: no limit */
	struct transfer_channel channels[TRANSFER_CHANNEL_MAX];
	size_t channel_count; /* 0: RAM's alone, sent by older coordinators */
	/* src: of the QEMU that is looked at without a coordinator; or "".  Somebody else may be at
	 * the one, and then it looks as if QEMU did not answer. */
	char monitor[108], other_monitor[108];
};

enum stream_channel_state {
	STREAM_CHANNEL_IDLE,   /* nothing yet */
	STREAM_CHANNEL_READY,  /* both ends of all connections authenticated; src: NAME.sock
				* listens; dst: not connected to QEMU before the first byte */
	STREAM_CHANNEL_OPEN,   /* bytes flow */
	STREAM_CHANNEL_CLOSED, /* ended in order */
	STREAM_CHANNEL_FAILED, /* broken: `error' says why */
};

struct stream_status {
	enum stream_channel_state state;
	uint64_t bytes_out, bytes_in; /* payload over the network */
	char error[256];
};

/* ---- requests -------------------------------------------------------- */

enum stream_cmd {
	STREAM_CMD_CONFIGURE,
	STREAM_CMD_ACCEPT,
	STREAM_CMD_LIMIT,
	STREAM_CMD_LINK_TIMEOUT,
	STREAM_CMD_LEASE,
	STREAM_CMD_GIVE_WAY,
	STREAM_CMD_KEEP,
	STREAM_CMD_STATUS,
	STREAM_CMD_QUIT,
};

/* A lease without end, as before the first lease; 0 ends the present lease. */
#define STREAM_LEASE_FOREVER UINT32_MAX
/* The longest that a stream gives way, if nobody says more: nothing starves. */
#define STREAM_WAY_MAX_MS 1000

struct stream_request {
	enum stream_cmd cmd;
	struct stream_config config;       /* configure; without `program' */
	char channel[TRANSFER_CHANNEL_SIZE]; /* accept */
	uint64_t bytes_per_s;              /* limit */
	uint32_t timeout_ms;               /* link-timeout, lease, give-way */
};

const char *stream_cmd_name(enum stream_cmd cmd);
/* Prints a packet, ended by a NUL that RET_LEN does not count; TOO_LARGE if it does not
 * fit.  The caller wipes it if it holds a token. */
bool stream_request_print(const struct stream_request *req, char ret_msg[STREAM_MSG_MAX],
			  size_t *ret_len, struct err *err);
bool stream_request_parse(const void *msg, size_t len, struct stream_request *ret, struct err *err);

/* ---- reports --------------------------------------------------------- */

enum stream_event { STREAM_EVENT_REPLY, STREAM_EVENT_CHANNEL };

struct stream_report {
	enum stream_event event;
	enum stream_cmd to;                /* reply */
	struct err err;                    /* reply; code NONE: done */
	char channel[TRANSFER_CHANNEL_SIZE]; /* channel */
	struct stream_status status;       /* channel */
};

const char *stream_state_name(enum stream_channel_state state);
bool stream_report_print(const struct stream_report *report, char ret_msg[STREAM_MSG_MAX],
			 size_t *ret_len, struct err *err);
bool stream_report_parse(const void *msg, size_t len, struct stream_report *ret, struct err *err);

/* ---- network --------------------------------------------------------- */

/* "HOST:PORT" or "[V6]:PORT" */
struct stream_address {
	char host[112];
	char port[8];
};
bool stream_address_parse(const char *text, struct stream_address *ret, struct err *err);

#endif
