/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"

static sigset_t held_set(void)
{
	static const int held[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		sigaddset(&set, held[i]);
	return set;
}

int signals_hold(void)
{
	const sigset_t set = held_set();
	int fd;

	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		abort(); /* no descriptor is left: nothing was opened yet */
	return fd;
}

void signals_let_go(int fd)
{
	const sigset_t set = held_set();

	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int signals_take(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_end_by(int signal_)
{
	sigset_t set;

	signal(signal_, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_);
	raise(signal_);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(EXIT_FAILURE); /* it was a signal that does not end a program */
}
