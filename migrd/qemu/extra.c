/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets for the monitors of a definition.  Their places are the host's: a path on
 * which somebody else listens is refused, while QEMU itself would take it away from
 * them. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

/* Prefix of a link in QEMU's private directory to a monitor's socket, so that the
 * socket can be removed after a crash too. */
#define MARK "monitor-"

static bool mark(const struct qemu *qemu, const struct vm_def_monitor *monitor, struct err *err)
{
	char file[sizeof(MARK) + VM_DEF_ID_SIZE];
	CLEANUP(free_charp) char *link = NULL;

	snprintf(file, sizeof(file), MARK "%s", monitor->id);
	link = qemu_path(qemu->env, qemu->place, file);
	return symlink(monitor->path, link) == 0 || err_errno(err, "cannot make '%s'", link);
}

static bool listen_unix(const struct qemu *qemu, const struct vm_def_monitor *monitor, int *ret_fd,
			struct err *err)
{
	return unix_path_is_free(monitor->path, err) && mark(qemu, monitor, err) &&
	       unix_listen(monitor->path, SOCK_STREAM, ret_fd, err);
}

static bool listen_tcp(uint16_t port, int *ret_fd, struct err *err)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    listen(fd, SOMAXCONN) == 0) {
		*ret_fd = TAKE_FD(fd);
		return true;
	}
	if (errno == EADDRINUSE)
		return err_set(err, ERR_CONFLICT,
			       "port %u of 127.0.0.1 is in use by another program of this host",
			       port);
	return err_errno(err, "cannot listen on port %u of 127.0.0.1", port);
}

bool qemu_listen_extra(const struct qemu *qemu, const struct vm_def *def, int *ret_fds,
		       struct err *err)
{
	bool ok = true;

	for (size_t i = 0; i < def->monitor_count && ok; i++) {
		const struct vm_def_monitor *monitor = &def->monitors[i];

		switch ((enum vm_def_monitor_type)monitor->type) {
		case VM_DEF_MONITOR_TYPE_UNIX:
			ok = listen_unix(qemu, monitor, &ret_fds[i], err);
			break;
		case VM_DEF_MONITOR_TYPE_TCP:
			ok = listen_tcp((uint16_t)monitor->port, &ret_fds[i], err);
			break;
		case VM_DEF_MONITOR_TYPE_STDIO:
			break;
		}
		if (!ok)
			err_wrap(err, "its monitor '%s'", monitor->id);
	}
	return ok;
}

/* Removes the socket that LINK points to, if nobody listens on it: another program may
 * have taken the path by now. */
static void remove_target(const char *link)
{
	char target[VM_DEF_PATH_SIZE];
	ssize_t len = readlink(link, target, sizeof(target) - 1);
	struct stat st;

	if (len <= 0)
		return;
	target[len] = '\0';
	if (lstat(target, &st) == 0 && S_ISSOCK(st.st_mode) && !unix_is_listening(target) &&
	    unlink(target) < 0)
		log_warning("qemu", "leftover", "file=%s", target);
}

void qemu_remove_extra(const struct qemu_env *env, const char *place)
{
	CLEANUP(free_charp) char *path = qemu_path(env, place, NULL);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		CLEANUP(free_charp) char *link = xasprintf("%s/%s", path, entry->d_name);

		if (strncmp(entry->d_name, MARK, strlen(MARK)) == 0)
			remove_target(link);
	}
	if (dir)
		closedir(dir);
}
