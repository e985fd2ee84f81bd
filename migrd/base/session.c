/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/session.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define KILL_MS     2000
#define MEMBERS_MAX 512 /* at a time; the others are found when those have ended */
#define STAT_MAX    4096
#define ENVIRON_MAX (1u << 20)

/* Who is in it now, by pidfds. */
struct members {
	struct pollfd fds[MEMBERS_MAX];
	size_t count;
	bool is_marked;
	bool is_blind; /* some may not have been seen: no descriptor was free */
};

static void members_clear(struct members *members)
{
	for (size_t i = 0; i < members->count; i++)
		close(members->fds[i].fd);
	members->count = 0;
}

static bool is_want(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* A file of a process, which may end meanwhile. */
static bool read_of(struct members *members, const char *path, size_t max, char **ret_text,
		    size_t *ret_len)
{
	struct err ignored;

	errno = 0;
	if (file_read(path, max, ret_text, ret_len, &ignored))
		return true;
	members->is_blind = members->is_blind || is_want(errno);
	return false;
}

/* False: there is no such process, or it has ended.  Fields 3 and 6 of its stat. */
static bool session_of(struct members *members, pid_t pid, pid_t *ret)
{
	CLEANUP(free_charp) char *text = NULL;
	char path[64], state;
	const char *p;
	size_t len;
	int parent, group, session;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_of(members, path, STAT_MAX, &text, &len) || !(p = strrchr(text, ')')) ||
	    sscanf(p, ") %c %d %d %d", &state, &parent, &group, &session) != 4)
		return false;
	*ret = session;
	return state != 'Z' && state != 'X';
}

static bool has_mark(struct members *members, pid_t pid, const char *mark)
{
	CLEANUP(free_charp) char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	if (!read_of(members, path, ENVIRON_MAX, &text, &len))
		return false;
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		if (strcmp(text + at, mark) == 0)
			return true;
	return false;
}

/* What was opened by the number of a process that has ended since is another one: looked at twice.
 */
static void add(struct members *members, pid_t pid, pid_t session, const char *mark)
{
	pid_t found;
	int fd;

	if (pid == getpid() || members->count == MEMBERS_MAX || !session_of(members, pid, &found) ||
	    found != session)
		return;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		members->is_blind = members->is_blind || is_want(errno);
		return;
	}
	if (!session_of(members, pid, &found) || found != session) {
		close(fd);
		return;
	}
	members->is_marked = members->is_marked || has_mark(members, pid, mark);
	members->fds[members->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void find(struct members *members, pid_t session, const char *mark)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	members_clear(members);
	members->is_blind = !proc;
	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			add(members, (pid_t)strtol(entry->d_name, NULL, 10), session, mark);
	if (proc)
		closedir(proc);
}

static bool has_ended(struct pollfd *fd, uint64_t until_ms)
{
	const uint64_t now_ms = clock_monotonic_ms();

	return poll(fd, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0) == 1;
}

/* How many are left then; what the ended ones have started meanwhile is ended too. */
static size_t end_by(struct members *members, pid_t session, const char *mark, int signo,
		     uint32_t ms)
{
	const uint64_t until_ms = clock_monotonic_ms() + ms;
	size_t left = 0;

	while (members->count && !left && !members->is_blind) {
		for (size_t i = 0; i < members->count; i++)
			syscall(SYS_pidfd_send_signal, members->fds[i].fd, signo, NULL, 0);
		for (size_t i = 0; i < members->count; i++)
			left += !has_ended(&members->fds[i], until_ms);
		find(members, session, mark);
	}
	return members->count;
}

static struct members *members_of(struct proc_id leader, const char *mark)
{
	struct members *members = xnew(struct members);
	struct proc_id found;
	struct err gone;

	if (!proc_identify(leader.pid, &found, &gone))
		members->is_blind = gone.code != ERR_NOT_FOUND;
	else if (found.start_time != leader.start_time)
		return members;
	if (!members->is_blind)
		find(members, leader.pid, mark);
	if (!members->is_marked)
		members_clear(members);
	return members;
}

static bool is_seen(const struct members *members, struct err *err)
{
	return !members->is_blind ||
	       err_set(err, ERR_LIMIT,
		       "this process has no descriptor left to look at the processes of the host");
}

static void members_free(struct members *members)
{
	members_clear(members);
	free(members);
}

bool session_count_blocking(struct proc_id leader, const char *mark, size_t *ret, struct err *err)
{
	struct members *members = members_of(leader, mark);
	bool ok = is_seen(members, err);

	if (ok)
		*ret = members->count;
	members_free(members);
	return ok;
}

bool session_end_blocking(struct proc_id leader, const char *mark, uint32_t term_ms, size_t *ret,
			  struct err *err)
{
	struct members *members = members_of(leader, mark);
	size_t left;
	bool ok;

	end_by(members, leader.pid, mark, SIGTERM, term_ms);
	left = end_by(members, leader.pid, mark, SIGKILL, KILL_MS);
	ok = is_seen(members, err);
	if (ok)
		*ret = left;
	members_free(members);
	return ok;
}
