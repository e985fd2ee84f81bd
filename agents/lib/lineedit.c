/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/lineedit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define HISTORY_LINES 1000
#define LIST_MAX      100 /* words shown at one Tab */
#define LIST_COLUMNS  78

struct lineedit {
	EditLine *el;
	History *history;
	char *prompt;
	char *history_path;
	lineedit_words_fn *words;
	void *data;
};

/* A byte in this pipe ends a wait for a key, also a wait that begins after the signal. */
static int interrupt_pipe[2] = { -1, -1 };

void lineedit_interrupt(void)
{
	int saved = errno;

	if (interrupt_pipe[1] >= 0 && write(interrupt_pipe[1], "", 1) < 0)
		errno = 0; /* the pipe is full, so the wait ends anyway */
	errno = saved;
}

static bool take_interrupt(void)
{
	char buf[64];
	bool found = false;

	while (read(interrupt_pipe[0], buf, sizeof(buf)) > 0)
		found = true;
	return found;
}

/* ---- history ------------------------------------------------------------------ */

char *lineedit_history_path(const char *name)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (state && *state == '/')
		return xasprintf("%s/migrctl/%s", state, name);
	return home && *home == '/' ? xasprintf("%s/.local/state/migrctl/%s", home, name) : NULL;
}

bool lineedit_is_secret(const char *line)
{
	return isspace((unsigned char)*line) || strcasestr(line, "password") ||
	       strcasestr(line, "secret");
}

static void load_history(struct lineedit *edit)
{
	HistEvent event;

	history(edit->history, &event, H_SETSIZE, HISTORY_LINES);
	history(edit->history, &event, H_SETUNIQUE, 1);
	if (edit->history_path)
		history(edit->history, &event, H_LOAD, edit->history_path);
}

/* libedit writes only to a file with a descriptor, and would overwrite the old history in place.
 * So it writes to a temporary file, whose text write_history() saves. */
static bool print_history(struct lineedit *edit, struct strbuf *text, struct err *err)
{
	FILE *file = tmpfile();
	char buf[4096];
	HistEvent event;
	size_t n;

	if (!file)
		return err_errno(err, "cannot make a temporary file");
	history(edit->history, &event, H_SAVE_FP, file);
	rewind(file);
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		strbuf_add(text, buf, n);
	fclose(file);
	return true;
}

static bool write_history(struct lineedit *edit, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	CLEANUP(free_charp) char *dir = xstrdup(edit->history_path);

	*strrchr(dir, '/') = '\0';
	return print_history(edit, &text, err) && dir_make(dir, 0700, err) &&
	       file_write(edit->history_path, strbuf_str(&text), text.len, 0600, err);
}

static void remember(struct lineedit *edit, const char *line)
{
	HistEvent event;

	if (*line && !lineedit_is_secret(line))
		history(edit->history, &event, H_ENTER, line);
}

/* ---- keys ---------------------------------------------------------------------- */

static struct lineedit *edit_of(EditLine *el)
{
	void *edit = NULL;

	el_get(el, EL_CLIENTDATA, &edit);
	return edit;
}

/* Like libedit's own function, but an interrupt between two keys is not lost. */
static int read_key(EditLine *el, wchar_t *ret)
{
	struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { interrupt_pipe[0], POLLIN, 0 } };
	mbstate_t state = { 0 };
	char byte;

	(void)el;
	for (;;) {
		ssize_t n;
		size_t len;

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return -1;
		if (take_interrupt()) {
			errno = EINTR;
			return -1;
		}
		if (!fds[0].revents)
			continue;
		n = read(STDIN_FILENO, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		len = mbrtowc(ret, &byte, 1, &state);
		if (len == (size_t)-1)
			*ret = L'?';
		if (len != (size_t)-2)
			return 1;
	}
}

static char *prompt(EditLine *el)
{
	return edit_of(el)->prompt;
}

static void list_words(const struct words *words, size_t first, size_t count)
{
	size_t column = 0;

	putchar('\n');
	for (size_t i = first; i < first + count && i < first + LIST_MAX; i++) {
		size_t width = (strlen(words->list[i]) / 20 + 1) * 20;

		if (column + width > LIST_COLUMNS && column > 0) {
			putchar('\n');
			column = 0;
		}
		printf("%-*s", (int)width, words->list[i]);
		column += width;
	}
	if (count > LIST_MAX)
		printf("and %zu more", count - LIST_MAX);
	putchar('\n');
}

static unsigned char insert(EditLine *el, const char *text, size_t len, bool is_whole)
{
	CLEANUP(free_charp) char *copy = xasprintf("%.*s%s", (int)len, text, is_whole ? " " : "");

	return el_insertstr(el, copy) == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char on_complete(EditLine *el, int key)
{
	struct lineedit *edit = edit_of(el);
	const LineInfo *info = el_line(el);
	size_t len = (size_t)(info->cursor - info->buffer);
	size_t start = len, first, common, count, have;
	const struct words *words =
		edit->words ? edit->words(edit->data, info->buffer, len, &start) : NULL;

	(void)key;
	if (!words)
		return CC_ERROR;
	have = len - start;
	count = words_match(words, info->buffer + start, have, &first, &common);
	if (count == 0)
		return CC_ERROR;
	if (count == 1 || common > have)
		return insert(el, words->list[first] + have, common - have,
			      count == 1 && (start == 0 || info->buffer[start - 1] == ' '));
	list_words(words, first, count);
	return CC_REDISPLAY;
}

/* ---- life cycle ------------------------------------------------------------------- */

/* EL_SIGNAL: at a signal libedit restores the terminal, and then passes the signal on. */
static bool set_up(struct lineedit *edit)
{
	EditLine *el = edit->el;

	return el_set(el, EL_CLIENTDATA, edit) == 0 && el_set(el, EL_PROMPT, prompt) == 0 &&
	       el_set(el, EL_EDITOR, "emacs") == 0 && el_set(el, EL_SIGNAL, 1) == 0 &&
	       el_set(el, EL_GETCFN, read_key) == 0 &&
	       el_set(el, EL_HIST, history, edit->history) == 0 &&
	       el_wset(el, EL_ADDFN, L"complete", L"complete a word", on_complete) == 0 &&
	       el_set(el, EL_BIND, "^I", "complete", NULL) == 0 &&
	       el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL) == 0;
}

struct lineedit *lineedit_new(const struct lineedit_config *config, struct err *err)
{
	struct lineedit *edit = xnew(struct lineedit);

	edit->prompt = xstrdup(config->prompt);
	edit->history_path = config->history_path ? xstrdup(config->history_path) : NULL;
	edit->words = config->words;
	edit->data = config->data;
	if (interrupt_pipe[0] < 0 && pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		abort(); /* no descriptor is left */
	edit->history = history_init();
	edit->el = el_init("migrctl", stdin, stdout, stderr);
	if (!edit->history || !edit->el || !set_up(edit)) {
		TAKE_PTR(edit->history_path);
		lineedit_free(edit);
		err_set(err, ERR_INTERNAL, "the terminal cannot be set up for editing");
		return NULL;
	}
	load_history(edit);
	return edit;
}

void lineedit_free(struct lineedit *edit)
{
	struct err err;

	if (!edit)
		return;
	if (edit->history_path && !write_history(edit, &err))
		log_warning("lineedit", "history", "error=%s", err.msg);
	if (edit->el)
		el_end(edit->el);
	if (edit->history)
		history_end(edit->history);
	free(edit->history_path);
	free(edit->prompt);
	free(edit);
}

enum lineedit_result lineedit_read(struct lineedit *edit, char **ret_line)
{
	const char *text;
	int count = 0;

	take_interrupt();                  /* forget earlier ones */
	el_set(edit->el, EL_PREP_TERM, 1); /* before the prompt, so that no key is lost */
	errno = 0;
	text = el_gets(edit->el, &count);
	if (!text && count < 0 && errno == EINTR) {
		fputs("^C\n", stdout);
		return LINEEDIT_CANCELLED;
	}
	if (!text || count <= 0)
		return LINEEDIT_END;
	*ret_line = xstrndup(text, strcspn(text, "\r\n"));
	remember(edit, *ret_line);
	return LINEEDIT_LINE;
}
