/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake_monitor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/strbuf.h"

struct rule {
	struct rule *next;
	char *command;
	char *member; /* "return" or "error" with its value, NULL: no answer */
	loop_fn *fn;
	void *data;
};

struct fake_monitor {
	struct loop *loop;
	int listen_fd, fd;
	struct loop_watch *listen_watch, *watch;
	struct loop_timer *piece_timer;
	bool is_suspended;
	unsigned seed; /* 0: not split */
	struct strbuf in, out;
	struct rule *rules;
	struct json_object **heard;
	size_t heard_count;
};

static const char greeting[] =
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
	"\"package\": \"Debian 1:7.2\"}, \"capabilities\": [%s]}}\r\n";

/* ---- output ------------------------------------------------------------ */

static void update_watch(struct fake_monitor *fm)
{
	unsigned events = fm->is_suspended ? 0 : LOOP_READ;

	if (!fm->watch)
		return;
	if (fm->out.len > 0 && fm->seed == 0)
		events |= LOOP_WRITE;
	loop_watch_set(fm->watch, events);
}

static size_t next_piece(struct fake_monitor *fm)
{
	size_t max = fm->out.len;

	if (fm->seed == 0)
		return max;
	fm->seed = fm->seed * 1103515245u + 12345u;
	if (fm->seed == 0)
		fm->seed = 1;
	/* Most pieces are small, some long enough to join several lines. */
	max = (fm->seed >> 16) % 4 == 0 ? 400 : 12;
	max = 1 + (fm->seed >> 18) % max;
	return max < fm->out.len ? max : fm->out.len;
}

static void write_out(struct fake_monitor *fm)
{
	ssize_t n;

	while (fm->fd >= 0 && fm->out.len > 0) {
		n = send(fm->fd, fm->out.data, next_piece(fm), MSG_NOSIGNAL);
		if (n < 0)
			break;
		strbuf_consume(&fm->out, (size_t)n);
		if (fm->seed != 0)
			break;
	}
	if (fm->seed != 0 && fm->out.len > 0)
		loop_timer_start(fm->piece_timer, 0);
	update_watch(fm);
}

static void on_piece(void *data)
{
	write_out(data);
}

void fake_monitor_send_bytes(struct fake_monitor *fm, const void *data, size_t len)
{
	strbuf_add(&fm->out, data, len);
	if (fm->seed != 0)
		loop_timer_start(fm->piece_timer, 0);
	else
		write_out(fm);
}

void fake_monitor_send(struct fake_monitor *fm, const char *text)
{
	fake_monitor_send_bytes(fm, text, strlen(text));
}

void fake_monitor_greet(struct fake_monitor *fm, bool oob)
{
	CLEANUP(free_charp) char *text = NULL;
	const char *split = strstr(greeting, "%s");

	text = xasprintf("%.*s%s%s", (int)(split - greeting), greeting, oob ? "\"oob\"" : "",
			 split + 2);
	fake_monitor_send(fm, text);
}

void fake_monitor_event(struct fake_monitor *fm, const char *name, const char *data_json)
{
	CLEANUP(free_charp) char *text = NULL;

	text = xasprintf("{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 250000}, "
			 "\"event\": \"%s\"%s%s}\r\n",
			 name, data_json ? ", \"data\": " : "", data_json ? data_json : "");
	fake_monitor_send(fm, text);
}

void fake_monitor_split(struct fake_monitor *fm, unsigned seed)
{
	fm->seed = seed;
	write_out(fm);
}

/* ---- input ------------------------------------------------------------- */

static const char *command_of(struct json_object *msg)
{
	const char *name = json_get_str(msg, "execute");

	return name ? name : json_get_str(msg, "exec-oob");
}

static struct rule *find_rule(struct fake_monitor *fm, const char *command, bool make)
{
	struct rule *rule = fm->rules;

	while (rule && strcmp(rule->command, command) != 0)
		rule = rule->next;
	if (!rule && make) {
		rule = xnew(struct rule);
		rule->command = xstrdup(command);
		rule->next = fm->rules;
		fm->rules = rule;
	}
	return rule;
}

static void answer(struct fake_monitor *fm, struct json_object *msg, const char *member)
{
	CLEANUP(free_charp) char *text = NULL;
	struct json_object *id = NULL;

	json_object_object_get_ex(msg, "id", &id);
	text = xasprintf("{%s%s%s}\r\n", member, id ? ", \"id\": " : "",
			 id ? json_object_to_json_string(id) : "");
	fake_monitor_send(fm, text);
}

static void on_line(struct fake_monitor *fm, const char *line, size_t len)
{
	struct faults *faults = faults_new();
	struct json_object *msg = json_parse(line, len, &json_limits_default, faults);
	struct rule *rule;

	faults_free(faults);
	assert(msg && command_of(msg)); /* migrd sends nothing but commands */
	fm->heard = xrealloc(fm->heard, (fm->heard_count + 1) * sizeof(*fm->heard));
	fm->heard[fm->heard_count++] = msg;
	rule = find_rule(fm, command_of(msg), false);
	if (rule && rule->member)
		answer(fm, msg, rule->member);
	if (rule && rule->fn)
		rule->fn(rule->data);
}

static void on_io(void *data, unsigned ready)
{
	struct fake_monitor *fm = data;
	char buf[4096], *end;
	ssize_t n;

	if (ready & LOOP_WRITE)
		write_out(fm);
	if (!(ready & LOOP_READ))
		return;
	n = recv(fm->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fake_monitor_close(fm);
		return;
	}
	strbuf_add(&fm->in, buf, (size_t)n);
	while (fm->in.len > 0 && (end = memchr(fm->in.data, '\n', fm->in.len))) {
		CLEANUP(free_charp) char *line = xstrndup(fm->in.data, (size_t)(end - fm->in.data));

		strbuf_consume(&fm->in, strlen(line) + 1);
		on_line(fm, line, strlen(line));
	}
}

/* ---- life cycle -------------------------------------------------------- */

static void attach(struct fake_monitor *fm, int fd)
{
	fm->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fm->watch = loop_watch_new(fm->loop, fd, on_io, fm);
	update_watch(fm);
}

static void on_accept(void *data, unsigned ready)
{
	struct fake_monitor *fm = data;
	int fd = accept4(fm->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)ready;
	if (fd < 0)
		return;
	loop_watch_set(fm->listen_watch, 0);
	attach(fm, fd);
	fake_monitor_greet(fm, true);
}

static struct fake_monitor *monitor_new(struct loop *loop)
{
	struct fake_monitor *fm = xnew(struct fake_monitor);

	fm->loop = loop;
	fm->fd = fm->listen_fd = -1;
	fm->piece_timer = loop_timer_new(loop, on_piece, fm);
	fake_monitor_on(fm, "qmp_capabilities", "{}");
	return fm;
}

/* FD is a connected socket that it owns from here on. */
static struct fake_monitor *new_fd(struct loop *loop, int fd)
{
	struct fake_monitor *fm = monitor_new(loop);

	attach(fm, fd);
	return fm;
}

struct fake_monitor *fake_monitor_new(struct loop *loop, int *ret_fd)
{
	int pair[2];
	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);

	assert(rc == 0);
	*ret_fd = pair[1];
	return new_fd(loop, pair[0]);
}

struct fake_monitor *fake_monitor_listen(struct loop *loop, int fd)
{
	struct fake_monitor *fm = monitor_new(loop);

	fm->listen_fd = fd;
	fm->listen_watch = loop_watch_new(loop, fd, on_accept, fm);
	loop_watch_set(fm->listen_watch, LOOP_READ);
	return fm;
}

void fake_monitor_close(struct fake_monitor *fm)
{
	if (fm->fd < 0)
		return;
	loop_timer_stop(fm->piece_timer);
	loop_watch_free(TAKE_PTR(fm->watch));
	close(TAKE_FD(fm->fd));
	strbuf_clear(&fm->in);
	strbuf_clear(&fm->out);
	if (fm->listen_watch)
		loop_watch_set(fm->listen_watch, LOOP_READ);
}

bool fake_monitor_is_connected(const struct fake_monitor *fm)
{
	return fm->fd >= 0;
}

void fake_monitor_free(struct fake_monitor *fm)
{
	struct rule *rule;

	if (!fm)
		return;
	fake_monitor_close(fm);
	loop_watch_free(fm->listen_watch);
	if (fm->listen_fd >= 0)
		close(fm->listen_fd);
	loop_timer_free(fm->piece_timer);
	strbuf_fini(&fm->in);
	strbuf_fini(&fm->out);
	while ((rule = fm->rules)) {
		fm->rules = rule->next;
		free(rule->command);
		free(rule->member);
		free(rule);
	}
	for (size_t i = 0; i < fm->heard_count; i++)
		json_object_put(fm->heard[i]);
	free(fm->heard);
	free(fm);
}

/* ---- the script -------------------------------------------------------- */

void fake_monitor_on(struct fake_monitor *fm, const char *command, const char *return_json)
{
	struct rule *rule = find_rule(fm, command, true);

	free(rule->member);
	rule->member = return_json ? xasprintf("\"return\": %s", return_json) : NULL;
}

static char *error_member(const char *text)
{
	return xasprintf("\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}", text);
}

void fake_monitor_on_error(struct fake_monitor *fm, const char *command, const char *text)
{
	struct rule *rule = find_rule(fm, command, true);

	free(rule->member);
	rule->member = error_member(text);
}

void fake_monitor_on_call(struct fake_monitor *fm, const char *command, loop_fn *fn, void *data)
{
	struct rule *rule = find_rule(fm, command, true);

	rule->fn = fn;
	rule->data = data;
}

void fake_monitor_suspend(struct fake_monitor *fm, bool is_suspended)
{
	fm->is_suspended = is_suspended;
	update_watch(fm);
}

size_t fake_monitor_heard(const struct fake_monitor *fm)
{
	return fm->heard_count;
}

struct json_object *fake_monitor_message(const struct fake_monitor *fm, size_t n)
{
	assert(n < fm->heard_count);
	return fm->heard[n];
}

static const char *command_at(const struct fake_monitor *fm, size_t n)
{
	return command_of(fake_monitor_message(fm, n));
}

size_t fake_monitor_heard_of(const struct fake_monitor *fm, const char *command)
{
	size_t count = 0;

	for (size_t i = 0; i < fm->heard_count; i++)
		count += strcmp(command_at(fm, i), command) == 0;
	return count;
}

struct json_object *fake_monitor_last(const struct fake_monitor *fm, const char *command)
{
	for (size_t i = fm->heard_count; i > 0; i--)
		if (strcmp(command_at(fm, i - 1), command) == 0)
			return fm->heard[i - 1];
	return NULL;
}

static void reply(struct fake_monitor *fm, const char *command, char *member)
{
	struct json_object *msg = fake_monitor_last(fm, command);

	assert(msg);
	answer(fm, msg, member);
	free(member);
}

void fake_monitor_reply(struct fake_monitor *fm, const char *command, const char *return_json)
{
	reply(fm, command, xasprintf("\"return\": %s", return_json));
}

void fake_monitor_reply_error(struct fake_monitor *fm, const char *command, const char *text)
{
	reply(fm, command, error_member(text));
}
