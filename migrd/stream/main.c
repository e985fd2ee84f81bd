/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-stream(8): carries the channels of one move on one host.  Started by a
 * coordinator, which it outlives; see stream/proto.h. */
#include <errno.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stdout.h"
#include "stream/control.h"
#include "stream/probe.h"

/* How long no channel may be ready: longer than the coordinator waits for a destination
 * to get ready. */
#define STARTUP_MS 60000
#define LINGER_MS  30000
/* How long there may be no coordinator and no data: longer than a coordinator needs to
 * restart or be upgraded, after which it rolls back a move that has not begun, or finds
 * that its host was given up. */
#define ALONE_MS   600000
/* With what passes before the first look, a guest stands still for about ten seconds at most: a
 * coordinator that is restarted is back before that, and goes on with the transfer. */
#define STAND_MS   8000
#define CONTROL_FD 3

enum option_id {
	OPTION_CONTROL = 256,
	OPTION_STARTUP,
	OPTION_LINGER,
	OPTION_ALONE,
	OPTION_STAND,
	OPTION_PROBE,
	OPTION_LINK,
	OPTION_BYTES,
	OPTION_MS,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "control-fd", required_argument, NULL, OPTION_CONTROL },
	{ "startup-ms", required_argument, NULL, OPTION_STARTUP },
	{ "linger-ms", required_argument, NULL, OPTION_LINGER },
	{ "alone-ms", required_argument, NULL, OPTION_ALONE },
	{ "stand-ms", required_argument, NULL, OPTION_STAND },
	{ "probe-fd", required_argument, NULL, OPTION_PROBE },
	{ "link-fd", required_argument, NULL, OPTION_LINK },
	{ "bytes", required_argument, NULL, OPTION_BYTES },
	{ "ms", required_argument, NULL, OPTION_MS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: migrd-stream --control-fd N [--startup-ms MS] [--linger-ms MS]\n"
	"                                    [--alone-ms MS] [--stand-ms MS]\n"
	"       migrd-stream --probe-fd N [--link-fd N] --bytes N --ms MS\n"
	"Carries the data of one move, or measures a link.  Started by migrd(8), not by people.\n"
	"  --control-fd N   a listening UNIX SOCK_SEQPACKET socket\n"
	"  --startup-ms MS  end when no channel is ready by then (60000)\n"
	"  --linger-ms MS   stay so long after the last channel has ended (30000)\n"
	"  --alone-ms MS    end when no data came and no coordinator for so long (600000)\n"
	"  --stand-ms MS    a guest that stands still for so long runs on without one (8000)\n"
	"  --probe-fd N     measure the link: the socket that says how, and gets the result\n"
	"  --link-fd N      of a connection that another host has made for that; 0: none\n"
	"  --bytes N        end when so much has been sent\n"
	"  --ms MS          end after so long\n";

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

struct args {
	struct control_args control; /* listen_fd -1: a probe is wanted */
	struct stream_probe_args probe;
};

static bool parse_fd(const char *text, int *ret)
{
	uint32_t value;

	if (!parse_u32(text, 65535, &value))
		return false;
	*ret = value ? (int)value : -1;
	return true;
}

static bool parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint32_t value;

	if (!parse_u32(text, (uint32_t)max, &value) || value == 0)
		return false;
	*ret = value;
	return true;
}

static bool parse_option(int option, struct args *args)
{
	switch (option) {
	case OPTION_CONTROL:
		return parse_fd(optarg, &args->control.listen_fd);
	case OPTION_STARTUP:
		return parse_u32(optarg, INT32_MAX, &args->control.startup_ms);
	case OPTION_LINGER:
		return parse_u32(optarg, INT32_MAX, &args->control.linger_ms);
	case OPTION_ALONE:
		return parse_u32(optarg, INT32_MAX, &args->control.alone_ms);
	case OPTION_STAND:
		return parse_u32(optarg, INT32_MAX, &args->control.stand_ms);
	case OPTION_PROBE:
		return parse_fd(optarg, &args->probe.probe_fd);
	case OPTION_LINK:
		return parse_fd(optarg, &args->probe.link_fd);
	case OPTION_BYTES:
		return parse_u64(optarg, STREAM_PROBE_BYTES_MAX, &args->probe.bytes);
	case OPTION_MS:
		return parse_u64(optarg, STREAM_PROBE_MS_MAX, &args->probe.ms);
	default:
		return false;
	}
}

/* One of the two, and a probe with its bounds. */
static bool is_complete(const struct args *args)
{
	const struct stream_probe_args *probe = &args->probe;

	if (args->control.listen_fd >= 0)
		return probe->probe_fd < 0;
	return probe->probe_fd >= 0 && probe->bytes && probe->ms;
}

/* Returns 0 to go on, else the exit status of main() plus one. */
static int parse_options(int argc, char **argv, struct args *args)
{
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == OPTION_HELP || c == OPTION_VERSION) {
			fputs(c == OPTION_HELP ? usage : PACKAGE_STRING "\n", stdout);
			return 1;
		}
		ok = parse_option(c, args);
	}
	if (ok && optind == argc && is_complete(args))
		return 0;
	fputs(usage, stderr);
	return 3;
}

/* Gives up new privileges, and forbids core dumps, which would hold keys. */
static bool give_up_rights(struct err *err)
{
	const struct rlimit no_core = { 0, 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "cannot give up new privileges");
	(void)setrlimit(RLIMIT_CORE, &no_core);
	return true;
}

static bool is_packet_socket(int fd, const char *option, struct err *err)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) ||
	       err_set(err, ERR_INVALID, "%s is no SOCK_SEQPACKET socket", option);
}

/* Closes what else was inherited from the coordinator. */
static bool shut_in(struct control_args *args, struct err *err)
{
	if (args->listen_fd != CONTROL_FD) {
		if (dup2(args->listen_fd, CONTROL_FD) < 0)
			return err_errno(err, "descriptor %d", args->listen_fd);
		args->listen_fd = CONTROL_FD;
	}
	if (close_range(CONTROL_FD + 1, ~0u, 0) < 0)
		return err_errno(err, "cannot close other descriptors");
	return is_packet_socket(CONTROL_FD, "--control-fd", err) && give_up_rights(err);
}

/* The same, with the one or two descriptors of a probe where they are. */
static bool shut_in_probe(const struct stream_probe_args *args, struct err *err)
{
	bool has_link = args->link_fd >= 0;
	int low = has_link && args->link_fd < args->probe_fd ? args->link_fd : args->probe_fd;
	int high = has_link && args->link_fd > args->probe_fd ? args->link_fd : args->probe_fd;
	const unsigned between[][2] = {
		{ CONTROL_FD, (unsigned)low - 1 },
		{ (unsigned)low + 1, (unsigned)high - 1 },
		{ (unsigned)high + 1, ~0u },
	};

	if (low < CONTROL_FD || (has_link && low == high))
		return err_set(err, ERR_INVALID, "--probe-fd and --link-fd must be above 2");
	for (size_t i = 0; i < ARRAY_LEN(between); i++) {
		if (between[i][0] <= between[i][1] &&
		    close_range(between[i][0], between[i][1], 0) < 0)
			return err_errno(err, "cannot close other descriptors");
	}
	return is_packet_socket(args->probe_fd, "--probe-fd", err) && give_up_rights(err);
}

static bool run(struct args *args, struct err *err)
{
	if (!fault_init(err))
		return false;
	if (args->control.listen_fd >= 0)
		return shut_in(&args->control, err) && control_run(&args->control, err);
	return shut_in_probe(&args->probe, err) && stream_probe_run(&args->probe, err);
}

int main(int argc, char **argv)
{
	struct args args = {
		.control = { .listen_fd = -1,
			     .startup_ms = STARTUP_MS,
			     .linger_ms = LINGER_MS,
			     .alone_ms = ALONE_MS,
			     .stand_ms = STAND_MS },
		.probe = { .probe_fd = -1, .link_fd = -1 },
	};
	struct err err = { .code = ERR_NONE };
	int rc = parse_options(argc, argv, &args);

	(void)signal(SIGPIPE, SIG_IGN);
	if (rc == 1 && !stdout_end(&err)) {
		fprintf(stderr, "migrd-stream: %s\n", err.msg);
		return err_exit_code(err.code);
	}
	if (rc != 0)
		return rc - 1;
	if (run(&args, &err))
		/* Threads may be in the middle of anything: no destructor may take
		 * GnuTLS away from them. */
		_exit(0);
	log_error("stream", "exit", "reason=%s", err.msg);
	_exit(1);
}
