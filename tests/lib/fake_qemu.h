/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_qemu.h -- qemu/qemu.h with fake processes.
 *
 * Like real processes they outlive the objects that watch them.  By default a process
 * does at once what a command says, and answers with success; a test can hold, refuse
 * or lose commands.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_QEMU_H
#define MIGRD_TESTS_LIB_FAKE_QEMU_H

#include "base/err.h"
#include "base/loop.h"
#include "fake_jobs.h"
#include "qmp/migrate.h"

struct fake_qemu {
	bool is_alive;
	bool is_incoming;
	bool is_hung; /* the monitor does not answer */
	bool has_oob;
	enum qmp_run_state run;
	const char *mig; /* state of query-migrate; NULL: none */
	const char *mig_error;
	uint64_t bytes_left; /* of query-migrate; 0: 500 */
	bool has_arrived; /* it is a destination: query-migrate has no member "ram" */
	uint64_t ram_transferred_bytes;
	const char *blocked_reason;
	struct fake_jobs jobs;
};

/* Called before each command that changes something is sent; checks the rules of a rig. */
extern void (*fake_qemu_before)(const char *command);
/* The answer to query-rx-filter, JSON; NULL: an empty object. */
extern const char *fake_qemu_rx_filters;
/* The same for qom-list and query-pci. */
extern const char *fake_qemu_devices;
/* The next qemu_start() fails; or its process is not ready before fake_qemu_ready(); or
 * qemu_quit() ends no process, but fake_qemu_dies() does. */
extern bool fake_qemu_start_fails, fake_qemu_start_hangs, fake_qemu_quit_hangs;
/* When its next events happen, in microseconds since 1970. */
extern int64_t fake_qemu_time_us;
/* A QEMU of the VM runs that is in no record of this host. */
extern bool fake_qemu_is_stray;
/* A QEMU whose schema is known; else the first move asks it.  At first true. */
extern bool fake_qemu_has_schema;
/* At first 7.2. */
extern struct qmp_version fake_qemu_version;
/* A move without disks is cancelled by a command, and not by the end of its stream.  At first true.
 */
extern bool fake_qemu_cancel_keeps_images;
extern char fake_boot_id[];

void fake_qemu_init(struct loop *loop);
void fake_qemu_fini(void); /* every object must be gone */
/* The newest process. */
struct fake_qemu *fake_qemu(void);
void fake_qemu_ready(const char *error); /* NULL: success */
void fake_qemu_dies(void);
/* The newest process dies while no object watches it. */
void fake_qemu_dies_unseen(void);
/* The connection to the monitor is lost; then it is there again. */
void fake_qemu_lose_monitor(void);
void fake_qemu_find_monitor(void);

/* DATA is JSON or NULL. */
void fake_qemu_event(const char *name, const char *data);
/* Sets the state of the migration, sends its event, and stops or resumes the CPUs as QEMU
 * does in that state. */
void fake_qemu_migrates(const char *state);
/* Sets the state of a mirror job, and sends its event.  ERROR may be NULL. */
void fake_qemu_job(const char *id, const char *status, const char *error);

/* Commands of that name are not answered before fake_qmp_release(). */
void fake_qmp_hold(const char *command);
void fake_qmp_release(const char *command); /* also answers the waiting ones */
void fake_qmp_refuse(const char *command, enum err_code code); /* all of that name */
extern const char *fake_qmp_words; /* end of the text of each refusal; "" at first */
void fake_qmp_accept(const char *command);
/* JSON, a constant: the answer to all commands of that name; NULL: the fake QEMU's own answer. */
void fake_qmp_result(const char *command, const char *json);
/* The arguments of the last command of that name, as text; "" if it had none. */
const char *fake_qmp_args(const char *command);
bool fake_qmp_is_held(const char *command);

#endif
