/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_web.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/vnc_listen.h"
#include "agents/migrctl/web_serve.h"
#include "base/mem.h"

#define IDLE_MINUTES     30
#define IDLE_MINUTES_MAX (UINT64_C(7) * 24 * 60)
/* A browser opens several connections at once. */
#define BACKLOG 64

struct web_values {
	struct cli_number port, idle;
	const char *browser;
};

static void make_secret(char ret[WEB_SECRET_SIZE])
{
	unsigned char bytes[(WEB_SECRET_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		abort(); /* it does not fail so early and for so few (getrandom(2)) */
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* How it ends is its own business, but not how its own children do: it does not ignore them.  The
 * Ctrl-C that ends us does not end it. */
static bool start_browser(const char *program, const char *url, struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)url, NULL };
	posix_spawnattr_t attributes;
	sigset_t usual;
	pid_t pid;
	int code;

	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&usual);
	sigaddset(&usual, SIGCHLD);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	code = posix_spawnp(&pid, program, NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	return code == 0 ||
	       err_set(err, ERR_NOT_FOUND, "cannot start '%s': %s", program, strerror(code));
}

/* Tells at once what would else be seen in the browser only: no migrd, or one without a page. */
static bool greet(struct client *client, struct err *err)
{
	CLEANUP(json_putp) struct json_object *caller = NULL;

	if (!client_get(client, "/v1/caller", &caller, err))
		return err->code == ERR_NOT_FOUND
			       ? err_set(err, ERR_NOT_FOUND,
					 "this migrd has no page: it is older than migrctl")
			       : false;
	fprintf(stderr, "Host '%s', as '%s' with the role %s; Ctrl-C ends it.\n",
		json_get_str(caller, "host"), json_get_str(caller, "name"),
		json_get_str(caller, "role"));
	return true;
}

static bool serve(const struct web_values *values, struct client *client,
		  struct vnc_listen *listener, struct err *err)
{
	uint64_t minutes = values->idle.is_set ? values->idle.value : IDLE_MINUTES;
	struct web_gate gate = { .port = vnc_listen_port_of(listener) };
	CLEANUP(free_charp) char *url = NULL;

	make_secret(gate.token);
	make_secret(gate.cookie);
	url = xasprintf("http://127.0.0.1:%u/?token=%s", gate.port, gate.token);
	printf("%s\n", url);
	fflush(stdout);
	if (values->browser && !start_browser(values->browser, url, err))
		return false;
	web_serve(listener->fd, &gate, client, minutes * 60 * 1000);
	fprintf(stderr, "Nobody has used the page for %llu minutes.\n",
		(unsigned long long)minutes);
	return true;
}

static bool run_web(struct cli_call *call, struct err *err)
{
	const struct web_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	struct vnc_listen listener;
	bool ok;

	if (!client || !greet(client, err) ||
	    !vnc_listen_port(values->port.is_set ? (uint16_t)values->port.value : 0, &listener,
			     err))
		return false;
	ok = listen(listener.fd, BACKLOG) == 0
		     ? serve(values, client, &listener, err)
		     : err_errno(err, "port %u", vnc_listen_port_of(&listener));
	vnc_listen_fini(&listener);
	return ok;
}

#define VALUE(member) .offset = offsetof(struct web_values, member)

static const struct cli_option options[] = {
	{
		.name = "browser",
		.type = CLI_TEXT,
		VALUE(browser),
		.arg = "PROGRAM",
		.help = "start it with the address as its argument, such as xdg-open",
	},
	{
		.name = "port",
		.type = CLI_COUNT,
		VALUE(port),
		.max = 65535,
		.arg = "PORT",
		.help = "port of 127.0.0.1 (default: 0, any that is free)",
	},
	{
		.name = "idle",
		.type = CLI_COUNT,
		VALUE(idle),
		.min = 1,
		.max = IDLE_MINUTES_MAX,
		.arg = "MINUTES",
		.help = "end when nobody has used the page for so long (default: 30)",
	},
	{ .name = NULL },
};

const struct cli_command cmd_web = {
	.noun = "web",
	.args = "",
	.min_args = 0,
	.max_args = 0,
	.options = options,
	.values_size = sizeof(struct web_values),
	.summary = "show the host and its fleet in a browser",
	.details =
		"Prints an address of 127.0.0.1 that can be opened once, by a browser of the same\n"
		"user; what is done there is done with your certificate and your role.  It lasts\n"
		"until Ctrl-C, the end of the terminal, or nobody has the page open for a while.\n",
	.run = run_web,
};
