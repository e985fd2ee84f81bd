/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agents/lib/client_websocket.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/moved.h"
#include "agents/migrctl/signals.h"
#include "base/mem.h"

/* Ctrl-], as of telnet(1) and virsh(1). */
#define LEAVE 0x1d

struct console_values {
	bool take;
};

struct session {
	struct client_websocket *ws;
	int signals;
	bool is_terminal, has_input, is_left, is_output_broken;
	struct termios before; /* of the terminal */
};

/* ---- the terminal ----------------------------------------------------- */

/* One that another program has in the foreground is left alone until it is ours again. */
static void enter(struct session *session)
{
	struct termios raw;

	session->signals = signals_hold();
	session->is_terminal = tcgetattr(STDIN_FILENO, &session->before) == 0;
	if (!session->is_terminal || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	raw = session->before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void leave(const struct session *session)
{
	if (session->is_terminal && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSADRAIN, &session->before);
	signals_let_go(session->signals);
}

/* Who stops us, or ends us, finds the terminal as it was. */
static void take_signal(struct session *session)
{
	int signal = signals_take(session->signals);

	if (signal == 0)
		return;
	leave(session);
	if (signal == SIGTSTP)
		raise(SIGSTOP);
	else if (signal != SIGCONT)
		signals_end_by(signal);
	enter(session);
}

static void print(void *data, const void *bytes, size_t len)
{
	struct session *session = data;
	const char *from = bytes;

	while (len && !session->is_output_broken) {
		ssize_t n = write(STDOUT_FILENO, from, len);

		if (n > 0) {
			from += n;
			len -= (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			session->is_output_broken = true;
		}
	}
}

/* What is typed before Ctrl-] is sent. */
static void take_input(struct session *session)
{
	char bytes[4096];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	const char *end = n > 0 && session->is_terminal ? memchr(bytes, LEAVE, (size_t)n) : NULL;

	if (n <= 0) {
		session->has_input = n < 0 && errno == EINTR;
		return;
	}
	session->is_left = end != NULL;
	client_websocket_send(session->ws, bytes, end ? (size_t)(end - bytes) : (size_t)n);
}

/* ---- the console ------------------------------------------------------ */

/* What comes from a file waits there for a guest that does not read; Ctrl-] is always seen. */
static bool wants_input(const struct session *session)
{
	return session->has_input &&
	       (session->is_terminal || !(client_websocket_events(session->ws) & POLLOUT));
}

/* The end of the input is not the end: what the guest answers to it is still to be seen. */
static bool serve(struct session *session, struct err *err)
{
	while (client_websocket_run(session->ws, err)) {
		struct pollfd fds[] = {
			{ client_websocket_fd(session->ws), client_websocket_events(session->ws),
			  0 },
			{ wants_input(session) ? STDIN_FILENO : -1, POLLIN, 0 },
			{ session->signals, POLLIN, 0 },
		};

		if (session->is_left || session->is_output_broken)
			return true;
		if (poll(fds, ARRAY_LEN(fds), -1) <= 0)
			continue;
		if (fds[2].revents)
			take_signal(session);
		if (fds[1].revents)
			take_input(session);
	}
	return false;
}

/* CANCELLED: the server has ended it. */
static bool use_console(struct session *session, struct client *client, const char *path,
			struct err *err)
{
	bool ok;

	session->ws = client_websocket_open(client, path, print, session, err);
	if (!session->ws)
		return false;
	enter(session);
	ok = serve(session, err);
	leave(session);
	client_websocket_free(session->ws);
	return ok;
}

/* Goes where the guest goes.  ERR has why the last one has ended. */
static bool follow(struct cli_call *call, struct session *session, struct client **client,
		   struct err *err)
{
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "/console");
	char host[ID_NAME_SIZE];
	struct client *next;
	struct err why;

	while (err->code == ERR_CANCELLED) {
		next = moved_client(call, *client, call->words[0], host, &why);
		if (!next)
			return why.code == ERR_NOT_FOUND ? false
							 : err_set(err, why.code, "%s", why.msg);
		client_free(*client);
		*client = next;
		fprintf(stderr, "The guest has moved to host '%s'.\n", host);
		if (use_console(session, *client, path, err))
			return true;
	}
	return false;
}

static bool run_console(struct cli_call *call, struct err *err)
{
	const struct console_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp)
	char *path = client_path("/v1/vms/", call->words[0],
				 values->take ? "/console?take=true" : "/console");
	struct session session = { .has_input = true };

	if (!client)
		return false;
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "The console of %s; Ctrl-] leaves it.\n", call->words[0]);
	return use_console(&session, client, path, err) || follow(call, &session, &client, err);
}

static const struct cli_option console_options[] = {
	{
		.name = "take",
		.type = CLI_FLAG,
		.offset = offsetof(struct console_values, take),
		.help = "take it away from the user who has it",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_console = {
	.noun = "vm",
	.verb = "console",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = console_options,
	.values_size = sizeof(struct console_values),
	.summary = "use the console of a guest; Ctrl-] leaves it",
	.details = "One user at a time has it.  What the guest writes while nobody is there is\n"
		   "lost.  It follows a guest that moves to its new host, with the same\n"
		   "certificate.  The definition of the VM needs\n"
		   "\"serial\": {\"type\": \"console\"}.\n",
	.run = run_console,
};
