/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a small program to its end, off the loop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

const char *proc_last_line(char *text)
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

/* PIDFD -1: it had ended before it could be watched.  IS_SILENT: it says nothing if all is well. */
static bool judge(const struct proc_args *args, int pidfd, int words, bool is_silent,
		  struct err *err)
{
	char text[WORDS_BYTES + 1] = "";
	const char *line;
	siginfo_t info = { 0 };
	bool is_reaped = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0;

	read_words(words, text, WORDS_BYTES);
	line = proc_last_line(text);
	if (is_reaped ? !*line || !is_silent : info.si_code == CLD_EXITED && info.si_status == 0)
		return true;
	if (is_reaped)
		return err_set(err, ERR_INTERNAL, "'%s' says: %s", args->argv[0], line);
	return err_set(err, ERR_INTERNAL, "'%s' ended by %s %d: %s", args->argv[0],
		       info.si_code == CLD_EXITED ? "status" : "signal", info.si_status,
		       *line ? line : "it said nothing");
}

/* What it prints goes to WORDS. */
static bool run(const struct proc_args *args, uint32_t timeout_ms, int words, bool is_silent,
		struct err *err)
{
	struct proc_args with_words = *args;
	CLEANUP(closep) int pidfd = -1;
	struct proc_id id;

	with_words.output_fd = words;
	if (!proc_spawn(&with_words, &id, err))
		return err->code == ERR_NOT_FOUND && judge(args, -1, words, is_silent, err);
	pidfd = (int)syscall(SYS_pidfd_open, id.pid, 0);
	if (pidfd < 0 && errno == ESRCH)
		return judge(args, -1, words, is_silent, err);
	if (pidfd < 0) {
		err_errno(err, "cannot watch '%s'", args->argv[0]);
		kill(id.pid, SIGKILL);
		waitpid(id.pid, NULL, 0);
		return false;
	}
	if (wait_end(pidfd, timeout_ms))
		return judge(args, pidfd, words, is_silent, err);
	/* It leads a group of its own, with what it has started. */
	kill(-id.pid, SIGKILL);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (wait_end(pidfd, KILL_PATIENCE_MS))
		waitpid(id.pid, NULL, 0);
	return err_set(err, ERR_TIMEOUT, "'%s' did not end in %u ms, and was killed", args->argv[0],
		       timeout_ms);
}

bool proc_run_blocking(const struct proc_args *args, uint32_t timeout_ms, struct err *err)
{
	CLEANUP(closep) int words = -1;

	return make_words(WORDS_BYTES, &words, err) && run(args, timeout_ms, words, true, err);
}

bool proc_run_output_blocking(const struct proc_args *args, uint32_t timeout_ms, size_t max_bytes,
			      char **ret_text, struct err *err)
{
	CLEANUP(closep) int words = -1;

	if (!make_words(max_bytes, &words, err) || !run(args, timeout_ms, words, false, err))
		return false;
	*ret_text = xcalloc(1, max_bytes + 1);
	read_words(words, *ret_text, max_bytes);
	return true;
}
