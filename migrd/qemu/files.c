/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a QEMU: its private directory, its log, what a crash left. */
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

void qemu_place(const char *uuid, bool is_second, char ret[QEMU_PLACE_SIZE])
{
	snprintf(ret, QEMU_PLACE_SIZE, "%s%s", uuid, is_second ? QEMU_PLACE_SUFFIX : "");
}

char *qemu_path(const struct qemu_env *env, const char *place, const char *file)
{
	return xasprintf("%s/vms/%s%s%s", env->run_dir, place, file ? "/" : "", file ? file : "");
}

char *qemu_agent_path(const struct qemu_env *env, const char *place)
{
	return qemu_path(env, place, QEMU_AGENT_SOCKET);
}

char *qemu_console_path(const struct qemu_env *env, const char *place)
{
	return qemu_path(env, place, QEMU_CONSOLE_SOCKET);
}

char *qemu_vnc_path(const struct qemu_env *env, const char *place)
{
	return qemu_path(env, place, QEMU_VNC_SOCKET);
}

char *qemu_cpr_path(const struct qemu_env *env, const char *place)
{
	return qemu_path(env, place, "cpr.sock");
}

char *qemu_main_path(const struct qemu_env *env, const char *place)
{
	return qemu_path(env, place, "main.sock");
}

char *qemu_log_path(const struct qemu_env *env, const char *place)
{
	return xasprintf("%s/%s.log", env->log_dir, place);
}

void qemu_remove_files(const struct qemu_env *env, const char *place, bool log)
{
	CLEANUP(free_charp) char *dir = qemu_path(env, place, NULL);
	CLEANUP(free_charp) char *path = qemu_log_path(env, place);
	CLEANUP(free_charp) char *former = xasprintf("%s.1", path);
	struct err err;

	qemu_remove_extra(env, place);
	qemu_tpm_end_unwatched(env, place);
	if (!dir_remove(dir, &err))
		log_warning("qemu", "leftover", "place=%s error=%s", place, err.msg);
	if (log &&
	    ((unlink(path) < 0 && errno != ENOENT) || (unlink(former) < 0 && errno != ENOENT)))
		log_warning("qemu", "leftover", "place=%s file=%s", place, path);
}

bool qemu_has_listener(const struct qemu_env *env, const char *place)
{
	CLEANUP(free_charp) char *path = qemu_path(env, place, "qmp0.sock");
	CLEANUP(closep) int fd = -1;
	struct err err;

	return unix_connect(path, SOCK_STREAM, &fd, &err) || err.code != ERR_UNAVAILABLE;
}

/* SAYS: log a QEMU that lives.  Said for one directory only, since a QEMU may have
 * files in both. */
static void remove_leftover(const struct qemu_env *env, const char *entry, bool says,
			    qemu_is_known_fn *is_known, void *data)
{
	char uuid[ID_UUID_SIZE], place[QEMU_PLACE_SIZE];

	snprintf(uuid, sizeof(uuid), "%.*s", ID_UUID_SIZE - 1, entry);
	if (!id_uuid_is_valid(uuid) || is_known(data, uuid))
		return;
	qemu_place(uuid,
		   strncmp(entry + strlen(uuid), QEMU_PLACE_SUFFIX, strlen(QEMU_PLACE_SUFFIX)) == 0,
		   place);
	if (qemu_has_listener(env, place)) {
		if (says)
			log_error("qemu", "unknown",
				  "vm_uuid=%s: a QEMU that no record knows; it is left alone, and "
				  "'migrctl host check' tells what can be done",
				  uuid);
		return;
	}
	log_info("qemu", "leftover", "vm_uuid=%s: removed", uuid);
	qemu_remove_files(env, place, true);
}

/* The name of an entry begins with the uuid of its VM. */
static void remove_leftovers_of(const char *path, const struct qemu_env *env, bool says,
				qemu_is_known_fn *is_known, void *data)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		remove_leftover(env, entry->d_name, says, is_known, data);
	if (dir)
		closedir(dir);
}

void qemu_remove_leftovers(const struct qemu_env *env, qemu_is_known_fn *is_known, void *data)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/vms", env->run_dir);

	remove_leftovers_of(path, env, true, is_known, data);
	remove_leftovers_of(env->log_dir, env, false, is_known, data);
}

bool qemu_is_alone(const struct qemu_env *env, const char *place, const char *name, struct err *err)
{
	CLEANUP(free_charp) char *pid_file = qemu_path(env, place, "pid");

	if (!file_is_locked(pid_file))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "another QEMU of VM '%s' is running, which holds '%s': 'migrctl host check' "
		       "tells of it",
		       name, pid_file);
}
