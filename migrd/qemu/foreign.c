/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor of a QEMU that somebody else started: finds out which process listens
 * there. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "qemu/priv.h"

static const char no_uuid[] = "00000000-0000-0000-0000-000000000000";

/* Tells which process listens at PATH: the kernel noted it when the socket began to
 * listen (unix(7), SO_PEERCRED). */
static bool get_listener(int fd, const char *path, struct ucred *ret, struct err *err)
{
	socklen_t size = sizeof(*ret);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0)
		return err_errno(err, "cannot tell who listens at '%s'", path);
	if (ret->pid <= 0)
		return err_set(err, ERR_CONFLICT,
			       "cannot tell which process listens at '%s': it is in another pid "
			       "namespace, so this migrd could not watch it",
			       path);
	if (ret->uid != geteuid())
		return err_set(err, ERR_CONFLICT,
			       "process %d, which listens at '%s', is of user %u, and migrd of "
			       "user %u: only a QEMU of the same user can go on as it is after a "
			       "move",
			       (int)ret->pid, path, (unsigned)ret->uid, (unsigned)geteuid());
	return true;
}

static bool is_the_one(struct qemu *qemu, pid_t pid, struct err *err)
{
	if (qemu->id.pid && pid != qemu->id.pid)
		return err_set(err, ERR_CONFLICT,
			       "at '%s', the monitor of VM '%s' (pid %d), process %d listens now",
			       qemu->foreign_path, qemu->name, (int)qemu->id.pid, (int)pid);
	if (qemu->proc)
		return true;
	return proc_identify(pid, &qemu->id, err) && qemu_watch_process(qemu, err);
}

bool qemu_foreign_connect(struct qemu *qemu, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct ucred listener;

	if (!unix_connect(qemu->foreign_path, SOCK_STREAM, &fd, err) ||
	    !get_listener(fd, qemu->foreign_path, &listener, err) ||
	    !is_the_one(qemu, listener.pid, err))
		return false;
	*ret_fd = TAKE_FD(fd);
	return true;
}

bool qemu_foreign_matches(const struct qemu *qemu, const char *found)
{
	if (qemu->step != STEP_UUID || !qemu->uuid[0])
		return true;
	return found && (strcmp(found, qemu->uuid) == 0 || strcmp(found, no_uuid) == 0);
}
