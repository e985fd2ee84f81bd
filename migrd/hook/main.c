/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-hook: runs one hook of a host, once, and writes down how it ended.
 *
 * A coordinator starts it, and may be stopped, started anew or replaced meanwhile, by the hook too:
 * so this one keeps the deadline, and what it has to say is in a file (hook/files.h).  Of two that
 * are started for the same hook one ends without having done anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/stdout.h"
#include "hook/files.h"
#include "wire/hook.h"

/* From SIGTERM to SIGKILL, at the deadline. */
#define TERM_MS 5000
/* A process that storage holds in the kernel does not even end by SIGKILL. */
#define KILL_MS 2000
/* What a program has printed is read to the end, unless something that it left behind prints on. */
#define DRAIN_MAX   (1u << 20)
#define CHUNK       4096
#define WORDS_MAX   64 /* of a command */
#define TIMEOUT_MAX 1000000

struct args {
	const char *dir, *id, *name, *boot_id, *process, *only_if, *command;
	uint64_t timeout_s;
};

static const char usage[] =
	"usage: migrd-hook --dir DIR --id ID --name NAME --boot ID --process NAME\n"
	"                  --timeout SECONDS [--only-if COMMAND] [COMMAND]\n"
	"Runs a hook of the host.  Started by migrd(8), not by people.\n"
	"  --dir DIR          where it says who runs it, and how it ended\n"
	"  --id ID            of the run\n"
	"  --name NAME        of the hook\n"
	"  --boot ID          boot id of the host\n"
	"  --process NAME     of the coordinator that starts it\n"
	"  --timeout SECONDS  deadline, from now on\n"
	"  --only-if COMMAND  run first: status 0 is needed, 1 is not\n";

static bool parse_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && end != text && !*end && text[0] != '-' && *ret > 0 && *ret <= TIMEOUT_MAX;
}

static bool is_complete(const struct args *args, int left)
{
	return (left == 1 || (left == 0 && args->only_if)) && args->dir && args->id &&
	       hook_id_is_valid(args->id) && args->name && args->boot_id &&
	       id_uuid_is_valid(args->boot_id) && args->process && args->timeout_s;
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "id", required_argument, NULL, 'i' },
		{ "name", required_argument, NULL, 'n' },
		{ "boot", required_argument, NULL, 'b' },
		{ "process", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ "only-if", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	const char **const texts[] = { ['d'] = &args->dir,
				       ['i'] = &args->id,
				       ['n'] = &args->name,
				       ['b'] = &args->boot_id,
				       ['p'] = &args->process,
				       ['o'] = &args->only_if,
				       [127] = NULL };
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h' || c == 'v') {
			fputs(c == 'h' ? usage : PACKAGE_STRING "\n", stdout);
			return 0;
		}
		if (c == 't')
			ok = parse_number(optarg, &args->timeout_s);
		else if (c > 0 && c < 127 && texts[c])
			*texts[c] = optarg;
		else
			ok = false;
	}
	if (!ok || !is_complete(args, argc - optind)) {
		fputs(usage, stderr);
		return 2;
	}
	args->command = argv[optind]; /* NULL: only to see whether it is needed */
	return -1;
}

/* ---- a program ------------------------------------------------------------------- */

/* Keeps the last HOOK_OUTPUT_MAX bytes. */
static void keep(struct hook_end *end, const char *data, size_t len)
{
	size_t room = HOOK_OUTPUT_MAX - end->output_len, drop;

	if (len > HOOK_OUTPUT_MAX) {
		data += len - HOOK_OUTPUT_MAX;
		len = HOOK_OUTPUT_MAX;
	}
	drop = len > room ? len - room : 0;
	memmove(end->output, end->output + drop, end->output_len - drop);
	end->output_len -= drop;
	memcpy(end->output + end->output_len, data, len);
	end->output_len += len;
}

/* False: nothing is there now, or no writer any more. */
static bool read_some(int fd, struct hook_end *end, size_t *ret_len)
{
	char chunk[CHUNK];
	ssize_t len = read(fd, chunk, sizeof(chunk));

	if (len <= 0)
		return len < 0 && errno == EINTR;
	keep(end, chunk, (size_t)len);
	*ret_len += (size_t)len;
	return true;
}

static void drain(int fd, struct hook_end *end)
{
	size_t len = 0;

	while (len < DRAIN_MAX && read_some(fd, end, &len))
		;
}

/* False: it has not ended by then. */
static bool wait_end(int pidfd, int out, uint64_t until_ms, struct hook_end *end)
{
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
				{ .fd = out, .events = POLLIN } };
	uint64_t now_ms;
	size_t len = 0;

	while ((now_ms = clock_monotonic_ms()) < until_ms) {
		const uint64_t left_ms = until_ms - now_ms;

		if (poll(fds, 2, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX) < 0)
			continue;
		/* No writer is left: its end comes, or it runs on without. */
		if (fds[1].revents && !read_some(out, end, &len))
			fds[1].fd = -1;
		if (fds[0].revents)
			return true;
	}
	return false;
}

/* The whole group is ended, and nothing of it is waited for but the program. */
static void end_group(pid_t pid, int pidfd, int out, struct hook_end *end)
{
	kill(-pid, SIGTERM);
	wait_end(pidfd, out, clock_monotonic_ms() + TERM_MS, end);
	kill(-pid, SIGKILL);
	wait_end(pidfd, out, clock_monotonic_ms() + KILL_MS, end);
}

static void take_status(pid_t pid, struct hook_end *end)
{
	int status = 0;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	end->how = WIFEXITED(status) ? HOOK_HOW_EXITED : HOOK_HOW_KILLED;
	end->number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static void watch(const struct args *args, pid_t pid, int out, uint64_t until_ms,
		  struct hook_end *end)
{
	CLEANUP(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (wait_end(pidfd, out, until_ms, end)) {
		drain(out, end);
		take_status(pid, end);
		return;
	}
	end_group(pid, pidfd, out, end);
	drain(out, end);
	end->how = HOOK_HOW_LATE;
	end->number = (int)args->timeout_s;
}

/* As the configuration has it: blanks divide, and nothing else means anything. */
static bool split(char *text, const char *argv[WORDS_MAX + 1])
{
	size_t count = 0;
	char *word;

	while ((word = strsep(&text, " \t"))) {
		if (!*word)
			continue;
		if (count == WORDS_MAX)
			return false;
		argv[count++] = word;
	}
	return count > 0;
}

static void not_started(struct hook_end *end, const char *why)
{
	end->how = HOOK_HOW_NOT_STARTED;
	keep(end, why, strlen(why));
}

/* A boot that comes now is the program's, and not one in which it was only about to begin. */
static void note_begun(const struct args *args)
{
	static const struct hook_end begun = { .how = HOOK_HOW_BEGUN };
	struct err unknown_then;

	hook_files_write_end(args->dir, args->id, &begun, &unknown_then);
}

static void run(const struct args *args, const char *command, uint64_t until_ms,
		struct hook_end *end)
{
	CLEANUP(free_charp) char *text = xstrdup(command);
	CLEANUP(closep) int out = -1;
	const char *argv[WORDS_MAX + 1] = { NULL };
	struct proc_id id = { 0 };
	struct err err;
	int fds[2];
	bool ok;

	*end = (struct hook_end){ 0 };
	if (!split(text, argv) || pipe2(fds, O_CLOEXEC) < 0) {
		not_started(end, "it has too many arguments, or no pipe can be made");
		return;
	}
	out = fds[0];
	(void)fcntl(out, F_SETFL, O_NONBLOCK);
	/* In this session, so that it is found also when this process was ended from outside. */
	ok = proc_spawn(&(struct proc_args){ .argv = argv,
					     .output_fd = fds[1],
					     .in_session = true },
			&id, &err);
	close(fds[1]);
	if (ok && command == args->command)
		note_begun(args);
	if (ok)
		watch(args, id.pid, out, until_ms, end);
	else
		not_started(end, err.msg);
}

/* False: END says why the program is not to be run. */
static bool is_needed(const struct args *args, uint64_t until_ms, struct hook_end *end)
{
	if (!args->only_if)
		return true;
	run(args, args->only_if, until_ms, end);
	if (end->how == HOOK_HOW_EXITED && end->number == 0)
		return true;
	if (end->how == HOOK_HOW_EXITED && end->number == 1) {
		end->how = HOOK_HOW_NOT_NEEDED;
	} else if (end->how == HOOK_HOW_EXITED || end->how == HOOK_HOW_KILLED) {
		end->number = end->how == HOOK_HOW_EXITED ? end->number : -1;
		end->how = HOOK_HOW_UNDECIDED;
	}
	return false;
}

/* ---- the whole hook ---------------------------------------------------------------- */

/* Nothing of the coordinator's lives on in here. */
static bool shut_in(const struct args *args)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	(void)signal(SIGXFSZ, SIG_IGN);
	return null >= 0 && close_range(STDERR_FILENO + 1, ~0u, 0) == 0 && chdir("/") == 0 &&
	       setenv("MIGRD_HOOK", args->name, 1) == 0 && setenv(HOOK_ENV_ID, args->id, 1) == 0;
}

static bool claim(const struct args *args)
{
	struct hook_runner runner;
	struct err err;

	snprintf(runner.boot_id, sizeof(runner.boot_id), "%s", args->boot_id);
	snprintf(runner.process, sizeof(runner.process), "%s", args->process);
	return proc_identify(getpid(), &runner.id, &err) &&
	       hook_files_claim(args->dir, args->id, &runner, &err);
}

int main(int argc, char **argv)
{
	struct args args = { 0 };
	int status = parse_options(argc, argv, &args);
	struct hook_end end;
	struct err err;
	uint64_t until_ms;

	if (status == 0 && !stdout_end(&err)) {
		fprintf(stderr, "migrd-hook: %s\n", err.msg);
		return err_exit_code(err.code);
	}
	if (status >= 0)
		return status;
	if (!shut_in(&args) || !claim(&args))
		return 1;
	until_ms = clock_monotonic_ms() + args.timeout_s * 1000;
	if (is_needed(&args, until_ms, &end) && args.command)
		run(&args, args.command, until_ms, &end);
	return hook_files_write_end(args.dir, args.id, &end, &err) ? 0 : 1;
}
