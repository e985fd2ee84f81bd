/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"

#define STAT_MAX_BYTES 4096
#define FDS            "/proc/self/fd"

/* Fields 20, 23 and 24 of proc_pid_stat(5).  The name, the second field, may have any characters.
 */
static bool parse(const char *text, struct process *ret)
{
	const char *rest = strrchr(text, ')');
	uint64_t pages;

	if (!rest || sscanf(rest,
			    ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
			    " %" SCNu64 " %*d %*u %" SCNu64 " %" SCNu64,
			    &ret->threads, &ret->virtual_bytes, &pages) != 3)
		return false;
	ret->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* For kernels that do not tell it. */
static uint64_t count_entries(void)
{
	DIR *dir = opendir(FDS);
	const struct dirent *entry;
	uint64_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* that of DIR */
}

/* Since Linux 6.2 the size of the directory is the number of descriptors. */
static uint64_t count_fds(void)
{
	struct stat st;

	return stat(FDS, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : count_entries();
}

void process_look(struct process *ret)
{
	CLEANUP(free_charp) char *text = NULL;
	struct rlimit limit;
	struct rusage usage;
	struct err ignored;
	size_t len;

	memset(ret, 0, sizeof(*ret));
	ret->is_known = file_read("/proc/self/stat", STAT_MAX_BYTES, &text, &len, &ignored) &&
			parse(text, ret) && getrusage(RUSAGE_SELF, &usage) == 0;
	if (ret->is_known)
		ret->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	ret->fds = count_fds();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		ret->max_fds = limit.rlim_cur;
}

int64_t process_started_ms(void)
{
	const uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_id id;
	struct err ignored;

	if (!proc_identify(getpid(), &id, &ignored))
		return 0;
	return clock_wall_ms() - (int64_t)(clock_boot_ms() - id.start_time * 1000 / hz);
}
