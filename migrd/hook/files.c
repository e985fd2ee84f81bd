/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define RUN_MAX_BYTES 256
#define END_HEAD_MAX  64
/* Last in the file of who runs it, behind what older versions know. */
#define TELLS_BEGIN "tells-begin"

static const char *const how_names[] = {
	[HOOK_HOW_EXITED] = "exited",
	[HOOK_HOW_KILLED] = "killed",
	[HOOK_HOW_LATE] = "late",
	[HOOK_HOW_NOT_STARTED] = "not-started",
	[HOOK_HOW_NOT_NEEDED] = "not-needed",
	[HOOK_HOW_UNDECIDED] = "undecided",
	[HOOK_HOW_CUT] = "cut",
	[HOOK_HOW_UNANSWERED] = "unanswered",
	[HOOK_HOW_BEGUN] = "begun",
	[HOOK_HOW_COUNT] = NULL,
};

static char *path_of(const char *dir, const char *hook_id, const char *suffix)
{
	return xasprintf("%s/%s.%s", dir, hook_id, suffix);
}

/* NOT_FOUND if there is no such file; LIMIT if no descriptor is free to read it. */
static bool read_whole(const char *path, size_t max, char **ret_text, size_t *ret_len,
		       struct err *err)
{
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no file '%s'", path);
	errno = 0;
	if (file_read(path, max, ret_text, ret_len, err))
		return true;
	if (errno == EMFILE || errno == ENFILE)
		err->code = ERR_LIMIT;
	return false;
}

/* ---- who runs it -------------------------------------------------------------- */

/* A file of its own gets the name of the hook, which link(2) gives to one only. */
bool hook_files_claim(const char *dir, const char *hook_id, const struct hook_runner *runner,
		      struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(dir, hook_id, "run");
	CLEANUP(free_charp) char *own = xasprintf("%s.%d", path, (int)runner->id.pid);
	char text[RUN_MAX_BYTES];
	int len = snprintf(text, sizeof(text), "%d %" PRIu64 " %s %s " TELLS_BEGIN "\n",
			   (int)runner->id.pid, runner->id.start_time, runner->boot_id,
			   runner->process);
	bool ok = file_write(own, text, (size_t)len, 0600, err);

	if (ok && link(own, path) != 0)
		ok = errno == EEXIST
			     ? err_set(err, ERR_EXISTS, "another process runs hook '%s'", hook_id)
			     : err_errno(err, "cannot make '%s'", path);
	unlink(own);
	return ok && file_sync_parent(path, err);
}

bool hook_files_runner(const char *dir, const char *hook_id, struct hook_runner *ret,
		       struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(dir, hook_id, "run");
	CLEANUP(free_charp) char *text = NULL;
	struct hook_runner runner = { 0 };
	char word[16] = "";
	size_t len;
	int pid;

	if (!read_whole(path, RUN_MAX_BYTES, &text, &len, err))
		return false;
	if (sscanf(text, "%d %" SCNu64 " %36s %39s %15s", &pid, &runner.id.start_time,
		   runner.boot_id, runner.process, word) < 4 ||
	    !id_uuid_is_valid(runner.boot_id))
		return err_set(err, ERR_INTERNAL, "'%s' cannot be understood", path);
	runner.id.pid = pid;
	runner.tells_begin = strcmp(word, TELLS_BEGIN) == 0;
	*ret = runner;
	return true;
}

/* ---- how it ended --------------------------------------------------------------- */

bool hook_files_write_end(const char *dir, const char *hook_id, const struct hook_end *end,
			  struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(dir, hook_id, "end");
	char text[END_HEAD_MAX + HOOK_OUTPUT_MAX];
	int head = snprintf(text, END_HEAD_MAX, "%s %d\n", how_names[end->how], end->number);

	memcpy(text + head, end->output, end->output_len);
	return file_write(path, text, (size_t)head + end->output_len, 0600, err);
}

static bool parse_head(const char *line, struct hook_end *ret)
{
	char name[END_HEAD_MAX];

	if (sscanf(line, "%63s %d", name, &ret->number) != 2)
		return false;
	for (int how = 0; how < HOOK_HOW_COUNT; how++) {
		if (strcmp(name, how_names[how]) == 0) {
			ret->how = (enum hook_how)how;
			return true;
		}
	}
	return false;
}

static bool read_end(const char *dir, const char *hook_id, struct hook_end *ret, struct err *err)
{
	CLEANUP(free_charp) char *path = path_of(dir, hook_id, "end");
	CLEANUP(free_charp) char *text = NULL;
	struct hook_end end = { 0 };
	const char *newline;
	size_t len, head;

	if (!read_whole(path, END_HEAD_MAX + HOOK_OUTPUT_MAX, &text, &len, err))
		return false;
	newline = memchr(text, '\n', len);
	head = newline ? (size_t)(newline - text) + 1 : 0;
	if (!newline || !parse_head(text, &end) || len - head > HOOK_OUTPUT_MAX)
		return err_set(err, ERR_INTERNAL, "'%s' cannot be understood", path);
	end.output_len = len - head;
	memcpy(end.output, text + head, end.output_len);
	*ret = end;
	return true;
}

bool hook_files_is_begun(const char *dir, const char *hook_id)
{
	struct hook_end *end = xnew(struct hook_end);
	struct err err;
	const bool ret = read_end(dir, hook_id, end, &err) && end->how == HOOK_HOW_BEGUN;

	free(end);
	return ret;
}

bool hook_files_end(const char *dir, const char *hook_id, struct hook_end *ret, struct err *err)
{
	struct hook_end *end = xnew(struct hook_end);
	bool ok = read_end(dir, hook_id, end, err);

	if (ok && end->how == HOOK_HOW_BEGUN)
		ok = err_set(err, ERR_NOT_FOUND, "hook '%s' has not ended", hook_id);
	if (ok)
		*ret = *end;
	free(end);
	return ok;
}

void hook_files_remove(const char *dir, const char *hook_id)
{
	CLEANUP(free_charp) char *run = path_of(dir, hook_id, "run");
	CLEANUP(free_charp) char *end = path_of(dir, hook_id, "end");

	unlink(end);
	unlink(run);
}
