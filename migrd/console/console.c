/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console/console.h"

#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* Of the guest, in one turn of the loop. */
#define READ_BYTES 16384

struct console {
	struct consoles *consoles;
	char vm_uuid[ID_UUID_SIZE], vm_name[ID_NAME_SIZE], caller[ID_NAME_SIZE];
	struct http_websocket *user;
	int fd; /* to QEMU */
	struct loop_watch *watch;
	struct strbuf to_guest;
	TAILQ_ENTRY(console) link;
};

struct consoles {
	struct loop *loop;
	TAILQ_HEAD(console_list, console) list;
	size_t count;
};

/* ---- its end --------------------------------------------------------------------------------- */

static void console_free(struct console *console)
{
	log_info("console", "closed", "vm=%s caller=%s", console->vm_name, console->caller);
	TAILQ_REMOVE(&console->consoles->list, console, link);
	console->consoles->count--;
	loop_watch_free(console->watch);
	closep(&console->fd);
	strbuf_fini(&console->to_guest);
	free(console);
}

static void end(struct console *console, int code, const char *why)
{
	http_websocket_close(console->user, code, why);
	console_free(console);
}

/* ---- both ways -------------------------------------------------------- */

static void watch(struct console *console)
{
	unsigned events = console->to_guest.len ? LOOP_WRITE : 0;

	if (http_websocket_unsent(console->user) < CONSOLE_TO_USER_MAX)
		events |= LOOP_READ;
	loop_watch_set(console->watch, events);
	http_websocket_pause(console->user, console->to_guest.len >= CONSOLE_TO_GUEST_MAX);
}

/* False: QEMU has gone. */
static bool read_guest(struct console *console)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(console->fd, bytes, sizeof(bytes), 0);

	if (n > 0)
		http_websocket_send(console->user, bytes, (size_t)n);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool write_guest(struct console *console)
{
	ssize_t n = send(console->fd, console->to_guest.data, console->to_guest.len, MSG_NOSIGNAL);

	if (n > 0)
		strbuf_consume(&console->to_guest, (size_t)n);
	return n >= 0 || errno == EAGAIN;
}

static void on_guest(void *data, unsigned ready)
{
	struct console *console = data;

	if (((ready & LOOP_READ) && !read_guest(console)) ||
	    ((ready & LOOP_WRITE) && !write_guest(console)))
		end(console, HTTP_WEBSOCKET_GOING_AWAY,
		    "the guest's QEMU has gone: it has ended, or the guest has moved");
	else
		watch(console);
}

static void on_received(void *data, const void *bytes, size_t len)
{
	struct console *console = data;

	strbuf_add(&console->to_guest, bytes, len);
	watch(console);
}

static void on_sent(void *data)
{
	watch(data);
}

static void on_closed(void *data)
{
	console_free(data);
}

static const struct http_websocket_callbacks callbacks = { on_received, on_sent, on_closed };

/* ---- its begin -------------------------------------------------------- */

static struct console *console_of(const struct consoles *consoles, const char *vm_uuid)
{
	struct console *console;

	TAILQ_FOREACH(console, &consoles->list, link)
	if (strcmp(console->vm_uuid, vm_uuid) == 0)
		return console;
	return NULL;
}

const char *console_user(const struct consoles *consoles, const struct vm *vm)
{
	const struct console *console = console_of(consoles, vm_uuid(vm));

	return console ? console->caller : NULL;
}

/* OTHER has it now; NULL: nobody. */
static bool may_open(const struct consoles *consoles, const struct vm *vm,
		     const struct console *other, bool take, struct err *err)
{
	if (!other)
		return consoles->count < CONSOLES_MAX ||
		       err_set(err, ERR_UNAVAILABLE, "%u consoles are open on this host",
			       CONSOLES_MAX);
	return take || err_set(err, ERR_CONFLICT,
			       "'%s' has the console of VM '%s' open: wait, or take it away (take)",
			       other->caller, vm_name(vm));
}

static void take_away(struct console *other, struct http_request *req)
{
	char why[128];

	snprintf(why, sizeof(why), "'%s' has taken the console", http_caller_name(req));
	end(other, HTTP_WEBSOCKET_POLICY, why);
}

static bool connect_guest(struct vm *vm, int *ret_fd, struct err *err)
{
	CLEANUP(free_charp) char *path = vm_console_path(vm, err);

	return path && (unix_connect(path, SOCK_STREAM, ret_fd, err) ||
			err_wrap(err, "the console of VM '%s'", vm_name(vm)));
}

bool console_open(struct consoles *consoles, struct vm *vm, struct http_request *req, bool take,
		  struct err *err)
{
	struct console *other = console_of(consoles, vm_uuid(vm));
	CLEANUP(closep) int fd = -1;
	struct console *console;

	if (!http_websocket_is_asked(req, err) || !may_open(consoles, vm, other, take, err) ||
	    !connect_guest(vm, &fd, err))
		return false;
	if (other)
		take_away(other, req);
	console = xnew(struct console);
	console->consoles = consoles;
	snprintf(console->vm_uuid, sizeof(console->vm_uuid), "%s", vm_uuid(vm));
	snprintf(console->vm_name, sizeof(console->vm_name), "%s", vm_name(vm));
	snprintf(console->caller, sizeof(console->caller), "%s", http_caller_name(req));
	console->fd = TAKE_FD(fd);
	console->watch = loop_watch_new(consoles->loop, console->fd, on_guest, console);
	TAILQ_INSERT_TAIL(&consoles->list, console, link);
	consoles->count++;
	log_info("console", "opened", "vm=%s caller=%s", console->vm_name, console->caller);
	console->user = http_websocket_begin(req, &callbacks, console);
	if (console->user)
		watch(console);
	else
		console_free(console);
	return true;
}

struct consoles *consoles_new(struct loop *loop)
{
	struct consoles *consoles = xnew(struct consoles);

	consoles->loop = loop;
	TAILQ_INIT(&consoles->list);
	return consoles;
}

void consoles_free(struct consoles *consoles)
{
	free(consoles);
}
