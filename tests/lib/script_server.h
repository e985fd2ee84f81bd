/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/script_server.h -- a server on a UNIX socket for tests of clients: it answers
 * by a script, whatever the request is.
 *
 * Each connection gets the next step of the script: its whole request is read and kept,
 * then the pieces are written, each by one write.
 */
#ifndef MIGRD_TESTS_LIB_SCRIPT_SERVER_H
#define MIGRD_TESTS_LIB_SCRIPT_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_PIECES_MAX 64

enum script_end {
	SCRIPT_CLOSE,
	SCRIPT_HOLD,           /* stays open until the client closes it */
	SCRIPT_STOP_LISTENING, /* the server's socket is gone during this step, so that
				* no connection is taken; then the connection closes */
};

struct script_step {
	const char *pieces[SCRIPT_PIECES_MAX]; /* ended by NULL */
	size_t repeat_last;                    /* how many more times the last piece is written */
	enum script_end end;
};

struct script_server;

/* STEPS must live as long as the server. */
struct script_server *script_server_new(const char *path, const struct script_step *steps,
					size_t count);
/* Joins the server's threads; clients must have closed their connections. */
void script_server_free(struct script_server *server);
/* The Nth request as it came; "": it has not come yet. */
const char *script_server_request(struct script_server *server, size_t n);
size_t script_server_count(struct script_server *server);

#endif
