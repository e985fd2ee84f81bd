/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/session.h -- what a process has left running in its session (setsid(2)).
 *
 * The kernel gives the number of a session to no new process while one of its processes is there,
 * so what the leader has started is found by it, also when the leader is gone; what has made a
 * session of its own is not.  Thread: any; not the loop, since all processes of the host are looked
 * at (field 6 of /proc/PID/stat, proc(5)).
 */
#ifndef MIGRD_BASE_SESSION_H
#define MIGRD_BASE_SESSION_H

#include "base/proc.h"

/* The processes of the session that LEADER has made, and LEADER if it is there; 512 at most.  Those
 * of another process that has the leader's number now are none of it, and it is another session
 * unless one of them at least has MARK, a variable with its value, in its environment.  This
 * process is none of them, whoever has started it.  LIMIT: nobody can tell, as no descriptor was
 * free for a look at each. */
bool session_count_blocking(struct proc_id leader, const char *mark, size_t *ret, struct err *err);
/* Ends them: SIGTERM, and SIGKILL for what is left after TERM_MS.  RET: how many are left 2 s
 * after that, as a process that storage holds in the kernel does not even end by SIGKILL.  LIMIT:
 * some may be left. */
bool session_end_blocking(struct proc_id leader, const char *mark, uint32_t term_ms, size_t *ret,
			  struct err *err);

#endif
