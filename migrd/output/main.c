/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-output: keeps what one QEMU prints in a log of bounded size.
 *
 * A coordinator starts it together with the QEMU and gives it the reading end of a
 * pipe; it ends when the last writer has closed.  So the log is kept while the
 * coordinator is away, and has the last words of a QEMU that died meanwhile.  The
 * writing end does not block: a QEMU that prints faster than this reads loses
 * output and never waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stdout.h"
#include "output/rotate.h"

/* Limits a QEMU that prints without end, so that it does not keep the disk busy. */
#define BYTES_PER_S (1u << 20)
#define CHUNK       16384
#define LOG_FD      3

struct args {
	int fd;
	uint64_t size;
	const char *path;
};

static const char usage[] = "usage: migrd-output --fd N --size BYTES FILE\n"
			    "Keeps what a QEMU prints.  Started by migrd(8), not by people.\n"
			    "  --fd N        the reading end of a pipe\n"
			    "  --size BYTES  of FILE and FILE.1 together, 8192 or more\n";

static bool parse_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && end != text && !*end && text[0] != '-';
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "size", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t fd = 0;
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h' || c == 'v') {
			fputs(c == 'h' ? usage : PACKAGE_STRING "\n", stdout);
			return 0;
		}
		ok = (c == 'f' && parse_number(optarg, &fd)) ||
		     (c == 's' && parse_number(optarg, &args->size));
	}
	if (!ok || optind + 1 != argc || fd <= STDERR_FILENO || fd > INT32_MAX ||
	    args->size < ROTATE_SIZE_MIN) {
		fputs(usage, stderr);
		return 2;
	}
	args->fd = (int)fd;
	args->path = argv[optind];
	return -1;
}

/* Closes whatever descriptors the coordinator has left open, so that none lives on in here. */
static bool shut_in(struct args *args)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)signal(SIGXFSZ, SIG_IGN);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (args->fd != LOG_FD && dup2(args->fd, LOG_FD) < 0)
		return false;
	args->fd = LOG_FD;
	return close_range(LOG_FD + 1, ~0u, 0) == 0;
}

/* Waits for the rest of this second, or until the last writer has closed. */
static void wait_for_second(int fd, uint64_t since_ms)
{
	struct pollfd hangup = { .fd = fd };
	uint64_t spent_ms = clock_monotonic_ms() - since_ms;

	if (spent_ms < 1000)
		(void)poll(&hangup, 1, (int)(1000 - spent_ms));
}

static void keep(int fd, struct rotate *log)
{
	char buf[CHUNK];
	uint64_t since_ms = clock_monotonic_ms(), bytes = 0;
	bool is_said = false;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno != EINTR)
			return;
		if (n < 0)
			continue;
		rotate_write(log, buf, (size_t)n);
		bytes += (uint64_t)n;
		if (clock_monotonic_ms() - since_ms < 1000 && bytes < BYTES_PER_S)
			continue;
		if (bytes >= BYTES_PER_S) {
			if (!is_said)
				rotate_say(log, "it prints more than 1 MiB/s: some of it is lost");
			wait_for_second(fd, since_ms);
		}
		is_said = bytes >= BYTES_PER_S;
		bytes = 0;
		since_ms = clock_monotonic_ms();
	}
}

int main(int argc, char **argv)
{
	struct args args = { 0 };
	struct rotate log;
	int status = parse_options(argc, argv, &args);
	struct err err;

	(void)signal(SIGPIPE, SIG_IGN);
	if (status == 0 && !stdout_end(&err)) {
		fprintf(stderr, "migrd-output: %s\n", err.msg);
		return err_exit_code(err.code);
	}
	if (status >= 0)
		return status;
	if (!shut_in(&args))
		return 1;
	rotate_init(&log, args.path, args.size);
	keep(args.fd, &log);
	rotate_fini(&log);
	return 0;
}
