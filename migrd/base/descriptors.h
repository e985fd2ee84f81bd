/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/descriptors.h -- how near the process is to its limit of descriptors.
 *
 * The kernel gives out the lowest number that is free (open(2)), so a new descriptor
 * near the limit means that nearly all are in use.  Thread: any.
 */
#ifndef MIGRD_BASE_DESCRIPTORS_H
#define MIGRD_BASE_DESCRIPTORS_H

#include <sys/resource.h>

/* What strangers must leave to the local socket, to peers, to administrators and to
 * the daemon's own work (a guest's monitor takes 2). */
#define DESCRIPTORS_RESERVED 64

/* How many are left at least if FD was just made; 0: none, or not known. */
static inline unsigned descriptors_left(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= (rlim_t)fd + 1)
		return 0;
	return (unsigned)(limit.rlim_cur - (rlim_t)fd - 1);
}

#endif
