/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that nobody looks for any more: of hooks and checks that are not known, and those that a
 * crash has left beside the others.  A migrd-hook that still runs may be writing some. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/cut.h"
#include "hook/priv.h"

#define IDS_MAX 4096 /* in one start */

struct cleaning {
	struct work work;
	struct hooks *hooks;
	char *dir;
	char boot_id[ID_UUID_SIZE];
	char (*ids)[HOOK_ID_SIZE]; /* that there are files of */
	size_t count;
};

static struct cleaning *cleaning_new(struct hooks *hooks)
{
	struct cleaning *cleaning = xnew(struct cleaning);

	cleaning->hooks = hooks;
	cleaning->dir = xstrdup(hooks->dir);
	memcpy(cleaning->boot_id, hooks->boot_id, sizeof(cleaning->boot_id));
	return cleaning;
}

static void cleaning_free(struct cleaning *cleaning)
{
	free(cleaning->dir);
	free(cleaning->ids);
	free(cleaning);
}

/* ---- files of one that is not known ------------------------------------------------------ */

static void run_forget(struct work *work)
{
	const struct cleaning *cleaning = CONTAINER_OF(work, struct cleaning, work);
	const char *dir = cleaning->dir, *id = cleaning->ids[0];
	struct hook_end *end = xnew(struct hook_end);
	enum hook_cut cut = HOOK_CUT_NOTHING;
	struct hook_runner runner;
	struct err err;

	if (!hook_files_end(dir, id, end, &err) && hook_files_runner(dir, id, &runner, &err) &&
	    strcmp(runner.boot_id, cleaning->boot_id) == 0)
		cut = hook_cut_blocking(dir, id, runner.id, "their hook is not known any more",
					end);
	if (cut != HOOK_CUT_UNSEEN) /* else the next start finds it by them */
		hook_files_remove(dir, id);
	free(end);
}

static void on_forgotten(struct work *work)
{
	cleaning_free(CONTAINER_OF(work, struct cleaning, work));
}

void hook_files_forget(struct hooks *hooks, const char *hook_id)
{
	struct cleaning *cleaning = cleaning_new(hooks);

	cleaning->ids = xcalloc(1, sizeof(*cleaning->ids));
	snprintf(cleaning->ids[0], sizeof(cleaning->ids[0]), "%s", hook_id);
	cleaning->work = (struct work){ .run = run_forget, .done = on_forgotten };
	worker_submit(hooks->worker, &cleaning->work);
}

/* ---- all of them -------------------------------------------------------------------------- */

static bool is_there(pid_t pid)
{
	struct proc_id id;
	struct err gone;

	return proc_identify(pid, &id, &gone) || gone.code != ERR_NOT_FOUND;
}

/* `run.PID', which a migrd-hook or this coordinator makes, or a file that was being written
 * (file_write()): REST is what follows the id. */
static bool is_leftover(const struct cleaning *cleaning, const char *id, const char *rest)
{
	struct hook_runner runner;
	struct err err;
	pid_t pid;

	if (strncmp(rest, "run.", 4) == 0) {
		pid = (pid_t)strtol(rest + 4, NULL, 10);
		return pid == getpid() || !is_there(pid);
	}
	return strncmp(rest, "end.", 4) == 0 &&
	       (!hook_files_runner(cleaning->dir, id, &runner, &err) || !is_there(runner.id.pid));
}

static void sort_in(struct cleaning *cleaning, const char *name)
{
	char id[HOOK_ID_SIZE];
	const char *dot = strchr(name, '.'), *rest = dot ? dot + 1 : "";
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", cleaning->dir, name);

	if (!dot || (size_t)(dot - name) >= sizeof(id))
		return;
	snprintf(id, sizeof(id), "%.*s", (int)(dot - name), name);
	if (!hook_id_is_valid(id))
		return;
	if (is_leftover(cleaning, id, rest))
		unlink(path);
	else if ((strcmp(rest, "run") == 0 || strcmp(rest, "end") == 0) &&
		 cleaning->count < IDS_MAX)
		memcpy(cleaning->ids[cleaning->count++], id, sizeof(id));
}

static void run_clean(struct work *work)
{
	struct cleaning *cleaning = CONTAINER_OF(work, struct cleaning, work);
	DIR *dir = opendir(cleaning->dir);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		sort_in(cleaning, entry->d_name);
	if (dir)
		closedir(dir);
}

/* A hook is in the list before its first file is made, and so is a check. */
static void on_cleaned(struct work *work)
{
	struct cleaning *cleaning = CONTAINER_OF(work, struct cleaning, work);
	struct hooks *hooks = cleaning->hooks;

	for (size_t i = 0; i < cleaning->count && !hooks->is_closing; i++) {
		const char *id = cleaning->ids[i];

		if (!hook_find(hooks, id) && !hook_check_is_known(hooks, id))
			hook_files_forget(hooks, id);
	}
	cleaning_free(cleaning);
}

void hook_files_clean(struct hooks *hooks)
{
	struct cleaning *cleaning = cleaning_new(hooks);

	cleaning->ids = xcalloc(IDS_MAX, sizeof(*cleaning->ids));
	cleaning->work = (struct work){ .run = run_clean, .done = on_cleaned };
	worker_submit(hooks->worker, &cleaning->work);
}
