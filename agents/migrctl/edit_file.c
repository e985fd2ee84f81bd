/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/edit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define FILE_MAX_BYTES (1u << 20)

const char *edit_file_editor(void)
{
	const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");

	if (visual && *visual)
		return visual;
	if (editor && *editor)
		return editor;
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? "vi" : NULL;
}

/* ---- the file ------------------------------------------------------------------------- */

static bool make(struct edit_file *file, struct err *err)
{
	static const char suffix[] = ".json";
	const char *dir = getenv("TMPDIR");
	CLEANUP(free_charp)
	char *path = xasprintf("%s/migrctl-edit-XXXXXX%s", dir && *dir ? dir : "/tmp", suffix);
	CLEANUP(closep) int fd = mkostemps(path, sizeof(suffix) - 1, O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot make file '%s'", path);
	file->path = TAKE_PTR(path);
	return true;
}

static void add_comment(struct strbuf *to, const char *comment)
{
	for (const char *line = comment; *line;) {
		size_t len = strcspn(line, "\n");

		strbuf_addf(to, "#%s%.*s\n", len ? " " : "", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

/* Room comes first: a full disk leaves what is in the file.  FD is closed. */
static bool put(int fd, const struct strbuf *text)
{
	FILE *stream = fdopen(fd, "w");
	bool ok;

	errno = posix_fallocate(fd, 0, (off_t)text->len);
	ok = !errno && stream && fwrite(text->data, 1, text->len, stream) == text->len &&
	     fflush(stream) == 0 && ftruncate(fd, (off_t)text->len) == 0;
	if (stream ? fclose(stream) != 0 : close(fd) != 0)
		ok = false;
	return ok;
}

/* In place, as an editor may have put another file there, with an owner and a mode of its own. */
bool edit_file_write(struct edit_file *file, const char *comment, const char *text, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf all = STRBUF_INIT;
	int fd;

	add_comment(&all, comment);
	strbuf_adds(&all, text);
	if (!file->path && !make(file, err))
		return false;
	fd = open(file->path, O_WRONLY | O_CLOEXEC);
	return (fd >= 0 && put(fd, &all)) || err_errno(err, "cannot write file '%s'", file->path);
}

static void leave_comments_out(const char *from, struct strbuf *to)
{
	for (const char *line = from; *line;) {
		size_t len = strcspn(line, "\n");

		len += line[len] == '\n';
		if (line[strspn(line, " \t")] != '#')
			strbuf_add(to, line, len);
		line += len;
	}
}

void edit_file_remove(struct edit_file *file)
{
	if (file->path)
		(void)unlink(file->path);
	edit_file_keep(file);
}

void edit_file_keep(struct edit_file *file)
{
	free(TAKE_PTR(file->path));
}

/* ---- the editor ------------------------------------------------------------------------ */

/* The keys that end a program are the editor's while it has the terminal. */
static bool run(const char *editor, const char *path, int *ret_status, struct err *err)
{
	CLEANUP(free_charp) char *command = xasprintf("%s \"$0\"", editor);
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", command,
			 (char *)(uintptr_t)path, NULL };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction former_int, former_quit;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	pid_t pid;
	int code;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	sigaddset(&usual, SIGQUIT);
	sigaddset(&usual, SIGPIPE);
	sigaction(SIGINT, &ignore, &former_int);
	sigaction(SIGQUIT, &ignore, &former_quit);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	code = posix_spawn(&pid, "/bin/sh", NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	while (code == 0 && waitpid(pid, ret_status, 0) < 0)
		code = errno == EINTR ? 0 : errno;
	sigaction(SIGINT, &former_int, NULL);
	sigaction(SIGQUIT, &former_quit, NULL);
	return code == 0 || err_set(err, ERR_INTERNAL, "cannot start /bin/sh: %s", strerror(code));
}

bool edit_file_ask(const struct edit_file *file, const char *editor, struct strbuf *ret_text,
		   struct err *err)
{
	CLEANUP(free_charp) char *typed = NULL;
	int status = 0;
	size_t len;

	if (!run(editor, file->path, &status, err))
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, ERR_CANCELLED, "the editor '%.100s' ended with %s %d", editor,
			       WIFEXITED(status) ? "status" : "signal",
			       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (!file_read(file->path, FILE_MAX_BYTES, &typed, &len, err))
		return false;
	strbuf_clear(ret_text);
	leave_comments_out(typed, ret_text);
	return true;
}
