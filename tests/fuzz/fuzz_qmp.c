/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: the output of a monitor, for the codec and for a whole connection.
 *
 * Byte 0 is the seed for the places where the rest is cut.  Eight '@' stand for the
 * beginning of the connection's ids, so that "@@@@@@@@-2" is a reply to its second
 * command.  Every command is answered exactly once, for any input.
 */
#include <assert.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmp/codec.h"
#include "qmp/conn.h"
#include "qmp/run_state.h"

#define TAG_LEN   8
#define COMMANDS  6
#define MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct qmp_conn *conn;
	int fd; /* the monitor's end */
	unsigned seed;
	bool has_tag;
	unsigned ready, asked, answered;
	struct qmp_run run;
};

static size_t next_cut(unsigned *seed, size_t left)
{
	size_t n;

	*seed = *seed * 1103515245u + 12345u;
	n = 1 + (*seed >> 16) % 97;
	return n < left ? n : left;
}

static void run_codec(const uint8_t *data, size_t size, unsigned seed)
{
	struct qmp_codec codec;
	struct qmp_msg msg;
	struct err err;
	size_t n;

	qmp_codec_init(&codec, 4096);
	for (size_t at = 0; at < size; at += n) {
		n = next_cut(&seed, size - at);
		qmp_codec_feed(&codec, data + at, n);
		while (qmp_codec_next(&codec, &msg, &err) == QMP_CODEC_MSG)
			qmp_msg_release(&msg);
	}
	qmp_codec_fini(&codec);
}

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;

	assert(!result || !err);
	w->answered++;
}

static void on_ready(void *data, const struct err *err)
{
	struct world *w = data;

	assert(w->ready++ == 0);
	for (; !err && w->asked < COMMANDS; w->asked++)
		qmp_command(w->conn, "query-status", NULL, 100, on_answer, w);
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct world *w = data;

	assert(w->ready && event->name);
	qmp_run_follow(&w->run, event);
	assert(w->run.state < QMP_RUN_COUNT && w->run.next_stop < QMP_RUN_COUNT);
	if (w->asked >= 1000)
		return;
	w->asked++;
	qmp_command(w->conn, event->name, NULL, 100, on_answer, w);
}

static void on_closed(void *data, const struct err *why)
{
	const struct world *w = data;

	assert(w->ready == 1 && err_is_set(why));
}

/* Learns the beginning of the ids from the first command that the connection sends. */
static void hear(struct world *w, char *rest, size_t len)
{
	char buf[65537];
	ssize_t n;
	char *id, *at;

	while ((n = recv(w->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)) > 0) {
		buf[n] = '\0';
		id = strstr(buf, "\"id\":\"");
		if (w->has_tag || !id)
			continue;
		w->has_tag = true;
		while ((at = memmem(rest, len, "@@@@@@@@", TAG_LEN)))
			memcpy(at, id + strlen("\"id\":\""), TAG_LEN);
	}
}

static void say(struct world *w, struct loop *loop, char *text, size_t len)
{
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = next_cut(&w->seed, len - at);
		if (send(w->fd, text + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return; /* it has closed */
		loop_sim_run(loop);
		hear(w, text + at + n, len - at - n);
	}
}

static void run_conn(const uint8_t *data, size_t size, unsigned seed)
{
	struct loop *loop = loop_new_sim();
	struct world w = { .seed = seed };
	const struct qmp_callbacks cb = { on_ready, on_event, on_closed, &w };
	char *text = xcalloc(1, size + 1);
	int pair[2];
	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);

	assert(rc == 0);
	memcpy(text, data, size);
	w.fd = pair[0];
	w.conn = qmp_conn_open_fd(loop, pair[1], 1000, &cb);
	say(&w, loop, text, size);
	if (seed % 2)
		loop_sim_advance_ms(loop, 2000);
	close(w.fd);
	if (seed % 3)
		loop_sim_run(loop);
	qmp_conn_free(w.conn);
	loop_sim_run(loop);
	assert(w.answered == w.asked);
	loop_free(loop);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set_level(LOG_LEVEL_ERROR);
	if (size < 1 || size > MAX_BYTES)
		return 0;
	run_codec(data + 1, size - 1, data[0]);
	run_conn(data + 1, size - 1, data[0]);
	return 0;
}
