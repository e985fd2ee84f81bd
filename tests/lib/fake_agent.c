/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake_agent.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define WAITING_MAX 64
#define ANSWERS_MAX 4

struct fake_agent {
	struct loop *loop;
	int listen_fd, fd;
	struct loop_watch *listen_watch, *watch;
	struct loop_timer *piece_timer;
	struct strbuf in, out, heard;
	size_t piece; /* 0: not split */
	unsigned marks;
	char muted[64]; /* command, "*": all, "": none */
	struct json_object *waiting[WAITING_MAX];
	size_t waiting_count;
	struct {
		char command[64], member[512];
	} on[ANSWERS_MAX];
	struct fake_agent_guest guest;
};

/* ---- output ------------------------------------------------------------ */

static void write_out(struct fake_agent *fa)
{
	while (fa->fd >= 0 && fa->out.len > 0) {
		size_t len = fa->piece && fa->piece < fa->out.len ? fa->piece : fa->out.len;
		ssize_t n = send(fa->fd, fa->out.data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			strbuf_clear(&fa->out);
		else
			strbuf_consume(&fa->out, (size_t)n);
		if (fa->piece)
			break;
	}
	if (fa->out.len > 0) /* a full socket is tried again 1 ms later */
		loop_timer_start(fa->piece_timer, fa->piece ? 0 : 1);
}

static void on_piece(void *data)
{
	write_out(data);
}

void fake_agent_say(struct fake_agent *fa, const void *data, size_t len)
{
	strbuf_add(&fa->out, data, len);
	write_out(fa);
}

static void say_return(struct fake_agent *fa, struct json_object *value)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	CLEANUP(free_charp) char *line = NULL;

	json_object_object_add(obj, "return", value);
	line = xasprintf("%s\n", json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	fake_agent_say(fa, line, strlen(line));
}

static void freeze(struct fake_agent *fa, bool is_frozen)
{
	unsigned count = fa->guest.is_frozen == is_frozen ? 0 : fa->guest.file_systems;

	fa->guest.is_frozen = is_frozen;
	say_return(fa, json_object_new_int64(count));
}

/* What the test has set; NULL: nothing. */
static const char *set_answer(const struct fake_agent *fa, const char *name)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (fa->on[i].command[0] && strcmp(fa->on[i].command, name) == 0)
			return fa->on[i].member;
	return NULL;
}

static void answer(struct fake_agent *fa, struct json_object *command)
{
	const char *name = json_get_str(command, "execute");
	struct json_object *args = json_get_obj(command, "arguments");
	struct fake_agent_guest *guest = &fa->guest;
	CLEANUP(free_charp) char *line = NULL;

	if (set_answer(fa, name)) {
		line = xasprintf("{%s}\n", set_answer(fa, name));
		fake_agent_say(fa, line, strlen(line));
	} else if (strcmp(name, "guest-sync-delimited") == 0) {
		fake_agent_say(fa, "\xff", 1);
		say_return(fa, json_object_new_int64(json_get_int(args, "id", 0)));
	} else if (strcmp(name, "guest-fsfreeze-status") == 0) {
		say_return(fa, json_object_new_string(guest->is_frozen ? "frozen" : "thawed"));
	} else if (strcmp(name, "guest-fsfreeze-freeze") == 0) {
		freeze(fa, true);
	} else if (strcmp(name, "guest-fsfreeze-thaw") == 0) {
		freeze(fa, false);
	} else if (strcmp(name, "guest-get-time") == 0) {
		say_return(fa, json_object_new_int64(guest->clock_ns ? guest->clock_ns
								     : clock_wall_ms() * 1000000));
	} else if (strcmp(name, "guest-set-time") == 0) {
		guest->clock_ns = json_get_int(args, "time", -1);
		say_return(fa, json_object_new_object());
	} else if (strcmp(name, "guest-shutdown") != 0) {
		say_return(fa, json_object_new_object());
	}
}

/* ---- input ------------------------------------------------------------- */

static bool is_muted(const struct fake_agent *fa, const char *name)
{
	return strcmp(fa->muted, "*") == 0 || strcmp(fa->muted, name) == 0;
}

static void take_line(struct fake_agent *fa, const char *line)
{
	struct json_object *command = json_tokener_parse(line);
	const char *name = json_get_str(command, "execute");

	assert(name);
	if (strcmp(name, "guest-sync-delimited") != 0)
		strbuf_addf(&fa->heard, "%s;", name);
	if (fa->waiting_count > 0 || is_muted(fa, name)) {
		assert(fa->waiting_count < WAITING_MAX);
		fa->waiting[fa->waiting_count++] = command;
		return;
	}
	answer(fa, command);
	json_object_put(command);
}

/* Like the real agent: the byte 0xFF drops a line that has begun. */
static void take_byte(struct fake_agent *fa, char byte)
{
	if (byte == '\xff') {
		fa->marks++;
		strbuf_clear(&fa->in);
	} else if (byte == '\n') {
		take_line(fa, fa->in.data);
		strbuf_clear(&fa->in);
	} else {
		strbuf_add(&fa->in, &byte, 1);
	}
}

static void drop_client(struct fake_agent *fa)
{
	loop_watch_free(TAKE_PTR(fa->watch));
	if (fa->fd >= 0)
		close(TAKE_FD(fa->fd));
	strbuf_clear(&fa->in);
	strbuf_clear(&fa->out);
	loop_watch_set(fa->listen_watch, LOOP_READ);
}

static void on_readable(void *data, unsigned ready)
{
	struct fake_agent *fa = data;
	char buf[4096];
	ssize_t n = recv(fa->fd, buf, sizeof(buf), 0);

	(void)ready;
	if (n <= 0)
		drop_client(fa);
	for (ssize_t i = 0; i < n; i++)
		take_byte(fa, buf[i]);
}

static void on_client(void *data, unsigned ready)
{
	struct fake_agent *fa = data;

	(void)ready;
	fa->fd = accept(fa->listen_fd, NULL, NULL);
	assert(fa->fd >= 0);
	loop_watch_set(fa->listen_watch, 0);
	fa->watch = loop_watch_new(fa->loop, fa->fd, on_readable, fa);
	loop_watch_set(fa->watch, LOOP_READ);
}

/* ---- life -------------------------------------------------------------- */

struct fake_agent *fake_agent_new(struct loop *loop, const char *path)
{
	struct fake_agent *fa = xnew(struct fake_agent);
	struct err err;
	bool ok = unix_listen(path, SOCK_STREAM, &fa->listen_fd, &err);

	assert(ok);
	(void)ok;
	fa->loop = loop;
	fa->fd = -1;
	fa->guest.file_systems = 2;
	fa->piece_timer = loop_timer_new(loop, on_piece, fa);
	fa->listen_watch = loop_watch_new(loop, fa->listen_fd, on_client, fa);
	loop_watch_set(fa->listen_watch, LOOP_READ);
	return fa;
}

void fake_agent_free(struct fake_agent *fa)
{
	fake_agent_restart(fa);
	drop_client(fa);
	loop_watch_free(fa->listen_watch);
	loop_timer_free(fa->piece_timer);
	close(fa->listen_fd);
	strbuf_fini(&fa->in);
	strbuf_fini(&fa->out);
	strbuf_fini(&fa->heard);
	free(fa);
}

struct fake_agent_guest *fake_agent_guest(struct fake_agent *fa)
{
	return &fa->guest;
}

void fake_agent_mute(struct fake_agent *fa, const char *command)
{
	snprintf(fa->muted, sizeof(fa->muted), "%s", *command ? command : "*");
}

void fake_agent_unmute(struct fake_agent *fa)
{
	fa->muted[0] = '\0';
}

void fake_agent_answer(struct fake_agent *fa, unsigned count)
{
	size_t n = count && count < fa->waiting_count ? count : fa->waiting_count;

	for (size_t i = 0; i < n; i++) {
		answer(fa, fa->waiting[i]);
		json_object_put(fa->waiting[i]);
	}
	fa->waiting_count -= n;
	memmove(fa->waiting, fa->waiting + n, fa->waiting_count * sizeof(fa->waiting[0]));
}

void fake_agent_restart(struct fake_agent *fa)
{
	while (fa->waiting_count > 0)
		json_object_put(fa->waiting[--fa->waiting_count]);
	strbuf_clear(&fa->in);
}

void fake_agent_on(struct fake_agent *fa, const char *command, const char *member)
{
	size_t i = 0;

	if (!*command)
		memset(fa->on, 0, sizeof(fa->on));
	while (i < ANSWERS_MAX && fa->on[i].command[0] && strcmp(fa->on[i].command, command) != 0)
		i++;
	assert(i < ANSWERS_MAX);
	snprintf(fa->on[i].command, sizeof(fa->on[i].command), "%s", command);
	snprintf(fa->on[i].member, sizeof(fa->on[i].member), "%s", member);
}

void fake_agent_split(struct fake_agent *fa, size_t size)
{
	fa->piece = size;
}

void fake_agent_hang_up(struct fake_agent *fa)
{
	drop_client(fa);
}

bool fake_agent_has_client(const struct fake_agent *fa)
{
	return fa->fd >= 0;
}

const char *fake_agent_heard(const struct fake_agent *fa)
{
	return fa->heard.data ? fa->heard.data : "";
}

void fake_agent_clear_heard(struct fake_agent *fa)
{
	strbuf_clear(&fa->heard);
}

unsigned fake_agent_marks(const struct fake_agent *fa)
{
	return fa->marks;
}
