/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A swtpm that is not recorded is found by its command line. */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

#define CMDLINE_MAX 65536
#define LOST_MS     1000

char *qemu_tpm_state_argument(const char *state)
{
	return xasprintf("dir=%s,mode=0600", state);
}

/* /proc/PID/cmdline: each argument ends in a NUL. */
static bool has_argument(const char *pid, const char *argument)
{
	CLEANUP(free_charp) char *dir = xasprintf("/proc/%s", pid);
	CLEANUP(free_charp) char *path = xasprintf("%s/cmdline", dir);
	CLEANUP(free_charp) char *text = NULL;
	struct stat st;
	struct err ignored;
	size_t len;

	if (stat(dir, &st) < 0 || st.st_uid != geteuid() ||
	    !file_read(path, CMDLINE_MAX, &text, &len, &ignored))
		return false;
	for (const char *at = text; at < text + len; at += strlen(at) + 1) {
		if (strcmp(at, argument) == 0)
			return true;
	}
	return false;
}

/* Its number may be another process's by now, so it is looked at again. */
static void end_lost(const char *pid, const char *argument)
{
	CLEANUP(closep) int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	if (fd < 0 || !has_argument(pid, argument))
		return;
	log_info("qemu", "tpm-lost", "pid=%s: a swtpm without its QEMU is ended", pid);
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
		poll(&end, 1, LOST_MS);
}

void qemu_tpm_end_lost_blocking(const char *dir)
{
	CLEANUP(free_charp) char *argument = qemu_tpm_state_argument(dir);
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_argument(entry->d_name, argument))
			end_lost(entry->d_name, argument);
	}
	if (proc)
		closedir(proc);
}
