/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics/process.h -- what this process uses: /proc/self/stat, proc_pid_stat(5); its descriptors,
 * proc_pid_fd(5).  The kernel makes these files without waiting.  Thread: any. */
#ifndef MIGRD_METRICS_PROCESS_H
#define MIGRD_METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process {
	bool is_known; /* false: the rest, but for descriptors, could not be read */
	double cpu_s;
	uint64_t resident_bytes, virtual_bytes, threads;
	uint64_t fds, max_fds; /* max_fds 0: no limit */
};

/* Sets all of *RET.  With a kernel before 6.2 it takes longer the more descriptors there are. */
void process_look(struct process *ret);
/* When this process was started, on the wall clock as it is now; 0: it cannot be read. */
int64_t process_started_ms(void);

#endif
