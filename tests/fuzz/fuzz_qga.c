/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: the output of a guest agent, for the codec, for a connection with
 * requests under way, and as the answer to each of our questions.
 *
 * Byte 0 is the seed for the places where the rest is cut.  A byte '@' stands for the
 * answer to the last guest-sync-delimited, mark and line end included, so that the next
 * bytes are taken for the answer to a command.  The codec gives the same result wherever
 * the bytes are cut, and every request is answered exactly once.
 */
#include <assert.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "qga/codec.h"
#include "qga/conn.h"
#include "qga/reply.h"

#define REQUESTS  6
#define MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static qga_reply_decode_fn *const decoders[] = { qga_reply_nothing, qga_reply_info, qga_reply_count,
						 qga_reply_fs_list, qga_reply_network };

struct world {
	struct loop *loop;
	struct qga_conn *conn;
	int fd; /* the agent's end */
	unsigned seed;
	unsigned asked, answered, heard;
	int64_t last_sync;
	struct strbuf in;
};

static size_t next_cut(unsigned *seed, size_t max, size_t left)
{
	size_t n;

	*seed = *seed * 1103515245u + 12345u;
	n = 1 + (*seed >> 16) % max;
	return n < left ? n : left;
}

/* ---- the codec: the same result wherever the input is cut ------------------------ */

static void note_tokens(struct qga_codec *codec, struct strbuf *seen)
{
	struct json_object *tree;
	struct err err;

	for (;;) {
		switch (qga_codec_next(codec, &tree, &err)) {
		case QGA_MORE:
			return;
		case QGA_MARK:
			strbuf_adds(seen, "mark;");
			break;
		case QGA_MESSAGE:
			strbuf_addf(seen, "%s;", json_object_to_json_string(tree));
			json_object_put(tree);
			break;
		case QGA_GARBAGE:
			strbuf_addf(seen, "garbage %s;", err.msg);
			break;
		}
	}
}

static void run_codec(const uint8_t *data, size_t size, unsigned seed, struct strbuf *seen)
{
	struct qga_codec codec;
	size_t n;

	qga_codec_init(&codec, 512);
	for (size_t at = 0; at < size; at += n) {
		n = seed ? next_cut(&seed, 97, size - at) : size - at;
		qga_codec_feed(&codec, data + at, n);
		note_tokens(&codec, seen);
	}
	qga_codec_fini(&codec);
}

static void compare_cuts(const uint8_t *data, size_t size, unsigned seed)
{
	CLEANUP(strbuf_fini) struct strbuf whole = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf pieces = STRBUF_INIT;

	run_codec(data, size, 0, &whole);
	run_codec(data, size, seed + 1, &pieces);
	assert(whole.len == pieces.len &&
	       (whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0));
}

/* ---- a connection ---------------------------------------------------------------- */

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;
	struct err ignored;

	assert(!result || !err);
	w->answered++;
	for (size_t i = 0; !err && i < ARRAY_LEN(decoders); i++)
		json_object_put(decoders[i](result, &ignored));
}

static void on_heard(void *data)
{
	((struct world *)data)->heard++;
}

static void on_closed(void *data)
{
	(void)data;
}

static void request(struct world *w)
{
	w->asked++;
	qga_conn_request(w->conn, &(struct qga_request){ .command = "guest-ping",
							 .deadline_ms = 100 * w->asked,
							 .is_silent = w->asked % 3 == 0,
							 .fn = on_reply,
							 .data = w });
}

/* Reads what was sent to the agent, and keeps the id of the last synchronisation. */
static void listen_to(struct world *w)
{
	char buf[4096];
	const char *at;
	ssize_t n;

	while ((n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		strbuf_add(&w->in, buf, (size_t)n);
	for (at = w->in.data; at && (at = strstr(at, "\"id\":")); at++)
		w->last_sync = strtoll(at + 5, NULL, 10);
	strbuf_clear(&w->in);
}

static void say(struct world *w, const void *data, size_t len)
{
	if (send(w->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	loop_sim_run(w->loop);
}

static void say_piece(struct world *w, const uint8_t *data, size_t len)
{
	char sync[64];

	for (size_t at = 0, n; at < len; at += n) {
		if (data[at] == '@') {
			n = 1;
			listen_to(w);
			snprintf(sync, sizeof(sync), "\xff{\"return\":%lld}\n",
				 (long long)w->last_sync);
			say(w, sync, strlen(sync));
			continue;
		}
		for (n = 0; at + n < len && data[at + n] != '@'; n++)
			;
		say(w, data + at, n);
	}
}

/* There is one listener for all inputs, because making one takes longer than most inputs. */
static char path[64];
static int listener = -1;

static void remove_socket(void)
{
	unlink(path);
}

static void listen_once(void)
{
	struct err err;

	if (listener >= 0)
		return;
	snprintf(path, sizeof(path), "/tmp/migrd-fuzz-qga-%d", (int)getpid());
	if (!unix_listen(path, SOCK_STREAM, &listener, &err))
		abort();
	atexit(remove_socket);
}

static bool connect_pair(struct world *w)
{
	const struct qga_callbacks cb = { on_heard, on_closed, w };
	struct err err;

	listen_once();
	w->conn = qga_conn_open(w->loop, path, &cb, &err);
	w->fd = accept(listener, NULL, NULL);
	return w->conn && w->fd >= 0;
}

static void run_conn(const uint8_t *data, size_t size, unsigned seed)
{
	struct world w = { .loop = loop_new_sim(), .seed = seed };
	size_t n;

	if (!connect_pair(&w))
		abort();
	for (unsigned i = 0; i < REQUESTS; i++)
		request(&w);
	loop_sim_run(w.loop);
	for (size_t at = 0; at < size; at += n) {
		n = next_cut(&w.seed, 997, size - at);
		say_piece(&w, data + at, n);
		if (w.seed % 64 == 0)
			loop_sim_advance_ms(w.loop, 50);
	}
	if (seed % 2)
		loop_sim_advance_ms(w.loop, 1000);
	else
		qga_conn_free(TAKE_PTR(w.conn));
	loop_sim_run(w.loop);
	assert(w.answered == w.asked);
	qga_conn_free(w.conn);
	close(w.fd);
	strbuf_fini(&w.in);
	loop_free(w.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > MAX_BYTES)
		return 0;
	compare_cuts(data + 1, size - 1, data[0]);
	run_conn(data + 1, size - 1, data[0]);
	return 0;
}
