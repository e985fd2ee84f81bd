/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/descriptors.h -- how near the process is to its limit of descriptors.
 *
 * The kernel gives out the lowest number that is free (open(2)), so a new descriptor
 * near the limit means that nearly all are in use.  Thread: any.
 */
#ifndef MIGRD_BASE_DESCRIPTORS_H
#define MIGRD_BASE_DESCRIPTORS_H

#include <sys/resource.h>

/* Descriptors kept free for the local socket, peers, administrators and the daemon's own work
 * (a guest's monitor takes 2). */
#define DESCRIPTORS_RESERVED 64

/* At least this many are left if FD was just opened; 0: none, or not known. */
static inline unsigned descriptors_left(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= (rlim_t)fd + 1)
		return 0;
	return (unsigned)(limit.rlim_cur - (rlim_t)fd - 1);
}

#endif
