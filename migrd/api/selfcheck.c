/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/selfcheck.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

/* More than the record of a move with its timeline needs. */
#define ROOM_MIN_BYTES (64u << 10)

/* ---- programs ------------------------------------------------------------- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* A name without '/' is looked up as execvp(3) does. */
static bool is_in_path(const char *name)
{
	const char *dirs = getenv("PATH");

	for (const char *dir = dirs ? dirs : "/usr/bin:/bin"; *dir;) {
		size_t len = strcspn(dir, ":");
		CLEANUP(free_charp) char *path = xasprintf("%.*s/%s", (int)len, dir, name);

		if (is_program(path))
			return true;
		dir += len;
		dir += *dir == ':';
	}
	return false;
}

static bool check_program(const char *key, const char *program, struct err *err)
{
	if (strchr(program, '/') ? is_program(program) : is_in_path(program))
		return true;
	return err_set(err, ERR_NOT_FOUND,
		       "there is no program '%s' that may be run: install it, or set %s", program,
		       key);
}

static bool check_qemu(const struct selfcheck_env *env, struct err *err)
{
	return check_program("[qemu] binary", env->qemu_binary, err);
}

static bool check_output(const struct selfcheck_env *env, struct err *err)
{
	return check_program("[qemu] output_program", env->output_program, err);
}

static bool check_stream(const struct selfcheck_env *env, struct err *err)
{
	return check_program("[move] stream_program", env->stream_program, err);
}

static bool check_hook(const struct selfcheck_env *env, struct err *err)
{
	return !env->hook_program ||
	       check_program("[maintenance] hook_program", env->hook_program, err);
}

/* ---- directories ----------------------------------------------------------- */

static bool has_room(const char *dir, struct err *err)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_MIN_BYTES)
		return true;
	return err_set(err, ERR_NO_SPACE, "the disk of '%s' is full: make room", dir);
}

/* A missing directory is made when migrd starts: until then its nearest parent is checked. */
static bool check_dir(const char *key, const char *dir, struct err *err)
{
	CLEANUP(free_charp) char *path = xstrdup(dir);

	while (access(path, F_OK) < 0 && errno == ENOENT && strrchr(path, '/') > path)
		*strrchr(path, '/') = '\0';
	if (access(path, W_OK | X_OK) < 0)
		return err_set(err, ERR_INVALID, "%s: cannot write to '%s': %s", key, path,
			       strerror(errno));
	return has_room(path, err);
}

static bool check_state_dir(const struct selfcheck_env *env, struct err *err)
{
	return check_dir("[host] state_dir", env->state_dir, err);
}

static bool check_run_dir(const struct selfcheck_env *env, struct err *err)
{
	return check_dir("[host] run_dir", env->run_dir, err);
}

static bool check_log_dir(const struct selfcheck_env *env, struct err *err)
{
	return check_dir("[host] log_dir", env->log_dir, err);
}

/* ---- libraries -------------------------------------------------------------- */

static bool check_shutdown(const struct selfcheck_env *env, struct err *err)
{
	if (env->has_logind || strcmp(env->shutdown, "off") == 0)
		return true;
	return err_set(err, ERR_INVALID,
		       "[host] shutdown is '%s', and this migrd was built without libsystemd: "
		       "build it with that, or set it to off",
		       env->shutdown);
}

/* ---- the table ------------------------------------------------------------------ */

static const struct {
	const char *name;
	bool (*check)(const struct selfcheck_env *env, struct err *err);
} checks[] = {
	{ "state-dir", check_state_dir },   { "run-dir", check_run_dir },
	{ "log-dir", check_log_dir },       { "qemu", check_qemu },
	{ "output-program", check_output }, { "stream-program", check_stream },
	{ "hook-program", check_hook },     { "shutdown", check_shutdown },
};

size_t selfcheck_run(const struct selfcheck_env *env, selfcheck_fn *fn, void *data)
{
	size_t failures = 0;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err err = { 0 };

		if (checks[i].check(env, &err))
			continue;
		failures++;
		fn(data, checks[i].name, &err);
	}
	return failures;
}
