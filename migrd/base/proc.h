/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/proc.h -- child processes that may outlive us.
 *
 * A process is named by its pid together with its start time, so that a
 * recycled pid is never mistaken for it.  Its end is seen on a pidfd, which
 * fires at exit, not at reaping (pidfd_open(2)).  Thread: any for what starts, finds or runs
 * one; the loop for what watches one.
 */
#ifndef MIGRD_BASE_PROC_H
#define MIGRD_BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

struct proc_id {
	pid_t pid;           /* 0: none */
	uint64_t start_time; /* clock ticks since boot, field 22 of /proc/PID/stat */
};

struct proc_args {
	const char *const *argv; /* argv[0] is looked up in PATH */
	const int *keep_fds;     /* stay open in the child under the same numbers */
	size_t keep_fd_count;
	const char *log_path; /* stdout and stderr are appended there; NULL: inherited */
	int output_fd;        /* stdout and stderr, instead of LOG_PATH; 0: none */
	bool in_session;      /* of ours, in a group of its own; not in a session of its own */
};

/* Starts a process in a session of its own, stdin from /dev/null, signals at
 * their defaults. */
bool proc_spawn(const struct proc_args *args, struct proc_id *ret_id, struct err *err);
/* Runs a program to its end, which is success if its status is 0; it is killed after TIMEOUT_MS,
 * with all that it has started in its group. Where SIGCHLD is ignored, as by the daemon, the kernel
 * keeps no status, and a shell (sh) runs the program and notes it: 128 and more is a signal then,
 * 127 a program that is not there.  The descriptors to keep are ARGS'; its output is not, since the
 * error has its last line.  INTERNAL: it cannot be started, or failed; TIMEOUT. */
bool proc_run_blocking(const struct proc_args *args, uint32_t timeout_ms, struct err *err);
/* The same for a program that tells something: *RET_TEXT, which the caller frees, is what it
 * prints. It can print MAX_BYTES. */
bool proc_run_output_blocking(const struct proc_args *args, uint32_t timeout_ms, size_t max_bytes,
			      char **ret_text, struct err *err);
/* The id of a running process; NOT_FOUND if there is none.  Any other error, as when no descriptor
 * is free, says nothing about it. */
bool proc_identify(pid_t pid, struct proc_id *ret_id, struct err *err);

struct proc;
/* STATUS as from waitpid(2), or -1 for a process that is not our child. */
typedef void proc_exit_fn(void *data, int status);

/* Watches a process; FN is called once, when it ends.  It is called even for a
 * child of ours that has ended already, if it is not reaped yet, so that nothing is
 * missed between start and watch.  NOT_FOUND when ID names no such process. */
struct proc *proc_watch(struct loop *loop, struct proc_id id, proc_exit_fn *fn, void *data,
			struct err *err);
/* Sends the signal by the pidfd, so that it never hits another process. */
void proc_kill(struct proc *proc, int signo);
void proc_free(struct proc *proc); /* does not end the process */

/* How long the thread TID of the process PID has had a CPU, in microseconds: the first number of
 * its schedstat (Documentation/scheduler/sched-stats.rst of Linux; a kernel with KVM has it).  What
 * a vCPU ran in the guest is part of it.  NOT_FOUND: there is no such thread, or no such file. */
bool proc_thread_cpu_us(pid_t pid, pid_t tid, uint64_t *ret_us, struct err *err);

#define PROC_STAT_FIELDS 25
/* Fields 4 to 24 of /proc/PID/stat (proc(5)), each at its number; negative ones are as uint64_t.
 * They are counted from the last ')', as the name in field 2 may hold anything. */
bool proc_parse_stat(const char *text, uint64_t ret_fields[PROC_STAT_FIELDS]);
/* What a process has used: utime and stime, rss and the age of /proc/PID/stat (proc(5)).  Huge
 * pages are no part of it.  NOT_FOUND: there is no such process any more. */
struct proc_use {
	uint64_t cpu_ms, resident_mib;
	uint64_t lived_ms; /* since its start */
};
bool proc_use(struct proc_id id, struct proc_use *ret_use, struct err *err);

/* The kernel's boot id: tells a power loss from a daemon crash. */
const char *proc_boot_id(void);

/* The memory that programs of this host can have, MemAvailable of /proc/meminfo (proc(5));
 * UINT64_MAX when the kernel does not tell, so that nothing is refused only because the figure is
 * missing.  Thread: any. */
uint64_t proc_available_mib(void);

#endif
