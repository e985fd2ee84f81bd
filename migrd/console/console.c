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

static const struct {
	const char *name; /* in messages and the log */
	size_t users_max; /* of one guest */
	char *(*path)(struct vm *vm, struct err *err);
} kinds[CONSOLE_KIND_COUNT] = {
	[CONSOLE_SERIAL] = { "console", 1, vm_console_path },
	[CONSOLE_VNC] = { "display", CONSOLE_VNC_USERS_MAX, vm_vnc_path },
};

struct console {
	struct consoles *consoles;
	enum console_kind kind;
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
	log_info(kinds[console->kind].name, "closed", "vm=%s caller=%s", console->vm_name,
		 console->caller);
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

/* The next one after FROM (NULL: the first), of KIND and of a VM. */
static struct console *next_of(const struct consoles *consoles, struct console *from,
			       enum console_kind kind, const char *vm_uuid)
{
	struct console *console = from ? TAILQ_NEXT(from, link) : TAILQ_FIRST(&consoles->list);

	while (console && (console->kind != kind || strcmp(console->vm_uuid, vm_uuid) != 0))
		console = TAILQ_NEXT(console, link);
	return console;
}

size_t console_users(const struct consoles *consoles, enum console_kind kind, const struct vm *vm,
		     const char *ret_users[CONSOLE_VNC_USERS_MAX])
{
	struct console *console = next_of(consoles, NULL, kind, vm_uuid(vm));
	size_t count = 0;

	for (; console; console = next_of(consoles, console, kind, vm_uuid(vm)))
		ret_users[count++] = console->caller;
	return count;
}

static bool may_open(const struct consoles *consoles, enum console_kind kind, const struct vm *vm,
		     bool take, struct err *err)
{
	const char *users[CONSOLE_VNC_USERS_MAX] = { NULL };
	size_t count = console_users(consoles, kind, vm, users);

	if (take && count)
		return true;
	if (count == kinds[kind].users_max)
		return err_set(err, ERR_CONFLICT,
			       "'%s' has the %s of VM '%s' open%s: wait, or take it away (take)",
			       users[0], kinds[kind].name, vm_name(vm),
			       count > 1 ? ", with as many others as can be" : "");
	return consoles->count < CONSOLES_MAX ||
	       err_set(err, ERR_UNAVAILABLE, "%u consoles and displays are open on this host",
		       CONSOLES_MAX);
}

static void take_away(struct consoles *consoles, enum console_kind kind, const struct vm *vm,
		      const struct http_request *req)
{
	struct console *other = next_of(consoles, NULL, kind, vm_uuid(vm)), *next;
	char why[128];

	snprintf(why, sizeof(why), "'%s' has taken the %s", http_caller_name(req),
		 kinds[kind].name);
	for (; other; other = next) {
		next = next_of(consoles, other, kind, vm_uuid(vm));
		end(other, HTTP_WEBSOCKET_POLICY, why);
	}
}

static bool connect_guest(enum console_kind kind, struct vm *vm, int *ret_fd, struct err *err)
{
	CLEANUP(free_charp) char *path = kinds[kind].path(vm, err);

	return path && (unix_connect(path, SOCK_STREAM, ret_fd, err) ||
			err_wrap(err, "the %s of VM '%s'", kinds[kind].name, vm_name(vm)));
}

bool console_is_there(enum console_kind kind, struct vm *vm, struct err *err)
{
	CLEANUP(free_charp) char *path = kinds[kind].path(vm, err);

	return path != NULL;
}

static struct console *console_new(struct consoles *consoles, enum console_kind kind,
				   const struct vm *vm, const char *caller, int fd)
{
	struct console *console = xnew(struct console);

	console->consoles = consoles;
	console->kind = kind;
	snprintf(console->vm_uuid, sizeof(console->vm_uuid), "%s", vm_uuid(vm));
	snprintf(console->vm_name, sizeof(console->vm_name), "%s", vm_name(vm));
	snprintf(console->caller, sizeof(console->caller), "%s", caller);
	console->fd = fd;
	console->watch = loop_watch_new(consoles->loop, fd, on_guest, console);
	TAILQ_INSERT_TAIL(&consoles->list, console, link);
	consoles->count++;
	log_info(kinds[kind].name, "opened", "vm=%s caller=%s", console->vm_name, console->caller);
	return console;
}

bool console_open(struct consoles *consoles, enum console_kind kind, struct vm *vm,
		  struct http_request *req, bool take, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct console *console;

	if (!http_websocket_is_asked(req, err) || !may_open(consoles, kind, vm, take, err) ||
	    !connect_guest(kind, vm, &fd, err))
		return false;
	if (take)
		take_away(consoles, kind, vm, req);
	console = console_new(consoles, kind, vm, http_caller_name(req), TAKE_FD(fd));
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
