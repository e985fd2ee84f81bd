/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a QEMU that an earlier coordinator has started and that may have no monitor. */
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

#define LOOK_MS 20

static void tell_gone(struct qemu *qemu)
{
	qemu->is_alive = false;
	qemu->cb.exited(qemu->cb.data);
}

/* It holds its sockets from its start on, and locks its pid file a moment later. */
static bool is_there(const struct qemu *qemu, bool *ret_is_known)
{
	struct err ignored;

	*ret_is_known = !qemu_is_alone(qemu->env, qemu->place, qemu->name, &ignored);
	return *ret_is_known || qemu_has_listener(qemu->env, qemu->place);
}

/* False: it is there, and cannot be ended now, as when no descriptor is free to watch it. */
static bool end_process(struct qemu *qemu)
{
	struct err err;

	if (qemu_watch_process(qemu, &err))
		qemu_kill(qemu);
	else if (err.code == ERR_NOT_FOUND)
		tell_gone(qemu);
	else
		return false;
	return true;
}

void qemu_look_unheard(struct qemu *qemu)
{
	bool is_known = qemu->id.pid != 0;

	if (!is_known && !is_there(qemu, &is_known)) {
		tell_gone(qemu);
	} else if (is_known && end_process(qemu)) {
		;
	} else if (loop_now_ms(qemu->env->loop) < qemu->unheard_until_ms) {
		loop_timer_start(qemu->retry_timer, LOOK_MS);
	} else {
		log_error("qemu", "unheard",
			  "vm=%s: a QEMU in '%s' has not said which process it is; it is left "
			  "alone, and 'migrctl host check' tells what can be done",
			  qemu->name, qemu->place);
		qemu->cb.exited(qemu->cb.data);
	}
}

struct qemu *qemu_end_unheard(const struct qemu_env *env, const char *uuid, const char *name,
			      bool is_second, struct proc_id id, const struct qemu_callbacks *cb)
{
	struct qemu *qemu = qemu_new(env, uuid, name, is_second, cb);

	qemu->id = id;
	qemu->is_alive = true;
	qemu->told_ready = true;
	qemu->unheard_until_ms = loop_now_ms(env->loop) + env->start_timeout_ms;
	qemu_output_attach(qemu);
	loop_timer_start(qemu->retry_timer, 0);
	return qemu;
}
