/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/stdout.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static bool is_reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}

bool stdout_end(struct err *err)
{
	bool is_flushed = fflush(stdout) == 0;
	int cause = errno;

	if ((is_flushed && !ferror(stdout)) || is_reader_gone())
		return true;
	if (is_flushed) /* an earlier write failed, and its errno is lost */
		return err_set(err, ERR_NO_SPACE, "cannot write the output: a part of it is lost");
	errno = cause;
	return err_errno(err, "cannot write the output");
}
