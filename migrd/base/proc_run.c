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
static bool make_words(int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, WORDS_BYTES) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)
		return err_errno(err, "cannot make a file in memory");
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* The last line of TEXT, which is cut there. */
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

/* PIDFD -1: it had ended before it could be watched. */
static bool judge(const struct proc_args *args, int pidfd, int words, struct err *err)
{
	char text[WORDS_BYTES + 1] = "";
	const char *line;
	siginfo_t info = { 0 };
	bool is_reaped = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0;

	if (pread(words, text, WORDS_BYTES, 0) < 0)
		text[0] = '\0';
	line = last_line(text);
	if (is_reaped ? !*line : info.si_code == CLD_EXITED && info.si_status == 0)
		return true;
	if (is_reaped)
		return err_set(err, ERR_INTERNAL, "'%s' says: %s", args->argv[0], line);
	return err_set(err, ERR_INTERNAL, "'%s' ended by %s %d: %s", args->argv[0],
		       info.si_code == CLD_EXITED ? "status" : "signal", info.si_status,
		       *line ? line : "it said nothing");
}

bool proc_run_blocking(const struct proc_args *args, uint32_t timeout_ms, struct err *err)
{
	struct proc_args with_words = *args;
	CLEANUP(closep) int words = -1, pidfd = -1;
	struct proc_id id;

	if (!make_words(&words, err))
		return false;
	with_words.output_fd = words;
	if (!proc_spawn(&with_words, &id, err))
		return err->code == ERR_NOT_FOUND && judge(args, -1, words, err);
	pidfd = (int)syscall(SYS_pidfd_open, id.pid, 0);
	if (pidfd < 0 && errno == ESRCH)
		return judge(args, -1, words, err);
	if (pidfd < 0) {
		err_errno(err, "cannot watch '%s'", args->argv[0]);
		kill(id.pid, SIGKILL);
		waitpid(id.pid, NULL, 0);
		return false;
	}
	if (wait_end(pidfd, timeout_ms))
		return judge(args, pidfd, words, err);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (wait_end(pidfd, KILL_PATIENCE_MS))
		waitpid(id.pid, NULL, 0);
	return err_set(err, ERR_TIMEOUT, "'%s' did not end in %u ms, and was killed", args->argv[0],
		       timeout_ms);
}
