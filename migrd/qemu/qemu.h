/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/qemu.h -- one QEMU process of this host.
 *
 * QEMU is started in a session of its own with two monitors, on sockets that we bind
 * and pass: so we need not wait for the sockets, and no other program can be there
 * first.  QEMU outlives us, and qemu_attach() finds it again.  The second monitor is a
 * spare: a monitor serves one client, so a single one that hangs would lock us out.
 *
 * A QEMU that somebody else started has one monitor, at a path of their choice.  There
 * the kernel tells which process listens: nothing is sent to a process other than the
 * one we mean, nor to one of another user.
 *
 * A QEMU that we cannot prove to be the one we mean (place, uuid, start time) is left
 * alone.  Its name proves nothing: the VM may have got another since, or the record may be older.
 * Thread: loop.
 */
#ifndef MIGRD_QEMU_QEMU_H
#define MIGRD_QEMU_QEMU_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/proc.h"
#include "cmdline/cmdline.h"
#include "qemu/probe.h"
#include "qmp/conn.h"
#include "qmp/migrate.h"
#include "wire/transfer_plan.h"
#include "wire/vm_def.h"

/* What every QEMU of this host shares. */
struct qemu_env {
	struct loop *loop;
	const char *binary;
	const char *run_dir; /* DIR/vms/<place>/ is private to one QEMU */
	/* <place>.log, <place>.log.1: what QEMU prints, kept while the VM is here; both
	 * together have LOG_BYTES at most. */
	const char *log_dir;
	uint64_t log_bytes;
	const char *output_program; /* migrd-output, which keeps them */
	const char *swtpm;   /* the program */
	const char *tpm_dir; /* DIR/<place>/ is the state of a VM's TPM, which holds keys */
	uint32_t start_timeout_ms;
	struct probe *probe; /* of BINARY; made and freed by vm/vm.c */
	struct programs *programs; /* what QEMUs of each program have told; by vm/vm.c too */
};

/* The name of a QEMU's private directory, and the beginning of its log's.  A VM has two, its uuid
 * and the uuid with a suffix, so that a second QEMU can be there beside the first, which takes its
 * guest over (refresh/refresh.h). */
#define QEMU_PLACE_SUFFIX ID_SECOND_SUFFIX
#define QEMU_PLACE_SIZE   (ID_UUID_SIZE + sizeof(QEMU_PLACE_SUFFIX) - 1)
void qemu_place(const char *uuid, bool is_second, char ret[QEMU_PLACE_SIZE]);

struct qemu_callbacks {
	/* Once: the monitor answers and belongs to the QEMU we mean; or ERR, with
	 * QEMU's own words if it has ended.  May free the qemu. */
	void (*ready)(void *data, const struct err *err);
	void (*event)(void *data, const struct qmp_event *event);
	/* At most once, after ready(): the process has ended. May free the qemu. */
	void (*exited)(void *data);
	/* After ready(), each time the monitor is proved to be that of the QEMU we
	 * mean: it was hung or taken by somebody else at ready(), or was lost since.
	 * Events of the time between are lost. */
	void (*found)(void *data);
	void *data;
};

struct qemu;

struct qemu_start {
	const struct vm_def *def;
	enum cmdline_incoming incoming;
	bool is_second;      /* in the second place of the VM */
	struct probe *probe; /* of the program; NULL: that of this host */
	/* The process of a QEMU of the same definition that has its taps and macvtaps open: the new
	 * one gets duplicates of its descriptors.  0: it opens them. */
	pid_t taps_of;
};

/* Starts QEMU for HOW->def, stopped (-S).  If the
 * program was not asked yet what it offers (qemu/probe.h), that is done first: QEMU
 * counts as alive from here on, and its process id is known at ready() at the latest. */
struct qemu *qemu_start(const struct qemu_env *env, const struct qemu_start *how,
			const struct qemu_callbacks *cb, struct err *err);
/* Finds the QEMU of a VM again.  ID may be empty (a crash between start and record):
 * then the monitor's socket tells whether QEMU lives, and its pid file which process it
 * is.  ready() says NOT_FOUND when there is none. */
struct qemu *qemu_attach(const struct qemu_env *env, const char *uuid, const char *name,
			 bool is_second, struct proc_id id, const struct qemu_callbacks *cb);
/* Ends a QEMU that no coordinator speaks to any more, without a word to it: one that waits for its
 * guest may have no monitor yet.  ID as of qemu_attach(): without it, the process is known when
 * QEMU has written its pid file.  Only exited() is called, once, later, also if there is none, and
 * also if none was found in START_TIMEOUT_MS; qemu_is_alive() then tells that it still lives. */
struct qemu *qemu_end_unheard(const struct qemu_env *env, const char *uuid, const char *name,
			      bool is_second, struct proc_id id, const struct qemu_callbacks *cb);
/* The same for a QEMU that somebody else started, with its monitor at PATH.  When it is
 * first looked at, UUID and NAME are "" and ID is empty: then QEMU is the process that
 * listens there. */
struct qemu *qemu_attach_foreign(const struct qemu_env *env, const char *uuid, const char *name,
				 const char *path, struct proc_id id,
				 const struct qemu_callbacks *cb);
/* A QEMU that was ready gets another owner, and a foreign one an identity here. */
void qemu_hand_over(struct qemu *qemu, const char *uuid, const char *name,
		    const struct qemu_callbacks *cb);
/* Its VM has another name: messages and logs say that from here on. */
void qemu_rename(struct qemu *qemu, const char *name);
/* Lets go of QEMU; the process runs on. */
void qemu_free(struct qemu *qemu);

/* NULL while it is not ready or between two monitors. */
struct qmp_conn *qemu_monitor(const struct qemu *qemu);
bool qemu_is_alive(const struct qemu *qemu); /* false for NULL */
/* Why there is no monitor; "" if there is one or it has never been tried. */
const char *qemu_trouble(const struct qemu *qemu);
struct proc_id qemu_proc_id(const struct qemu *qemu);
const struct qmp_version *qemu_version(const struct qemu *qemu); /* NULL before ready */
/* What this process offers; NULL before ready.  Its parameters and form are those of a program
 * that was asked before it was started; else they are unknown until qemu_knows_schema() is true, or
 * qemu_note_schema(). */
const struct transfer_features *qemu_migration_features(const struct qemu *qemu);
/* STATE is that of the migration that it was the source of.  A QEMU before 10.0 that is told to
 * cancel in the moment in which its migration completes gives its images up all the same, and lets
 * the guest run on without them (migration/migration.c looks at its state before it has the lock):
 * the next write or migration would end it.  `cont' takes them back, also of a guest that runs, and
 * changes nothing where they are there. */
bool qemu_may_lack_images(const struct qemu *qemu, enum qmp_mig_state state); /* false for NULL */
/* Its parameters and form are known, of itself or of another QEMU of the same program.  It is
 * ready. */
bool qemu_knows_schema(struct qemu *qemu);
/* RESULT: its answer to query-qmp-schema, borrowed. */
void qemu_note_schema(struct qemu *qemu, struct json_object *result);
/* The path of a monitor that the coordinator does not use; a foreign QEMU has but one.  Malloced,
 * the caller frees it. */
char *qemu_spare_monitor(const struct qemu *qemu);
/* The same of the one that it uses, which is free when it has died; NULL: a foreign QEMU. */
char *qemu_used_monitor(const struct qemu *qemu);
/* Kept up to date by events. */
enum qmp_run_state qemu_run_state(const struct qemu *qemu);
/* An answer told the run state: notes it, in case its event never comes. */
void qemu_note_run_state(struct qemu *qemu, enum qmp_run_state state);
/* A command under the usual rules of qmp_command(); UNAVAILABLE without a
 * monitor. */
void qemu_command(struct qemu *qemu, const char *name, struct json_object *args,
		  uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
/* Asks it to quit, and kills it if it has not begun to in 2 s (event SHUTDOWN), or has not ended 10 s
 * later. */
void qemu_quit(struct qemu *qemu);
void qemu_kill(struct qemu *qemu);

/* True: no other QEMU of the VM is running.  QEMU locks its pid file while it lives;
 * one that we lost sight of may run the guest, so its files stay and no second one is
 * started (CONFLICT). */
bool qemu_is_alone(const struct qemu_env *env, const char *place, const char *name,
		   struct err *err);
/* Why the QEMU of a VM ended, for error messages: the last lines that it printed and
 * that are no warnings; if there are only warnings, those. */
void qemu_last_words(const struct qemu_env *env, const char *place, char *ret_text, size_t size);
/* Some process listens on the monitor's socket: a QEMU lives, whoever started it. */
bool qemu_has_listener(const struct qemu_env *env, const char *place);
/* Removes what a crash left of VMs that this host does not have any more: all
 * directories and logs, except those that IS_KNOWN is true of and those whose QEMU
 * lives. */
typedef bool qemu_is_known_fn(void *data, const char *uuid);
void qemu_remove_leftovers(const struct qemu_env *env, qemu_is_known_fn *is_known, void *data);
/* Kills the swtpm that has its state in DIR, and waits for its end, a second at most: one that a
 * crash has left unrecorded stays when its QEMU ends before it has spoken to it (swtpm 0.7.1). Only
 * processes of this user are looked at.  Thread: a worker. */
void qemu_tpm_end_lost_blocking(const char *dir);
/* Path of the socket at which QEMU passes us on to the guest's agent; the caller frees
 * it. */
char *qemu_agent_path(const struct qemu_env *env, const char *place);
/* The same of the socket of the guest's console. */
char *qemu_console_path(const struct qemu_env *env, const char *place);
/* The same of the socket at which QEMU shows the guest's display (RFB). */
char *qemu_vnc_path(const struct qemu_env *env, const char *place);
/* The same of the sockets at which a QEMU that takes a guest over waits for the old one: for what
 * QEMU needs first (CPR), and for the guest. */
char *qemu_cpr_path(const struct qemu_env *env, const char *place);
char *qemu_main_path(const struct qemu_env *env, const char *place);
/* Removes the private directory; with LOG the log too. */
void qemu_remove_files(const struct qemu_env *env, const char *place, bool log);

#endif
