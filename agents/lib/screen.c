/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/screen.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agents/lib/client.h"
#include "agents/lib/screen_kind.h"
#include "base/mem.h"

/* How long after an escape the rest of a key's sequence may come. */
#define ESCAPE_MS 50

struct screen {
	SCREEN *terminal;
	bool has_colors;
};

/* ---- signals ------------------------------------------------------------ */

static int wake_pipe[2] = { -1, -1 };
static volatile sig_atomic_t last_signal;

static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static void wake(void)
{
	int saved = errno;
	ssize_t n = write(wake_pipe[1], "", 1);

	(void)n; /* it is full: a byte is in it */
	errno = saved;
}

static void on_end(int signo)
{
	last_signal = signo;
	client_interrupt();
	wake();
}

static void on_resize(int signo)
{
	(void)signo;
	wake();
}

static bool hold_signals(struct err *err)
{
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESTART };
	struct sigaction resize = { .sa_handler = on_resize, .sa_flags = SA_RESTART };

	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, "no pipe can be made");
	last_signal = 0;
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		sigaction(ending[i], &end, NULL);
	sigaction(SIGWINCH, &resize, NULL);
	return true;
}

static void let_signals_go(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		signal(ending[i], SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(wake_pipe); i++) {
		closep(&wake_pipe[i]);
		wake_pipe[i] = -1;
	}
}

int screen_wake_fd(const struct screen *screen)
{
	(void)screen;
	return wake_pipe[0];
}

int screen_signal(struct screen *screen)
{
	char bytes[64];

	(void)screen;
	while (read(wake_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	return last_signal;
}

/* ---- life --------------------------------------------------------------- */

/* 0: that of the terminal. */
static const short colors[FRAME_STYLE_COUNT] = {
	[FRAME_TITLE] = COLOR_CYAN,
	[FRAME_GOOD] = COLOR_GREEN,
	[FRAME_WARN] = COLOR_YELLOW,
	[FRAME_BAD] = COLOR_RED,
};

static void set_colors(struct screen *screen)
{
	const char *no_color = getenv("NO_COLOR");

	screen->has_colors = !(no_color && *no_color) && has_colors() && start_color() == OK &&
			     use_default_colors() == OK;
	for (short i = 0; screen->has_colors && i < FRAME_STYLE_COUNT; i++)
		if (colors[i])
			init_pair(i, colors[i], -1);
}

struct screen *screen_open(struct err *err)
{
	struct screen *screen = xnew(struct screen);
	const char *name = getenv("TERM");

	/* Before ncurses, which leaves alone what has a handler. */
	if (!hold_signals(err)) {
		free(screen);
		return NULL;
	}
	screen->terminal = screen_kind_has_pages() ? newterm(NULL, stdout, stdin) : NULL;
	if (!screen->terminal) {
		err_set(err, ERR_INVALID,
			"a terminal of the type '%.100s' ($TERM) cannot show a page",
			name ? name : "");
		let_signals_go();
		free(screen);
		return NULL;
	}
	set_term(screen->terminal);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	set_colors(screen);
	return screen;
}

void screen_close(struct screen *screen)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen->terminal);
	let_signals_go();
	free(screen);
}

/* ---- drawing ------------------------------------------------------------ */

void screen_size(struct screen *screen, unsigned *ret_width, unsigned *ret_height)
{
	struct winsize size;

	(void)screen;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row &&
	    (size.ws_col != COLS || size.ws_row != LINES)) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(curscr, TRUE); /* what the terminal made of the old lines is not known */
	}
	*ret_width = (unsigned)COLS;
	*ret_height = (unsigned)LINES;
}

static attr_t attributes_of(const struct screen *screen, enum frame_style style)
{
	static const attr_t plain[FRAME_STYLE_COUNT] = {
		[FRAME_TITLE] = A_BOLD,
		[FRAME_DIM] = A_DIM,
		[FRAME_WARN] = A_BOLD,
		[FRAME_BAD] = A_BOLD,
	};

	return plain[style] | (screen->has_colors && colors[style] ? (attr_t)COLOR_PAIR(style) : 0);
}

static void show_line(struct screen *screen, int row, const struct frame_line *line)
{
	attr_t chosen = line->is_selected ? A_REVERSE : 0;
	size_t from = 0;

	move(row, 0);
	for (size_t i = 0; i < line->span_count; i++) {
		attrset(attributes_of(screen, line->spans[i].style) | chosen);
		addnstr(line->text.data + from, (int)(line->spans[i].end - from));
		from = line->spans[i].end;
	}
	attrset(chosen);
	for (int column = (int)line->columns; chosen && column < COLS; column++)
		mvaddch(row, column, ' ');
	attrset(A_NORMAL);
}

void screen_show(struct screen *screen, const struct frame *frame)
{
	erase();
	for (size_t i = 0; i < frame->count && (int)i < LINES; i++)
		show_line(screen, (int)i, &frame->lines[i]);
	refresh();
}

void screen_redraw(struct screen *screen)
{
	(void)screen;
	clearok(curscr, TRUE);
}

/* ---- keys --------------------------------------------------------------- */

/* No key will come any more. */
static bool is_gone(void)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };

	return poll(&input, 1, 0) > 0 && input.revents & (POLLHUP | POLLERR | POLLNVAL);
}

int screen_key(struct screen *screen)
{
	static const struct {
		int theirs, ours;
	} keys[] = {
		{ KEY_UP, SCREEN_UP },
		{ KEY_DOWN, SCREEN_DOWN },
		{ KEY_PPAGE, SCREEN_PAGE_UP },
		{ KEY_NPAGE, SCREEN_PAGE_DOWN },
		{ KEY_HOME, SCREEN_HOME },
		{ KEY_END, SCREEN_END },
		{ KEY_ENTER, SCREEN_ENTER },
		{ '\r', SCREEN_ENTER },
		{ KEY_BACKSPACE, SCREEN_BACKSPACE },
		{ 0x7f, SCREEN_BACKSPACE },
	};

	(void)screen;
	for (;;) {
		int key = getch();

		if (key == ERR)
			return is_gone() ? SCREEN_GONE : SCREEN_NONE;
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (keys[i].theirs == key)
				return keys[i].ours;
		if (key > 0 && key < 0x7f)
			return key; /* others mean nothing here */
	}
}
