/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/priv.h -- shared by qemu/qemu.c (the process), qemu/monitor.c (its monitor)
 * and qemu/files.c (its files). */
#ifndef MIGRD_QEMU_PRIV_H
#define MIGRD_QEMU_PRIV_H

#include "base/noise.h"
#include "qemu/qemu.h"
#include "qmp/run_state.h"

#define QEMU_AGENT_SOCKET "agent.sock"
/* "PID START_TIME" of the migrd-output that keeps what a QEMU prints. */
#define QEMU_OUTPUT_FILE "output"

enum identify_step { STEP_UUID, STEP_NAME, STEP_FEATURES, STEP_STATUS, STEP_DONE };

struct qemu_question;

struct qemu {
	const struct qemu_env *env;
	struct qemu_callbacks cb;
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	struct proc_id id;
	struct proc *proc;
	char *foreign_path; /* of the monitor; NULL: QEMU was started by us */
	struct qmp_conn *conn;
	struct err refusal;         /* of a foreign monitor, to be told on the loop */
	unsigned monitor;           /* which of the two the connection uses */
	unsigned failures;          /* of monitors since one last worked for a while */
	uint64_t proved_ms;         /* when the one in use had proved whose it is */
	struct noise *noise;        /* of monitors that come and go */
	char trouble[ERR_MSG_SIZE]; /* why a monitor was last lost; "" while there is one */
	enum identify_step step;
	struct qemu_question *question;
	bool is_alive, told_ready, is_quitting;
	struct vm_def *to_launch; /* while the program is asked what it offers, else NULL */
	bool to_launch_incoming, is_unwanted;
	struct qmp_run run;
	struct qmp_version version;
	struct transfer_features features;
	struct proc_id keeper_id; /* of what QEMU prints: qemu/output.c */
	struct proc *keeper;      /* NULL: it has ended, or there is none */
	bool is_ending;           /* QEMU has ended, and its last words are not all kept yet */
	int exit_status;
	struct loop_timer *keeper_timer;
	struct loop_timer *kill_timer;
	struct loop_timer *retry_timer; /* of the monitors, and for a late NOT_FOUND */
};

/* DIR/vms/UUID/FILE; FILE may be NULL.  The caller frees it. */
char *qemu_path(const struct qemu_env *env, const char *uuid, const char *file);
char *qemu_log_path(const struct qemu_env *env, const char *uuid);

/* qemu/extra.c: listens where the monitors of the definition shall be, setting a
 * descriptor for each but those on a pseudo-terminal; CONFLICT for a place that is
 * taken.  And removes what is left of them. */
bool qemu_listen_extra(const struct qemu *qemu, const struct vm_def *def, int *ret_fds,
		       struct err *err);
void qemu_remove_extra(const struct qemu_env *env, const char *uuid);

/* qemu/output.c: starts what keeps QEMU's output; RET_FD is for QEMU to write to, and
 * never blocks it.  The keeper's end is seen: qemu_output_ended(). */
bool qemu_output_start(struct qemu *qemu, int *ret_fd, struct err *err);
/* Finds the keeper of a QEMU that an earlier coordinator started. */
void qemu_output_attach(struct qemu *qemu);
void qemu_output_watch(struct qemu *qemu);
void qemu_output_ended(struct qemu *qemu);
/* The words of qemu_last_words() out of what QEMU printed. Pure. */
void qemu_choose_words(const char *output, char *ret_text, size_t size);

/* The owner may free the qemu in there: nothing may follow. */
void qemu_tell_ready(struct qemu *qemu, const struct err *err);
/* From here on its end is seen. */
bool qemu_watch_process(struct qemu *qemu, struct err *err);
void qemu_connect_monitor(struct qemu *qemu);
void qemu_drop_monitor(struct qemu *qemu);
/* Connects to a foreign monitor, if it is that of the process we mean; at first
 * sight it becomes that. */
bool qemu_foreign_connect(struct qemu *qemu, int *ret_fd, struct err *err);
/* What it says of itself does not contradict: it may have no uuid, and its name
 * may be another one; the kernel has told who it is. FOUND may be NULL. */
bool qemu_foreign_matches(const struct qemu *qemu, const char *found);
/* The retry timer's callback. */
void qemu_on_retry(void *qemu);

#endif
