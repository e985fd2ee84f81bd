/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-stream(8): carries the channels of one move on one host.  Started by a
 * coordinator, which it outlives; see stream/proto.h. */
#include <errno.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/stdout.h"
#include "stream/control.h"

/* How long no channel may be ready: longer than the coordinator waits for a destination
 * to get ready. */
#define STARTUP_MS 60000
#define LINGER_MS  30000
/* How long there may be no coordinator and no data: longer than a coordinator needs to
 * restart or be upgraded, after which it rolls back a move that has not begun, or finds
 * that its host was given up. */
#define ALONE_MS   600000
#define CONTROL_FD 3

enum option_id {
	OPTION_CONTROL = 256,
	OPTION_STARTUP,
	OPTION_LINGER,
	OPTION_ALONE,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "control-fd", required_argument, NULL, OPTION_CONTROL },
	{ "startup-ms", required_argument, NULL, OPTION_STARTUP },
	{ "linger-ms", required_argument, NULL, OPTION_LINGER },
	{ "alone-ms", required_argument, NULL, OPTION_ALONE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: migrd-stream --control-fd N [--startup-ms MS] [--linger-ms MS]\n"
	"                                    [--alone-ms MS]\n"
	"Carries the data of one move.  Started by migrd(8), not by people.\n"
	"  --control-fd N   a listening UNIX SOCK_SEQPACKET socket\n"
	"  --startup-ms MS  end when no channel is ready by then (60000)\n"
	"  --linger-ms MS   stay so long after the last channel has ended (30000)\n"
	"  --alone-ms MS    end when no data came and no coordinator for so long (600000)\n";

static bool parse_u32(const char *text, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value > max)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* Returns 0 to go on, else the exit status of main() plus one. */
static int parse_options(int argc, char **argv, struct control_args *args)
{
	uint32_t fd = UINT32_MAX;
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case OPTION_CONTROL:
			ok = parse_u32(optarg, 65535, &fd);
			break;
		case OPTION_STARTUP:
			ok = parse_u32(optarg, INT32_MAX, &args->startup_ms);
			break;
		case OPTION_LINGER:
			ok = parse_u32(optarg, INT32_MAX, &args->linger_ms);
			break;
		case OPTION_ALONE:
			ok = parse_u32(optarg, INT32_MAX, &args->alone_ms);
			break;
		case OPTION_HELP:
			fputs(usage, stdout);
			return 1;
		case OPTION_VERSION:
			puts(PACKAGE_STRING);
			return 1;
		default:
			ok = false;
		}
	}
	if (!ok || optind != argc || fd == UINT32_MAX) {
		fputs(usage, stderr);
		return 3;
	}
	args->listen_fd = (int)fd;
	return 0;
}

/* Closes what else was inherited from the coordinator, gives up new privileges, and
 * forbids core dumps, which would hold keys. */
static bool shut_in(struct control_args *args, struct err *err)
{
	const struct rlimit no_core = { 0, 0 };
	int type = 0;
	socklen_t size = sizeof(type);

	if (args->listen_fd != CONTROL_FD) {
		if (dup2(args->listen_fd, CONTROL_FD) < 0)
			return err_errno(err, "descriptor %d", args->listen_fd);
		args->listen_fd = CONTROL_FD;
	}
	if (close_range(CONTROL_FD + 1, ~0u, 0) < 0)
		return err_errno(err, "cannot close other descriptors");
	if (getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return err_set(err, ERR_INVALID, "--control-fd is no SOCK_SEQPACKET socket");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "cannot give up new privileges");
	(void)setrlimit(RLIMIT_CORE, &no_core);
	return true;
}

int main(int argc, char **argv)
{
	struct control_args args = { .startup_ms = STARTUP_MS,
				     .linger_ms = LINGER_MS,
				     .alone_ms = ALONE_MS };
	struct err err = { .code = ERR_NONE };
	int rc = parse_options(argc, argv, &args);

	(void)signal(SIGPIPE, SIG_IGN);
	if (rc == 1 && !stdout_end(&err)) {
		fprintf(stderr, "migrd-stream: %s\n", err.msg);
		return err_exit_code(err.code);
	}
	if (rc != 0)
		return rc - 1;
	if (fault_init(&err) && shut_in(&args, &err) && control_run(&args, &err))
		/* Threads may be in the middle of anything: no destructor may take
		 * GnuTLS away from them. */
		_exit(0);
	log_error("stream", "exit", "reason=%s", err.msg);
	_exit(1);
}
