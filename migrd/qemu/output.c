/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a QEMU prints: the process that keeps it, and the words that tell why it
 * ended. */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "output/rotate.h"
#include "qemu/priv.h"

/* How many bytes at the end of a log are searched for the reason. */
#define TAIL_MAX 8192

/* ---- the process that keeps it ------------------------------------------- */

/* Writes down which process is the keeper, for a coordinator that is started later. */
static void record(const struct qemu *qemu)
{
	CLEANUP(free_charp) char *path = qemu_path(qemu->env, qemu->place, QEMU_OUTPUT_FILE);
	CLEANUP(free_charp)
	char *text =
		xasprintf("%d %" PRIu64 "\n", (int)qemu->keeper_id.pid, qemu->keeper_id.start_time);
	struct err err;

	if (!file_write(path, text, strlen(text), 0600, &err))
		log_warning("qemu", "output", "vm=%s error=%s", qemu->name, err.msg);
}

static bool spawn(struct qemu *qemu, int fd, struct err *err)
{
	const struct qemu_env *env = qemu->env;
	CLEANUP(free_charp) char *path = qemu_log_path(env, qemu->place);
	CLEANUP(free_charp) char *number = xasprintf("%d", fd);
	CLEANUP(free_charp) char *size = xasprintf("%" PRIu64, env->log_bytes);
	const char *argv[] = { env->output_program, "--fd", number, "--size", size, path, NULL };
	const struct proc_args args = { .argv = argv, .keep_fds = &fd, .keep_fd_count = 1 };

	return proc_spawn(&args, &qemu->keeper_id, err);
}

static void on_keeper_ended(void *data, int status)
{
	struct qemu *qemu = data;

	(void)status;
	proc_free(TAKE_PTR(qemu->keeper));
	qemu_output_ended(qemu);
}

static void watch(struct qemu *qemu)
{
	struct err ignored; /* it has ended: all is in the log */

	qemu->keeper =
		proc_watch(qemu->env->loop, qemu->keeper_id, on_keeper_ended, qemu, &ignored);
}

bool qemu_output_start(struct qemu *qemu, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int reader = -1;
	CLEANUP(closep) int writer = -1;
	struct err why;
	int fds[2];

	/* If the directory cannot be made (a full disk), the log is lost, but the guest
	 * starts. */
	if (!dir_make(qemu->env->log_dir, 0700, &why))
		log_warning("qemu", "output", "vm=%s error=%s", qemu->name, why.msg);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, "cannot make a pipe");
	reader = fds[0];
	writer = fds[1];
	if (fcntl(reader, F_SETFL, 0) < 0)
		return err_errno(err, "cannot set up a pipe");
	if (!spawn(qemu, reader, err))
		return false;
	record(qemu);
	watch(qemu);
	*ret_fd = TAKE_FD(writer);
	return true;
}

void qemu_output_attach(struct qemu *qemu)
{
	CLEANUP(free_charp) char *path = qemu_path(qemu->env, qemu->place, QEMU_OUTPUT_FILE);
	CLEANUP(free_charp) char *text = NULL;
	struct proc_id id = { 0 };
	struct err ignored; /* an adopted QEMU has no keeper: it prints where its owner wants */
	size_t len;
	int pid;

	if (!file_read(path, 64, &text, &len, &ignored) ||
	    sscanf(text, "%d %" SCNu64, &pid, &id.start_time) != 2)
		return;
	id.pid = pid;
	qemu->keeper_id = id;
	watch(qemu);
}

/* ---- the words ------------------------------------------------------------- */

/* A swtpm prints beside its QEMU, and says at each end that QEMU is gone. */
static bool is_of_no_use(const char *line)
{
	return !*line || strcmp(line, "swtpm: Data client disconnected") == 0;
}

static bool is_about_the_end(const char *line)
{
	return strncmp(line, ROTATE_PREFIX, strlen(ROTATE_PREFIX)) != 0 &&
	       strncmp(line, "warning: ", 9) != 0 && !strstr(line, ": warning: ");
}

/* Puts LINE before what is in TEXT; false when there is no room. */
static bool put_before(char *text, size_t size, const char *line)
{
	size_t len = strlen(line), used = strlen(text), gap = used ? 2 : 0;

	if (len + gap + used >= size)
		return false;
	memmove(text + len + gap, text, used + 1);
	memcpy(text, line, len);
	if (gap)
		memcpy(text + len, "; ", gap);
	return true;
}

/* Collects lines from the last one back, since the last ones are nearest to the end of
 * QEMU. */
static void collect(char *tail, bool with_warnings, char *ret_text, size_t size)
{
	size_t len = strlen(tail);

	ret_text[0] = '\0';
	for (char *line = tail + len; line > tail;) {
		char *end = line;

		while (end > tail && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
			end--;
		*end = '\0';
		for (line = end; line > tail && line[-1] != '\n'; line--)
			;
		if (line == end || is_of_no_use(line) || !(with_warnings || is_about_the_end(line)))
			continue;
		if (put_before(ret_text, size, line))
			continue;
		if (!ret_text[0])
			snprintf(ret_text, size, "%s", line);
		break;
	}
	utf8_trim(ret_text);
}

void qemu_choose_words(const char *output, char *ret_text, size_t size)
{
	char *copy = xstrdup(output);

	collect(copy, false, ret_text, size);
	free(copy);
	if (ret_text[0])
		return;
	copy = xstrdup(output);
	collect(copy, true, ret_text, size);
	free(copy);
	if (!ret_text[0])
		snprintf(ret_text, size, "%s", "it printed nothing");
}

void qemu_last_words(const struct qemu_env *env, const char *place, char *ret_text, size_t size)
{
	CLEANUP(free_charp) char *path = qemu_log_path(env, place);
	CLEANUP(free_charp) char *former = xasprintf("%s.1", path);
	CLEANUP(free_charp) char *now = NULL;
	CLEANUP(free_charp) char *before = NULL;
	CLEANUP(free_charp) char *both = NULL;
	struct err ignored;

	/* The log may have been rotated just before the last words. */
	file_read_tail(former, TAIL_MAX, &before, &ignored);
	file_read_tail(path, TAIL_MAX, &now, &ignored);
	both = xasprintf("%s%s", before ? before : "", now ? now : "");
	qemu_choose_words(both, ret_text, size);
}
