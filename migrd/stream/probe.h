/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/probe.h -- a short transfer to another host, by the means of a move: the data port, a
 * one-time token, TLS, and a migrd-stream on each side with a program of its own at the UNIX
 * socket, which here sends noise and throws it away.
 *
 * The process gets one packet on a socket of its own, `configure' of stream/proto.h, and the
 * source's gives back one with the result:
 *
 *   {"end":"done", bytes, us, bytes_per_s, is_growing, mtu_bytes, round_trip_us, error}
 *
 * It ends by itself, also when the coordinator is gone, and leaves nothing.
 *
 * The receiver counts, for a time or a number of bytes from the first byte on, and says what came
 * (stream/gauge.h).  If nothing is answered over a connection that was made, it is tried again with
 * small segments (TCP_MAXSEG, which binds both sides), and once more with full ones: if only the
 * small ones pass, something on the way swallows large packets.
 */
#ifndef MIGRD_STREAM_PROBE_H
#define MIGRD_STREAM_PROBE_H

#include "stream/gauge.h"
#include "stream/proto.h"

#define STREAM_PROBE_CHANNEL   "probe" /* in the preamble */
#define STREAM_PROBE_TRIES     3       /* connections that one token is good for */
#define STREAM_PROBE_MS_MAX    1000
#define STREAM_PROBE_BYTES_MAX (UINT64_C(64) << 20)
/* The whole of it, on either side. */
#define STREAM_PROBE_DEADLINE_MS 12000

struct stream_probe_wish {
	/* side, move_id (of the probe), program, the files, peer_id, data_address and token; and
	 * bandwidth_bytes_per_s of the source. */
	struct stream_config config;
	uint64_t bytes, ms; /* it ends with the first of them */
};

/* How it ended. */
#define STREAM_PROBE_ENDS(X)                                                    \
	X(DONE, "done")             /* data came */                             \
	X(UNREACHED, "unreached")   /* no connection */                         \
	X(REFUSED, "refused")       /* what is there does not take it */        \
	X(STALLED, "stalled")       /* a connection, and nothing is answered */ \
	X(SMALL_ONLY, "small-only") /* small packets pass, large ones do not */

enum stream_probe_end {
#define X(name, word) STREAM_PROBE_##name,
	STREAM_PROBE_ENDS(X)
#undef X
};

struct stream_probe_result {
	int end;                    /* enum stream_probe_end */
	struct gauge_report report; /* done */
	uint64_t mtu_bytes; /* of the way as the kernel knows it (ip(7), IP_MTU); 0: not known */
	uint64_t round_trip_us; /* of TCP (tcp(7), TCP_INFO) */
	char error[256];        /* but for done */
};

/* Source.  False: there was no result; INTERNAL, TIMEOUT; UNAVAILABLE: STOP_FD, an eventfd that
 * stays the caller's, has become readable.  Thread: a worker, for up to
 * STREAM_PROBE_DEADLINE_MS. */
bool stream_probe_blocking(const struct stream_probe_wish *wish, int stop_fd,
			   struct stream_probe_result *ret, struct err *err);
/* Destination: a process serves the connection FD, which it takes.  Nobody waits for it.  Thread:
 * loop. */
bool stream_probe_serve(const struct stream_probe_wish *wish, int fd, struct err *err);

/* ---- inside migrd-stream --------------------------------------------- */

struct stream_probe_args {
	int probe_fd; /* the socket of the coordinator */
	int link_fd;  /* of the destination's connection, else -1 */
	uint64_t bytes, ms;
};
bool stream_probe_run(const struct stream_probe_args *args, struct err *err);

/* The packet of a result, ended by a NUL that RET_LEN does not count. */
bool stream_probe_result_print(const struct stream_probe_result *result,
			       char ret_msg[STREAM_MSG_MAX], size_t *ret_len, struct err *err);
bool stream_probe_result_parse(const void *msg, size_t len, struct stream_probe_result *ret,
			       struct err *err);

#endif
