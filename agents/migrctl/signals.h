/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/signals.h -- signals as something to wait for, where the program has something to put in
 * order before it ends or stops: a terminal, a socket.
 *
 * Those are SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP and SIGCONT.  Thread: main.
 */
#ifndef MIGRD_MIGRCTL_SIGNALS_H
#define MIGRD_MIGRCTL_SIGNALS_H

/* They come to the descriptor from now on, which is readable when there is one. */
int signals_hold(void);
/* They do again what they did before; FD is closed. */
void signals_let_go(int fd);
/* The next one; 0: there is none. */
int signals_take(int fd);
/* Ends the program by SIGNAL, as if it had not been held. */
void signals_end_by(int signal) __attribute__((noreturn));

#endif
