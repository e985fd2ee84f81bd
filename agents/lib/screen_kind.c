/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Apart from screen.c, since <term.h> makes macros of common words. */
#include "agents/lib/screen_kind.h"

#include <curses.h>
#include <unistd.h>
/* Behind curses.h, which it needs. */
#include <term.h>

bool screen_kind_has_pages(void)
{
	const char *move_to;
	int status;

	if (setupterm(NULL, STDOUT_FILENO, &status) != OK)
		return false;
	move_to = tigetstr("cup");
	del_curterm(cur_term);
	return move_to && move_to != (const char *)-1;
}
