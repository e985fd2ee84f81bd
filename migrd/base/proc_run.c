/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a small program to its end, off the loop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"

#define WORDS_BYTES 4096
/* A process that storage holds in the kernel does not even end by SIGKILL. */
#define KILL_PATIENCE_MS 2000

/* A file in memory that does not grow, for what the program prints: nobody has to read it while
 * the program runs, and the program cannot fill the memory. */
static bool make_words(size_t max_bytes, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)max_bytes) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)
		return err_errno(err, "cannot make a file in memory");
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* The last line of TEXT, whose newlines at its end are cut off. */
static const char *last_line(char *text)
{
	size_t len = strlen(text);
	const char *newline;

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

/* False: the process has not ended by then. */
static bool wait_end(int pidfd, uint32_t timeout_ms)
{
	uint64_t end_ms = clock_monotonic_ms() + timeout_ms;
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	int ready;

	do {
		uint64_t now_ms = clock_monotonic_ms();

		ready = poll(&poll_fd, 1, now_ms < end_ms ? (int)(end_ms - now_ms) : 0);
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

/* TEXT has room for MAX bytes and their end, and ends at the first byte that was not printed. */
static void read_words(int words, char *text, size_t max)
{
	ssize_t n = pread(words, text, max, 0);

	text[n > 0 ? n : 0] = '\0';
}

/* ---- how it ended ---------------------------------------------------------------------- */

/* The kernel then keeps the status of no child (wait(2)). */
static bool is_status_lost(void)
{
	struct sigaction now;

	return sigaction(SIGCHLD, NULL, &now) == 0 &&
	       (now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT));
}

/* A shell has its signals at their defaults (proc_spawn()), so it hears how the program ends, and
 * writes it to a file of its own: dash knows no descriptor of two digits, so it is opened by its
 * name.  A program that a signal has ended has 128 and more. */
static const char tell_status[] = "\"$@\"; echo $? >>/proc/self/fd/$0";

struct teller {
	int fd; /* the status is written there; -1: nobody writes it, the kernel keeps it */
	char number[12];
	const char **argv;
	int *keep_fds;
};

static void teller_fini(struct teller *teller)
{
	closep(&teller->fd);
	free(teller->argv);
	free(teller->keep_fds);
}

/* Runs the program of ARGS by such a shell. */
static bool make_teller(struct proc_args *args, struct teller *teller, struct err *err)
{
	size_t count = 0;

	teller->fd = memfd_create("status", MFD_CLOEXEC);
	if (teller->fd < 0)
		return err_errno(err, "cannot make a file in memory");
	snprintf(teller->number, sizeof(teller->number), "%d", teller->fd);
	while (args->argv[count])
		count++;
	teller->argv = xcalloc(count + 5, sizeof(*teller->argv));
	teller->argv[0] = "sh";
	teller->argv[1] = "-c";
	teller->argv[2] = tell_status;
	teller->argv[3] = teller->number;
	memcpy(teller->argv + 4, args->argv, count * sizeof(*teller->argv));
	teller->keep_fds = xcalloc(args->keep_fd_count + 1, sizeof(*teller->keep_fds));
	if (args->keep_fd_count)
		memcpy(teller->keep_fds, args->keep_fds,
		       args->keep_fd_count * sizeof(*teller->keep_fds));
	teller->keep_fds[args->keep_fd_count] = teller->fd;
	args->argv = teller->argv;
	args->keep_fds = teller->keep_fds;
	args->keep_fd_count++;
	return true;
}

enum { ENDED_BY_STATUS, ENDED_BY_SIGNAL, ENDED_UNKNOWN };

/* PIDFD -1: it had ended before it could be watched. */
static int how_ended(int pidfd, const struct teller *teller, int *ret_number)
{
	siginfo_t info = { 0 };
	char text[12] = "";

	*ret_number = 0;
	if (teller->fd >= 0) {
		read_words(teller->fd, text, sizeof(text) - 1);
		*ret_number = (int)strtol(text, NULL, 10);
		return strchr(text, '\n') ? ENDED_BY_STATUS : ENDED_UNKNOWN;
	}
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
		return ENDED_UNKNOWN;
	*ret_number = info.si_status;
	return info.si_code == CLD_EXITED ? ENDED_BY_STATUS : ENDED_BY_SIGNAL;
}

static bool judge(const char *program, int pidfd, int words, const struct teller *teller,
		  struct err *err)
{
	static const char *const ways[] = {
		[ENDED_BY_STATUS] = "status",
		[ENDED_BY_SIGNAL] = "signal",
	};
	char text[WORDS_BYTES + 1] = "";
	int number, way = how_ended(pidfd, teller, &number);
	const char *line;

	if (way == ENDED_BY_STATUS && number == 0)
		return true;
	read_words(words, text, WORDS_BYTES);
	line = last_line(text);
	if (!*line)
		line = "it said nothing";
	if (way == ENDED_UNKNOWN)
		return err_set(err, ERR_INTERNAL, "'%s' was killed: %s", program, line);
	return err_set(err, ERR_INTERNAL, "'%s' ended by %s %d: %s", program, ways[way], number,
		       line);
}

/* ---- the run ----------------------------------------------------------------------------- */

/* PROGRAM is what errors call it. */
static bool run_to_end(const char *program, const struct proc_args *args, uint32_t timeout_ms,
		       const struct teller *teller, struct err *err)
{
	CLEANUP(closep) int pidfd = -1;
	struct err start_err;
	struct proc_id id;

	if (!proc_spawn(args, &id, &start_err)) {
		/* It has ended already, and left nothing behind but what was written. */
		if (start_err.code == ERR_NOT_FOUND && teller->fd >= 0)
			return judge(program, -1, args->output_fd, teller, err);
		*err = start_err;
		return false;
	}
	pidfd = (int)syscall(SYS_pidfd_open, id.pid, 0);
	if (pidfd < 0 && errno == ESRCH)
		return judge(program, -1, args->output_fd, teller, err);
	if (pidfd < 0) {
		err_errno(err, "cannot watch '%s'", program);
		kill(-id.pid, SIGKILL);
		waitpid(id.pid, NULL, 0);
		return false;
	}
	if (wait_end(pidfd, timeout_ms))
		return judge(program, pidfd, args->output_fd, teller, err);
	/* It leads a group of its own, with what it has started. */
	kill(-id.pid, SIGKILL);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (wait_end(pidfd, KILL_PATIENCE_MS))
		waitpid(id.pid, NULL, 0);
	return err_set(err, ERR_TIMEOUT, "'%s' did not end in %u ms, and was killed", program,
		       timeout_ms);
}

/* What it prints goes to WORDS. */
static bool run(const struct proc_args *args, uint32_t timeout_ms, int words, struct err *err)
{
	struct teller teller = { .fd = -1 };
	struct proc_args with_words = *args;
	bool ok;

	with_words.output_fd = words;
	ok = (!is_status_lost() || make_teller(&with_words, &teller, err)) &&
	     run_to_end(args->argv[0], &with_words, timeout_ms, &teller, err);
	teller_fini(&teller);
	return ok;
}

bool proc_run_blocking(const struct proc_args *args, uint32_t timeout_ms, struct err *err)
{
	CLEANUP(closep) int words = -1;

	return make_words(WORDS_BYTES, &words, err) && run(args, timeout_ms, words, err);
}

bool proc_run_output_blocking(const struct proc_args *args, uint32_t timeout_ms, size_t max_bytes,
			      char **ret_text, struct err *err)
{
	CLEANUP(closep) int words = -1;

	if (!make_words(max_bytes, &words, err) || !run(args, timeout_ms, words, err))
		return false;
	*ret_text = xcalloc(1, max_bytes + 1);
	read_words(words, *ret_text, max_bytes);
	return true;
}
