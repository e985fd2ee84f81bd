/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a QEMU: its private directory, its log, what a crash left. */
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

char *qemu_path(const struct qemu_env *env, const char *uuid, const char *file)
{
	return xasprintf("%s/vms/%s%s%s", env->run_dir, uuid, file ? "/" : "", file ? file : "");
}

char *qemu_agent_path(const struct qemu_env *env, const char *uuid)
{
	return qemu_path(env, uuid, QEMU_AGENT_SOCKET);
}

char *qemu_log_path(const struct qemu_env *env, const char *uuid)
{
	return xasprintf("%s/%s.log", env->log_dir, uuid);
}

void qemu_remove_files(const struct qemu_env *env, const char *uuid, bool log)
{
	CLEANUP(free_charp) char *dir = qemu_path(env, uuid, NULL);
	CLEANUP(free_charp) char *path = qemu_log_path(env, uuid);
	CLEANUP(free_charp) char *former = xasprintf("%s.1", path);
	struct err err;

	qemu_remove_extra(env, uuid);
	qemu_tpm_end_unwatched(env, uuid);
	if (!dir_remove(dir, &err))
		log_warning("qemu", "leftover", "vm_uuid=%s error=%s", uuid, err.msg);
	if (log &&
	    ((unlink(path) < 0 && errno != ENOENT) || (unlink(former) < 0 && errno != ENOENT)))
		log_warning("qemu", "leftover", "vm_uuid=%s file=%s", uuid, path);
}

bool qemu_has_listener(const struct qemu_env *env, const char *uuid)
{
	CLEANUP(free_charp) char *path = qemu_path(env, uuid, "qmp0.sock");
	CLEANUP(closep) int fd = -1;
	struct err err;

	return unix_connect(path, SOCK_STREAM, &fd, &err) || err.code != ERR_UNAVAILABLE;
}

/* SAYS: log a QEMU that lives.  Said for one directory only, since a QEMU may have
 * files in both. */
static void remove_leftover(const struct qemu_env *env, const char *uuid, bool says,
			    qemu_is_known_fn *is_known, void *data)
{
	if (!id_uuid_is_valid(uuid) || is_known(data, uuid))
		return;
	if (qemu_has_listener(env, uuid)) {
		if (says)
			log_error("qemu", "unknown",
				  "vm_uuid=%s: a QEMU that no record knows; it is left alone, and "
				  "'migrctl host check' tells what can be done",
				  uuid);
		return;
	}
	log_info("qemu", "leftover", "vm_uuid=%s: removed", uuid);
	qemu_remove_files(env, uuid, true);
}

/* The name of an entry begins with the uuid of its VM. */
static void remove_leftovers_of(const char *path, const struct qemu_env *env, bool says,
				qemu_is_known_fn *is_known, void *data)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char uuid[ID_UUID_SIZE];

	while (dir && (entry = readdir(dir))) {
		snprintf(uuid, sizeof(uuid), "%.*s", ID_UUID_SIZE - 1, entry->d_name);
		remove_leftover(env, uuid, says, is_known, data);
	}
	if (dir)
		closedir(dir);
}

void qemu_remove_leftovers(const struct qemu_env *env, qemu_is_known_fn *is_known, void *data)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/vms", env->run_dir);

	remove_leftovers_of(path, env, true, is_known, data);
	remove_leftovers_of(env->log_dir, env, false, is_known, data);
}

bool qemu_is_alone(const struct qemu_env *env, const char *uuid, const char *name, struct err *err)
{
	CLEANUP(free_charp) char *pid_file = qemu_path(env, uuid, "pid");

	if (!file_is_locked(pid_file))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "another QEMU of VM '%s' is running, which holds '%s': 'migrctl host check' "
		       "tells of it",
		       name, pid_file);
}
