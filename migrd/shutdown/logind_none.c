/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build without libsystemd: logind is never there. */
#include "base/mem.h"
#include "shutdown/logind.h"

const bool logind_is_built = false;

struct logind {
	struct logind_state state;
};

struct logind *logind_new(struct loop *loop, loop_fn *changed, void *data)
{
	struct logind *logind = xnew(struct logind);

	(void)loop;
	(void)changed;
	(void)data;
	err_text(logind->state.error, "%s", "this migrd was built without libsystemd");
	return logind;
}

void logind_free(struct logind *logind)
{
	free(logind);
}

const struct logind_state *logind_state(const struct logind *logind)
{
	return &logind->state;
}

void logind_want(struct logind *logind, enum logind_lock lock, const char *why)
{
	(void)logind;
	(void)lock;
	(void)why;
}

void logind_look_again(struct logind *logind)
{
	(void)logind;
}
