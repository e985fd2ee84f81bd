/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A viewer's session cannot be taken to another host: both ends of it know what was drawn and sent
 * so far.  So it ends when the guest moves, and the viewer's next one is at the guest's new host.
 */
#include "agents/migrctl/cmd_vnc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/moved.h"
#include "agents/migrctl/signals.h"
#include "agents/migrctl/vnc_listen.h"
#include "agents/migrctl/vnc_session.h"
#include "base/mem.h"

struct vnc_values {
	bool take;
	const char *listen, *viewer;
	struct cli_number port;
};

struct display {
	struct cli_call *call;
	const struct vnc_values *values;
	const char *vm;
	struct client *client; /* of the guest's host */
	struct vnc_listen listen;
	int signals;
	struct vnc_session *session; /* NULL: no viewer is there */
	struct pollfd session_fds[2];
	pid_t viewer_pid;
	int viewer_fd;    /* of its process; -1: none was started */
	bool is_followed; /* the guest has moved, and no viewer has joined since */
	bool is_taking;   /* at the first time only */
};

enum turn { TURN_GOES_ON, TURN_DONE, TURN_FAILED };

/* ---- the viewer's program --------------------------------------------- */

static bool start_viewer(struct display *display, struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)display->values->viewer, display->listen.viewer, NULL };
	posix_spawnattr_t attributes;
	sigset_t none, broken_pipe;
	int code;

	sigemptyset(&none);
	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
	code = posix_spawnp(&display->viewer_pid, argv[0], NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	if (code != 0)
		return err_set(err, ERR_NOT_FOUND, "cannot start '%s': %s", argv[0],
			       strerror(code));
	display->is_followed = false;
	display->viewer_fd = (int)syscall(SYS_pidfd_open, display->viewer_pid, 0);
	return display->viewer_fd >= 0 ||
	       err_set(err, ERR_INTERNAL, "cannot watch '%s': %s", argv[0], strerror(errno));
}

/* It may have ended because the guest has moved. */
static enum turn on_viewer_ended(struct display *display, struct err *err)
{
	waitpid(display->viewer_pid, NULL, 0);
	closep(&display->viewer_fd);
	display->viewer_fd = -1;
	if (!display->is_followed)
		return TURN_DONE;
	return start_viewer(display, err) ? TURN_GOES_ON : TURN_FAILED;
}

/* ---- the display ------------------------------------------------------ */

static void leave(struct display *display)
{
	vnc_session_free(TAKE_PTR(display->session));
}

static bool open_session(struct display *display, int viewer, struct err *err)
{
	CLEANUP(free_charp)
	char *path = client_path("/v1/vms/", display->vm,
				 display->is_taking ? "/vnc?take=true" : "/vnc");

	display->session = vnc_session_new(display->client, path, viewer, err);
	if (!display->session)
		return false;
	display->is_taking = display->is_followed = false;
	return true;
}

/* False: WHY is the end of it, or why the guest's new host cannot be asked. */
static bool go_where_it_is(struct display *display, struct err *why)
{
	char host[ID_NAME_SIZE];
	struct err err;
	struct client *next = moved_client(display->call, display->client, display->vm, host, &err);

	if (!next && err.code != ERR_NOT_FOUND)
		*why = err;
	if (!next)
		return false;
	client_free(display->client);
	display->client = next;
	display->is_followed = true;
	fprintf(stderr, "The guest has moved to host '%s'; a viewer that joins again is there.\n",
		host);
	return true;
}

/* The guest may have moved while no viewer was there. */
static enum turn on_viewer(struct display *display, struct err *err)
{
	int viewer = vnc_listen_accept(&display->listen, "viewer");
	int again = viewer < 0 ? -1 : dup(viewer);

	if (viewer < 0)
		return TURN_GOES_ON;
	if (open_session(display, viewer, err)) {
		closep(&again);
		return TURN_GOES_ON;
	}
	return err->code == ERR_NOT_FOUND && go_where_it_is(display, err) &&
			       open_session(display, again, err)
		       ? TURN_GOES_ON
		       : TURN_FAILED;
}

static enum turn serve_session(struct display *display, struct err *err)
{
	switch (vnc_session_run(display->session, display->session_fds, err)) {
	case VNC_GOES_ON:
		return TURN_GOES_ON;
	case VNC_VIEWER_LEFT:
		leave(display);
		return TURN_GOES_ON;
	case VNC_ENDED:
		leave(display);
		return err->code == ERR_CANCELLED && go_where_it_is(display, err) ? TURN_GOES_ON
										  : TURN_FAILED;
	}
	return TURN_FAILED;
}

static void end(struct display *display)
{
	leave(display);
	vnc_listen_fini(&display->listen);
	closep(&display->viewer_fd);
}

static void on_signal(struct display *display)
{
	int signal = signals_take(display->signals);

	if (signal == SIGTSTP)
		raise(SIGSTOP);
	if (signal == 0 || signal == SIGTSTP || signal == SIGCONT)
		return;
	end(display);
	signals_end_by(signal);
}

/* One viewer at a time: the next one waits at the listener. */
static enum turn turn(struct display *display, struct err *err)
{
	struct pollfd fds[] = {
		{ display->signals, POLLIN, 0 },
		{ display->session ? -1 : display->listen.fd, POLLIN, 0 },
		{ display->viewer_fd, POLLIN, 0 },
		display->session_fds[0],
		display->session_fds[1],
	};

	if (!display->session)
		fds[3].fd = fds[4].fd = -1;
	if (poll(fds, ARRAY_LEN(fds), -1) <= 0)
		return TURN_GOES_ON;
	if (fds[0].revents)
		on_signal(display);
	if (fds[2].revents)
		return on_viewer_ended(display, err);
	if (fds[1].revents)
		return on_viewer(display, err);
	return TURN_GOES_ON;
}

static bool serve(struct display *display, struct err *err)
{
	enum turn step = TURN_GOES_ON;

	while (step == TURN_GOES_ON) {
		if (display->session)
			step = serve_session(display, err);
		if (step == TURN_GOES_ON)
			step = turn(display, err);
	}
	return step == TURN_DONE;
}

/* ---- the command ------------------------------------------------------ */

/* A VM that is not there or has no display, or a user who may not, is told at once. */
static bool look(struct display *display, struct err *err)
{
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", display->vm, "/vnc");
	CLEANUP(json_putp) struct json_object *users = NULL;

	return client_get(display->client, path, &users, err);
}

static bool listen_for_viewers(struct display *display, struct err *err)
{
	const struct vnc_values *values = display->values;

	if (values->port.is_set && values->listen)
		return err_set(err, ERR_INVALID, "--port and --listen exclude each other");
	if (values->port.is_set)
		return vnc_listen_port((uint16_t)values->port.value, &display->listen, err);
	return vnc_listen_unix(values->listen, display->vm, &display->listen, err);
}

static bool run_vnc(struct cli_call *call, struct err *err)
{
	const struct vnc_values *values = call->values;
	struct display display = { .call = call,
				   .values = values,
				   .vm = call->words[0],
				   .client = migrctl_client(call, err),
				   .viewer_fd = -1,
				   .is_taking = values->take };
	bool ok;

	if (!display.client)
		return false;
	ok = look(&display, err) && listen_for_viewers(&display, err);
	if (ok) {
		display.signals = signals_hold();
		printf("%s\n", display.listen.viewer);
		fflush(stdout);
		ok = (!values->viewer || start_viewer(&display, err)) && serve(&display, err);
		end(&display);
		signals_let_go(display.signals);
	}
	client_free(display.client);
	return ok;
}

static const struct cli_option vnc_options[] = {
	{
		.name = "viewer",
		.type = CLI_TEXT,
		.arg = "PROGRAM",
		.offset = offsetof(struct vnc_values, viewer),
		.help = "start it with the place as its argument; end with it",
	},
	{
		.name = "listen",
		.type = CLI_TEXT,
		.arg = "PATH",
		.offset = offsetof(struct vnc_values, listen),
		.help = "make the socket there",
	},
	{
		.name = "port",
		.type = CLI_COUNT,
		.arg = "PORT",
		.max = 65535,
		.offset = offsetof(struct vnc_values, port),
		.help = "a port of 127.0.0.1 in place of a socket; 0: any",
	},
	{
		.name = "take",
		.type = CLI_FLAG,
		.offset = offsetof(struct vnc_values, take),
		.help = "end the connections of the others",
	},
	{ .name = NULL },
};

const struct cli_command cmd_vm_vnc = {
	.noun = "vm",
	.verb = "vnc",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = vnc_options,
	.values_size = sizeof(struct vnc_values),
	.summary = "let a VNC viewer join the display of a guest",
	.details =
		"Prints the place where a viewer finds it, one after another, until Ctrl-C: a\n"
		"socket that nobody but you may use, or with --port a port where viewers of\n"
		"other users are refused.  When the guest moves the viewer is disconnected; one\n"
		"that joins again is at the new host.  The definition of the VM needs\n"
		"\"graphics\": {\"type\": \"vnc\"}.\n",
	.run = run_vnc,
};
