/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_qemu_priv.h -- between fake_qemu.c, the processes, and fake_qmp.c, what they do
 * when a command comes. */
#ifndef MIGRD_TESTS_LIB_FAKE_QEMU_PRIV_H
#define MIGRD_TESTS_LIB_FAKE_QEMU_PRIV_H

#include "fake_qemu.h"
#include "qemu/qemu.h"

struct fake_process {
	struct fake_qemu fake;
	struct proc_id id;
	char uuid[ID_UUID_SIZE];
};

/* One that watches a process, as callers of qemu/qemu.h have it. */
struct qemu {
	struct qemu *next;
	uint64_t number;
	struct qemu_callbacks cb;
	struct fake_process *process; /* NULL: none was found */
	struct proc_id id;
	bool is_alive, told_ready, has_monitor;
	struct qmp_version version;
};

/* NULL: it is gone. */
struct qemu *fake_qemu_watcher(uint64_t number);

void fake_qmp_init(struct loop *loop);
void fake_qmp_fini(void); /* every command must be gone */
/* Takes ARGS over. */
void fake_qmp_send(struct qemu *qemu, const char *name, struct json_object *args,
		   uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
/* The commands of QEMU that wait are answered by an error. */
void fake_qmp_lose(const struct qemu *qemu);
void fake_qmp_note_args(const char *command, struct json_object *args);

#endif
