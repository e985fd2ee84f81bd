/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/screen.h -- a frame on the terminal, and keys (ncurses inside).
 *
 * The terminal is that of standard input and output.  While it is open, SIGWINCH and the signals
 * that end a program make screen_wake_fd() readable; SIGTSTP gives the terminal back and takes it
 * again.  No colours where NO_COLOR is set (no-color.org) or the terminal has none: then styles are
 * bold and dim.  Thread: main; one at a time.
 */
#ifndef MIGRD_LIB_SCREEN_H
#define MIGRD_LIB_SCREEN_H

#include "agents/lib/frame.h"
#include "base/err.h"

enum screen_key {
	SCREEN_NONE = 0, /* below 0x80: the character */
	SCREEN_ESCAPE = 27,
	SCREEN_ENTER = '\n',
	SCREEN_BACKSPACE = 8,
	SCREEN_TAB = '\t',
	SCREEN_UP = 0x100,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_GONE, /* the terminal is */
};

struct screen;

/* INVALID: nothing is known of the terminal. */
struct screen *screen_open(struct err *err);
/* The terminal is as it was before. */
void screen_close(struct screen *screen);
/* As it is now. */
void screen_size(struct screen *screen, unsigned *ret_width, unsigned *ret_height);
void screen_show(struct screen *screen, const struct frame *frame);
/* All of it is drawn anew by the next screen_show(). */
void screen_redraw(struct screen *screen);
/* The next key that was pressed; NONE: there is none. Does not wait. */
int screen_key(struct screen *screen);
/* Readable when a signal has come. */
int screen_wake_fd(const struct screen *screen);
/* A signal that is to end the program; 0: none. Empties screen_wake_fd(). */
int screen_signal(struct screen *screen);

#endif
