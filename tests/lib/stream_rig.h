/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/stream_rig.h -- two real migrd-stream processes on loopback.
 *
 * The test program plays both coordinators, through stream/proc.h and stream/port.h,
 * and both QEMUs, on the UNIX sockets.  There is one rig in a process.  A failure of
 * the rig itself aborts with a message.
 */
#ifndef MIGRD_TESTS_LIB_STREAM_RIG_H
#define MIGRD_TESTS_LIB_STREAM_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/port.h"
#include "stream/proc.h"

#define MIB     (1024u * 1024u)
#define WAIT_MS 30000

struct side {
	struct stream *stream;
	struct stream_config config;
	struct proc_id id;
	bool is_ready, is_refused, is_exited, is_reported;
	struct err ready_err;
	struct stream_status status; /* the last status that came */
};

extern char dir[64]; /* the rig's: src/, dst/, other/, pki/ (tests/lib/test_pki.h) */
extern struct loop *loop;
extern struct stream_port *port; /* the destination's */
extern char move_id[ID_UUID_SIZE];
extern struct side src, dst, other; /* other: a second source */

/* ---- life ------------------------------------------------------------ */

void set_up(void);       /* nothing runs yet */
void set_up_ready(void); /* both processes run, and their channel is READY */
void set_up_open(void);  /* both QEMUs are connected; a byte has gone each way */
void tear_down(void);
void tear_down_open(void);

/* Makes SIDE anew, with the certificate CERT of the test PKI. */
void make_side(struct side *side, enum stream_side which, const char *name, const char *cert,
	       const char *peer_id);
struct stream_callbacks callbacks_of(struct side *side);
void start(struct side *side);      /* returns after ready() */
void start_well(struct side *side); /* the same; ready() must be without an error */
void stop(struct side *side);       /* kills the process */
/* on_claim() closes the next connection instead of handing it on. */
extern bool is_claim_lost;
extern unsigned claims; /* how many connections were handed on */
/* Connections are handed on as they come, but a test can break them; then they end only when both
 * processes say so. */
extern bool keeps_claims;
/* Breaks the connection that was handed on as number CLAIM, counted from 0. */
void cut_claim(unsigned claim);
/* Checks only the move's id: the proof is checked by the coordinator (test_move_dst_asked.c). */
bool on_claim(void *data, const struct stream_preamble *preamble, int fd);

/* ---- waiting --------------------------------------------------------- */

typedef bool condition(const struct side *side);

/* Runs the loop until IS_TRUE(SIDE), for at most MS; returns whether it is true. */
bool run_until(condition *is_true, const struct side *side, uint64_t ms);
condition is_ready, is_exited, is_channel_ready, is_open, has_ended, never;
/* Returns when the process of SIDE has done all that it was told before. */
void settle(struct side *side);
/* dst: a connection was refused, and the channel waits for a better one. */
condition has_refused;

/* ---- QEMUs ----------------------------------------------------------- */

extern int src_qemu, dst_qemu, qemu_listen_fd;

int connect_qemu(const char *channel); /* the source's, to CHANNEL.sock */
int accept_qemu(int listen_fd);        /* the destination's */
void connect_src_qemu(void);
bool wait_for(int fd, short events, int ms);
void send_bytes(int fd, const char *text);
void expect_bytes(int fd, const char *text);
/* End of file or reset, within MS. */
bool sees_end(int fd, int ms);

/* ---- much data ------------------------------------------------------- */

struct flow {
	int fd;
	uint64_t seed, bytes;
	uint64_t checksum;
	bool is_whole; /* it went to the end without an error */
};

/* Threads for pthread_create(); ARG is a flow. */
void *run_writer(void *arg); /* BYTES from SEED, then a half-close */
void *run_reader(void *arg); /* until end of file */

#endif
