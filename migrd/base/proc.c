/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/proc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"

#define STAT_MAX_BYTES 4096

struct proc {
	struct proc_id id;
	int pidfd;
	struct loop_watch *watch;
	proc_exit_fn *fn;
	void *data;
};

/* ---- identity -------------------------------------------------------- */

/* Fields 3 and 22 of /proc/PID/stat (proc(5)); they are counted from the last
 * ')', as the name in field 2 may hold anything. */
static bool parse_stat(const char *text, char *ret_state, uint64_t *ret_start_time)
{
	const char *p = strrchr(text, ')');

	if (!p || p[1] != ' ')
		return false;
	*ret_state = p[2];
	for (int field = 2; field < 22; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return false;
	}
	return sscanf(p, "%" SCNu64, ret_start_time) == 1;
}

/* Works also for a process that has ended and is not reaped yet: STATE is then 'Z'.  One whose file
 * cannot be read, as when no descriptor is free, is not said to be gone. */
static bool read_stat(pid_t pid, struct proc_id *ret_id, char *ret_state, struct err *err)
{
	CLEANUP(free_charp) char *text = NULL;
	uint64_t start_time;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid <= 0 ||
	    (!file_read(path, STAT_MAX_BYTES, &text, &len, err) && access(path, F_OK) != 0))
		return err_set(err, ERR_NOT_FOUND, "there is no process %d", (int)pid);
	if (!text)
		return err_wrap(err, "cannot look at process %d", (int)pid);
	if (!parse_stat(text, ret_state, &start_time))
		return err_set(err, ERR_INTERNAL, "cannot understand '%s'", path);
	*ret_id = (struct proc_id){ .pid = pid, .start_time = start_time };
	return true;
}

bool proc_identify(pid_t pid, struct proc_id *ret_id, struct err *err)
{
	struct proc_id id;
	char state;

	if (!read_stat(pid, &id, &state, err))
		return false;
	if (state == 'Z' || state == 'X')
		return err_set(err, ERR_NOT_FOUND, "process %d has ended", (int)pid);
	*ret_id = id;
	return true;
}

/* ---- start ----------------------------------------------------------- */

static bool open_log(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, "cannot open log '%s'", path);
	*ret_fd = fd;
	return true;
}

/* The log is duplicated first: its own number may be one that a later step
 * replaces.  A dup onto the same number clears close-on-exec
 * (posix_spawn_file_actions_adddup2(3)). */
static int add_files(posix_spawn_file_actions_t *files, const struct proc_args *args, int log_fd)
{
	int rc = 0;

	if (args->output_fd)
		log_fd = args->output_fd;
	for (int fd = STDOUT_FILENO; log_fd >= 0 && fd <= STDERR_FILENO && rc == 0; fd++)
		rc = posix_spawn_file_actions_adddup2(files, log_fd, fd);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY,
						      0);
	for (size_t i = 0; i < args->keep_fd_count && rc == 0; i++) {
		assert(args->keep_fds[i] > STDERR_FILENO);
		rc = posix_spawn_file_actions_adddup2(files, args->keep_fds[i], args->keep_fds[i]);
	}
	return rc;
}

static int set_attributes(posix_spawnattr_t *attr, const struct proc_args *args)
{
	const int group = args->in_session ? POSIX_SPAWN_SETPGROUP : POSIX_SPAWN_SETSID;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(attr, 0);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, (short)(group | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSIGMASK));
	return rc;
}

/* posix_spawnp() takes argv without const, although it does not write to it. */
static char *const *mutable_argv(const char *const *argv)
{
	union {
		const char *const *in;
		char *const *out;
	} u = { .in = argv };

	return u.out;
}

/* Returns an errno value, as posix_spawn(3) does. */
static int spawn(const struct proc_args *args, int log_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc;

	if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attr) != 0)
		abort();
	rc = add_files(&files, args, log_fd);
	if (rc == 0)
		rc = set_attributes(&attr, args);
	if (rc == 0)
		rc = posix_spawnp(ret_pid, args->argv[0], &files, &attr, mutable_argv(args->argv),
				  environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

bool proc_spawn(const struct proc_args *args, struct proc_id *ret_id, struct err *err)
{
	CLEANUP(closep) int log_fd = -1;
	struct proc_id id;
	pid_t pid;
	char state;
	int rc;

	if (args->log_path && !open_log(args->log_path, &log_fd, err))
		return false;
	rc = spawn(args, log_fd, &pid);
	if (rc != 0) {
		errno = rc;
		return err_errno(err, "cannot start '%s'", args->argv[0]);
	}
	/* A child that has ended is still in /proc, unless SIGCHLD is ignored. */
	if (!read_stat(pid, &id, &state, err)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_wrap(err, "started '%s'", args->argv[0]);
	}
	*ret_id = id;
	return true;
}

/* ---- watch ----------------------------------------------------------- */

/* Reaps a child; -1 when it is not ours (or was reaped through another watch). */
static int reap(int pidfd)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return -1;
	if (info.si_code == CLD_EXITED)
		return W_EXITCODE(info.si_status, 0);
	return W_EXITCODE(0, info.si_status) | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

static void on_exit_seen(void *data, unsigned ready)
{
	struct proc *proc = data;

	(void)ready;
	loop_watch_set(proc->watch, 0);
	proc->fn(proc->data, reap(proc->pidfd));
}

/* Once the pidfd is open it keeps naming the same process, so only a start time
 * read afterwards proves that it is the one we mean. */
static bool open_pidfd(struct proc_id id, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct proc_id found;
	char state;

	if (id.pid > 0)
		fd = (int)syscall(SYS_pidfd_open, id.pid, 0);
	if (fd < 0 && id.pid > 0 && errno != ESRCH && errno != EINVAL)
		return err_errno(err, "cannot watch process %d", (int)id.pid);
	if (fd < 0)
		return err_set(err, ERR_NOT_FOUND, "there is no process %d", (int)id.pid);
	if (!read_stat(id.pid, &found, &state, err))
		return false;
	if (found.start_time != id.start_time)
		return err_set(err, ERR_NOT_FOUND, "process %d is another one now", (int)id.pid);
	*ret_fd = TAKE_FD(fd);
	return true;
}

struct proc *proc_watch(struct loop *loop, struct proc_id id, proc_exit_fn *fn, void *data,
			struct err *err)
{
	struct proc *proc;
	int fd = -1;

	if (!open_pidfd(id, &fd, err))
		return NULL;
	proc = xnew(struct proc);
	proc->id = id;
	proc->pidfd = fd;
	proc->fn = fn;
	proc->data = data;
	proc->watch = loop_watch_new(loop, fd, on_exit_seen, proc);
	loop_watch_set(proc->watch, LOOP_READ);
	return proc;
}

void proc_kill(struct proc *proc, int signo)
{
	/* ESRCH: the process has ended, which the watch tells. */
	syscall(SYS_pidfd_send_signal, proc->pidfd, signo, NULL, 0);
}

void proc_free(struct proc *proc)
{
	if (!proc)
		return;
	loop_watch_free(proc->watch);
	close(proc->pidfd);
	free(proc);
}

/* ---- boot id --------------------------------------------------------- */

static char boot_id[ID_UUID_SIZE];

static void read_boot_id(void)
{
	CLEANUP(free_charp) char *text = NULL;
	struct err err;
	size_t len;

	if (!file_read("/proc/sys/kernel/random/boot_id", 64, &text, &len, &err))
		return; /* "" equals only "", as if there had been no power loss */
	text[strcspn(text, "\n")] = '\0';
	if (id_uuid_is_valid(text))
		memcpy(boot_id, text, sizeof(boot_id));
}

const char *proc_boot_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_boot_id);
	return boot_id;
}

/* ---- CPU time ---------------------------------------------------------- */

bool proc_thread_cpu_us(pid_t pid, pid_t tid, uint64_t *ret_us, struct err *err)
{
	CLEANUP(free_charp) char *text = NULL;
	char path[64], *end;
	unsigned long long ns;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	if (!file_read(path, 256, &text, &len, err))
		return false;
	ns = strtoull(text, &end, 10);
	if (end == text)
		return err_set(err, ERR_NOT_FOUND, "'%s' has no number", path);
	*ret_us = ns / 1000;
	return true;
}

bool proc_parse_stat(const char *text, uint64_t ret_fields[PROC_STAT_FIELDS])
{
	const char *p = strrchr(text, ')');

	if (!p || p[1] != ' ' || !p[2])
		return false;
	p += 3;
	for (int field = 4; field < PROC_STAT_FIELDS; field++) {
		char *end;

		ret_fields[field] = (uint64_t)strtoll(p, &end, 10); /* some are negative */
		if (end == p)
			return false;
		p = end;
	}
	return true;
}

bool proc_use(struct proc_id id, struct proc_use *ret_use, struct err *err)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
	CLEANUP(free_charp) char *text = NULL;
	uint64_t fields[PROC_STAT_FIELDS] = { 0 }, started_ms, now_ms;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)id.pid);
	if (id.pid <= 0 || !file_read(path, STAT_MAX_BYTES, &text, &len, err) ||
	    !proc_parse_stat(text, fields) || fields[22] != id.start_time)
		return err_set(err, ERR_NOT_FOUND, "there is no process %d any more", (int)id.pid);
	started_ms = id.start_time * 1000 / hz;
	now_ms = clock_boot_ms();
	*ret_use = (struct proc_use){
		.cpu_ms = (fields[14] + fields[15]) * 1000 / hz,
		.resident_mib = fields[24] * page >> 20,
		.lived_ms = now_ms > started_ms ? now_ms - started_ms : 0,
	};
	return true;
}

/* ---- memory ---------------------------------------------------------- */

uint64_t proc_available_mib(void)
{
	CLEANUP(free_charp) char *text = NULL;
	const char *line;
	struct err ignored;
	size_t len;

	if (!file_read("/proc/meminfo", 65536, &text, &len, &ignored))
		return UINT64_MAX;
	line = strstr(text, "MemAvailable:");
	if (!line)
		return UINT64_MAX;
	return strtoull(line + strlen("MemAvailable:"), NULL, 10) / 1024;
}
