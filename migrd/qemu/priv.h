/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/priv.h -- shared by qemu/qemu.c (the process), qemu/monitor.c (its monitor)
 * and qemu/files.c (its files). */
#ifndef MIGRD_QEMU_PRIV_H
#define MIGRD_QEMU_PRIV_H

#include "base/noise.h"
#include "qemu/qemu.h"
#include "qmp/run_state.h"

#define QEMU_AGENT_SOCKET   "agent.sock"
#define QEMU_CONSOLE_SOCKET "console.sock"
#define QEMU_VNC_SOCKET     "vnc.sock"
/* "PID START_TIME" of the migrd-output that keeps what a QEMU prints. */
#define QEMU_OUTPUT_FILE "output"
/* The same of the swtpm that is a QEMU's TPM. */
#define QEMU_TPM_FILE "tpm"

enum identify_step { STEP_UUID, STEP_FEATURES, STEP_STATUS, STEP_DONE };

struct qemu_question;

struct qemu {
	const struct qemu_env *env;
	struct qemu_callbacks cb;
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	char place[QEMU_PLACE_SIZE];
	struct proc_id id;
	struct proc *proc;
	char *foreign_path; /* of the monitor; NULL: QEMU was started by us */
	struct qmp_conn *conn;
	struct err refusal;         /* error of a foreign monitor, to be told on the loop */
	unsigned monitor;           /* which of the two the connection uses */
	unsigned failures;          /* of monitors since one last worked for a while */
	uint64_t proved_ms;         /* when the monitor in use proved whose it is */
	struct noise *noise;        /* limits log records of monitors that come and go */
	char trouble[ERR_MSG_SIZE]; /* why a monitor was last lost; "" while there is one */
	enum identify_step step;
	struct qemu_question *question;
	bool is_alive, told_ready, is_quitting;
	bool has_started; /* its monitors answer at once, unless it hangs */
	struct probe *probe;      /* of its program */
	struct vm_def *to_launch; /* set while the program is asked what it offers */
	enum cmdline_incoming to_launch_incoming;
	pid_t taps_of; /* of its start: who has its taps open; 0: nobody */
	bool is_unwanted;
	uint64_t unheard_until_ms; /* qemu/unheard.c; 0: it is no such */
	struct qmp_run run;
	struct qmp_version version;
	struct transfer_features features;
	struct proc_id keeper_id; /* the process that keeps what QEMU prints: qemu/output.c */
	struct proc *keeper;      /* NULL: it has ended, or there is none */
	struct proc *tpm;         /* its swtpm: qemu/tpm.c; NULL: it has ended, or there is none */
	bool is_ending;           /* QEMU has ended, and its last words are not all kept yet */
	int exit_status;
	struct loop_timer *keeper_timer;
	struct loop_timer *kill_timer;
	struct loop_timer *retry_timer; /* of the monitors, and for a late NOT_FOUND */
};

/* DIR/vms/PLACE/FILE; FILE may be NULL.  The caller frees it. */
char *qemu_path(const struct qemu_env *env, const char *place, const char *file);
char *qemu_log_path(const struct qemu_env *env, const char *place);

/* Other QEMUs of its program take the commands that are known of it (qemu/program.h). */
void qemu_note_program(const struct qemu *qemu);

/* qemu/extra.c: listens at the places of the monitors of DEF and sets a descriptor for
 * each, except for those on a pseudo-terminal; CONFLICT if a place is taken.
 * qemu_remove_extra() removes what is left of them. */
bool qemu_listen_extra(const struct qemu *qemu, const struct vm_def *def, int *ret_fds,
		       struct err *err);
void qemu_remove_extra(const struct qemu_env *env, const char *place);

/* qemu/output.c: starts the keeper of QEMU's output.  QEMU writes to RET_FD, which
 * never blocks it.  When the keeper ends, qemu_output_ended() is called. */
bool qemu_output_start(struct qemu *qemu, int *ret_fd, struct err *err);
/* Finds the keeper of a QEMU that an earlier coordinator started. */
void qemu_output_attach(struct qemu *qemu);
void qemu_output_ended(struct qemu *qemu);
/* The words of qemu_last_words() out of what QEMU printed. Pure. */
void qemu_choose_words(const char *output, char *ret_text, size_t size);

/* qemu/tpm.c: makes what the TPM of a VM needs, and a pair of sockets: QEMU gets RET_FDS[0], swtpm
 * RET_FDS[1].  A QEMU that waits for a guest finds the directory of the state made, and empty.
 * Does nothing without a TPM. */
bool qemu_tpm_prepare(const struct qemu *qemu, const struct vm_def *def, bool incoming,
		      int ret_fds[2], struct err *err);
/* Starts the swtpm, with its end FD; -1: there is no TPM.  Its QEMU must have been started: a swtpm
 * ends with its QEMU, but not while no QEMU has spoken to it yet.  OUTPUT_FD: where both print. */
bool qemu_tpm_start(struct qemu *qemu, int fd, int output_fd, struct err *err);
/* Finds the swtpm of a QEMU that an earlier coordinator started. */
void qemu_tpm_attach(struct qemu *qemu);
/* QEMU has ended, or was not started: its swtpm ends by itself then, and this makes sure. */
void qemu_tpm_end(struct qemu *qemu);
/* The same for a VM whose QEMU nobody watches. */
void qemu_tpm_end_unwatched(const struct qemu_env *env, const char *place);

/* qemu/tpm_lost.c: the argument of swtpm that names the directory of its state; malloced. */
char *qemu_tpm_state_argument(const char *state);

/* Calls ready(), once, in which the owner may free QEMU: the caller must not touch it
 * afterwards. */
void qemu_tell_ready(struct qemu *qemu, const struct err *err);
/* Watches the process of QEMU: its exit is seen from here on. */
bool qemu_watch_process(struct qemu *qemu, struct err *err);
void qemu_connect_monitor(struct qemu *qemu);
void qemu_drop_monitor(struct qemu *qemu);
/* Connects to a foreign monitor, if the process that listens there is the one of QEMU.
 * If QEMU has no process yet, the one that listens becomes its process. */
bool qemu_foreign_connect(struct qemu *qemu, int *ret_fd, struct err *err);
/* The answer FOUND (may be NULL) of a foreign QEMU does not contradict what is
 * recorded.  That QEMU may have no uuid, and another name: the kernel has told which
 * process it is. */
bool qemu_foreign_matches(const struct qemu *qemu, const char *found);
/* A QEMU of nobody's process yet; no callback comes before a process or monitor is looked for. */
struct qemu *qemu_new(const struct qemu_env *env, const char *uuid, const char *name,
		      bool is_second, const struct qemu_callbacks *cb);
/* qemu/unheard.c: looks for the process that is to be ended. */
void qemu_look_unheard(struct qemu *qemu);
/* The retry timer's callback. */
void qemu_on_retry(void *qemu);

#endif
