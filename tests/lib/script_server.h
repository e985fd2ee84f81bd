/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/script_server.h -- a server on a UNIX socket that says what it was
 * told to, whatever it is asked: for tests of clients.
 *
 * Each connection takes the next step of the script: its request is read whole
 * and kept, then the pieces are written, each by a write of its own.
 */
#ifndef MIGRD_TESTS_LIB_SCRIPT_SERVER_H
#define MIGRD_TESTS_LIB_SCRIPT_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_PIECES_MAX 64

enum script_end {
	SCRIPT_CLOSE,
	SCRIPT_HOLD,           /* stays open until the client closes it */
	SCRIPT_STOP_LISTENING, /* closes, and no connection is taken for a while: the
				* socket is gone until the next step is due */
};

struct script_step {
	const char *pieces[SCRIPT_PIECES_MAX]; /* ended by NULL */
	size_t repeat_last;                    /* the last piece so many times more */
	enum script_end end;
};

struct script_server;

/* STEPS must live as long as the server. */
struct script_server *script_server_new(const char *path, const struct script_step *steps,
					size_t count);
/* Joins its threads; the connections must be closed. */
void script_server_free(struct script_server *server);
/* The Nth request as it came, "" if there was none so far. */
const char *script_server_request(struct script_server *server, size_t n);
size_t script_server_count(struct script_server *server);

#endif
