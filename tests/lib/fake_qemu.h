/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_qemu.h -- qemu/qemu.h over processes that a test plays.
 *
 * Like the real ones they outlive the objects that watch them.  By itself a
 * process does what it is told at once and says yes; a test holds, refuses or
 * loses what it wants to.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_QEMU_H
#define MIGRD_TESTS_LIB_FAKE_QEMU_H

#include "base/err.h"
#include "base/loop.h"
#include "qmp/migrate.h"

struct fake_qemu {
	bool is_alive;
	bool is_incoming;
	bool is_hung; /* its monitor says nothing */
	bool has_oob;
	enum qmp_run_state run;
	const char *mig; /* state of query-migrate; NULL: none */
	const char *mig_error;
	bool has_arrived; /* "completed" is that of its own arrival: no account of the RAM */
	uint64_t ram_transferred_bytes;
	const char *blocked_reason;
};

/* Before each command that changes something is sent; for the rules of a rig. */
extern void (*fake_qemu_before)(const char *command);
/* The answer to query-rx-filter, JSON; NULL: an empty object. */
extern const char *fake_qemu_rx_filters;
/* The same of qom-list and query-pci. */
extern const char *fake_qemu_devices;
/* The next qemu_start() fails, or its process is not ready until fake_qemu_ready(). */
extern bool fake_qemu_start_fails, fake_qemu_start_hangs;
/* A QEMU of the VM lives, and no record of this host has it. */
extern bool fake_qemu_is_stray;
extern char fake_boot_id[];

void fake_qemu_init(struct loop *loop);
void fake_qemu_fini(void); /* every object must be gone */
/* The youngest process. */
struct fake_qemu *fake_qemu(void);
void fake_qemu_ready(const char *error); /* NULL: well */
void fake_qemu_dies(void);
/* It died while nobody looked. */
void fake_qemu_dies_unseen(void);
/* No process has such a monitor at the moment; then it has one again. */
void fake_qemu_lose_monitor(void);
void fake_qemu_find_monitor(void);

/* DATA is JSON or NULL. */
void fake_qemu_event(const char *name, const char *data);
/* What QEMU does of itself in a migration: the state, its event, and with it the CPUs. */
void fake_qemu_migrates(const char *state);

/* Commands of that name wait for an answer by the test. */
void fake_qmp_hold(const char *command);
void fake_qmp_release(const char *command); /* and the waiting ones are answered */
void fake_qmp_refuse(const char *command, enum err_code code); /* all of that name */
extern const char *fake_qmp_words; /* at the end of each refusal; "" at first */
void fake_qmp_accept(const char *command);
/* JSON, a constant: the answer to all of that name; NULL: what the fake QEMU says itself. */
void fake_qmp_result(const char *command, const char *json);
/* The arguments of the last command of that name, as text; "" if it had none. */
const char *fake_qmp_args(const char *command);
bool fake_qmp_is_held(const char *command);

#endif
