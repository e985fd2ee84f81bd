/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qemu.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmdline/cmdline.h"
#include "net/apply.h"
#include "net/tap_share.h"
#include "qemu/offers.h"
#include "qemu/priv.h"
#include "qemu/program.h"
#include "qmp/refuse.h"

#define QUIT_GRACE_MS 2000
/* A kill for which no descriptor was free. */
#define KILL_RETRY_MS 200
/* How long the report of an exit waits for the keeper of the output.  The keeper ends
 * with the last process that can write to it, which may be a child of QEMU. */
#define WORDS_PATIENCE_MS 1000

/* ---- the process ----------------------------------------------------- */

/* The owner may free QEMU in ready(): the caller must not touch it afterwards. */
void qemu_tell_ready(struct qemu *qemu, const struct err *err)
{
	if (qemu->told_ready)
		return;
	qemu->told_ready = true;
	qemu->cb.ready(qemu->cb.data, err);
}

static void set_exit_error(struct qemu *qemu, struct err *err)
{
	char words[ERR_MSG_SIZE];

	qemu_last_words(qemu->env, qemu->place, words, sizeof(words));
	err_set(err, ERR_QEMU, "QEMU ended at its start: %s", words);
}

static void tell_exit(void *data)
{
	struct qemu *qemu = data;
	struct err err;

	qemu->is_alive = false;
	qemu->is_ending = false;
	log_info("qemu", "exited", "vm=%s pid=%d status=%d", qemu->name, (int)qemu->id.pid,
		 qemu->exit_status);
	if (!qemu->told_ready) {
		set_exit_error(qemu, &err);
		qemu_tell_ready(qemu, &err);
	} else {
		qemu->cb.exited(qemu->cb.data);
	}
}

void qemu_output_ended(struct qemu *qemu)
{
	if (!qemu->is_ending)
		return;
	loop_timer_stop(qemu->keeper_timer);
	tell_exit(qemu);
}

/* The exit is reported when QEMU's last words are kept, so that the report can say why. */
static void on_exit_seen(void *data, int status)
{
	struct qemu *qemu = data;
	struct err err;

	fault_hit("qemu.exited", &err);
	qemu->is_ending = true;
	qemu->exit_status = status;
	loop_timer_stop(qemu->kill_timer);
	loop_timer_stop(qemu->retry_timer);
	qemu_drop_monitor(qemu);
	qemu_tpm_end(qemu);
	if (qemu->keeper)
		loop_timer_start(qemu->keeper_timer, WORDS_PATIENCE_MS);
	else
		tell_exit(qemu);
}

/* QEMU writes the pid file itself, before its monitor answers. */
static bool find_process(struct qemu *qemu, struct err *err)
{
	CLEANUP(free_charp) char *path = qemu_path(qemu->env, qemu->place, "pid");
	CLEANUP(free_charp) char *text = NULL;
	size_t len;
	long pid;

	if (!file_read(path, 32, &text, &len, err)) {
		err->code = ERR_INTERNAL; /* a file that is not there says nothing of the process */
		return err_wrap(err, "cannot tell which process the monitor of VM '%s' belongs to",
				qemu->name);
	}
	pid = strtol(text, NULL, 10);
	if (pid <= 1)
		return err_set(err, ERR_INVALID, "'%s' holds no process id", path);
	return proc_identify((pid_t)pid, &qemu->id, err);
}

bool qemu_watch_process(struct qemu *qemu, struct err *err)
{
	if (!qemu->id.pid && !find_process(qemu, err))
		return false;
	qemu->proc = proc_watch(qemu->env->loop, qemu->id, on_exit_seen, qemu, err);
	/* One that cannot be watched, as when no descriptor is free, is there all the same. */
	qemu->is_alive = qemu->proc || err->code != ERR_NOT_FOUND;
	return qemu->proc;
}

/* ---- life cycle ------------------------------------------------------ */

static void on_kill_timer(void *data)
{
	qemu_kill(data);
}

static const struct noise_kind repeated = { LOG_LEVEL_INFO, "qemu", "repeated", "vm" };

struct qemu *qemu_new(const struct qemu_env *env, const char *uuid, const char *name,
		      bool is_second, const struct qemu_callbacks *cb)
{
	struct qemu *qemu = xnew(struct qemu);

	loop_assert_thread(env->loop);
	qemu->env = env;
	qemu->cb = *cb;
	snprintf(qemu->uuid, sizeof(qemu->uuid), "%s", uuid);
	snprintf(qemu->name, sizeof(qemu->name), "%s", name);
	qemu_place(uuid, is_second, qemu->place);
	qmp_run_init(&qemu->run);
	qemu->kill_timer = loop_timer_new(env->loop, on_kill_timer, qemu);
	qemu->retry_timer = loop_timer_new(env->loop, qemu_on_retry, qemu);
	qemu->noise = noise_new(env->loop, &repeated);
	qemu->keeper_timer = loop_timer_new(env->loop, tell_exit, qemu);
	return qemu;
}

static bool make_socket(struct qemu *qemu, const char *file, int *ret_fd, struct err *err)
{
	CLEANUP(free_charp) char *path = qemu_path(qemu->env, qemu->place, file);

	return unix_listen(path, SOCK_STREAM, ret_fd, err);
}

/* Opens a macvtap, or takes what another QEMU has open.  Else QEMU opens taps itself; they were
 * checked before (vm/taps.h). */
static bool take_interface(const struct vm_def_nic *nic, pid_t taps_of, int *ret_fd,
			   struct err *err)
{
	if (nic->type == VM_DEF_NIC_TYPE_USER)
		return true;
	if (taps_of)
		return net_tap_take(taps_of, nic->ifname, ret_fd, err);
	return nic->type != VM_DEF_NIC_TYPE_MACVTAP || net_open_macvtap(nic->ifname, ret_fd, err);
}

static bool take_interfaces(const struct vm_def *def, pid_t taps_of, struct cmdline_fds *fds,
			    struct err *err)
{
	for (size_t i = 0; i < def->nic_count; i++) {
		if (!take_interface(&def->nics[i], taps_of, &fds->nic[i], err))
			return err_wrap(err, "nic '%s'", def->nics[i].id);
	}
	return true;
}

static bool make_sockets(struct qemu *qemu, const struct vm_def *def, struct cmdline_fds *fds,
			 struct err *err)
{
	CLEANUP(free_charp) char *dir = qemu_path(qemu->env, qemu->place, NULL);

	return dir_make(dir, 0700, err) && make_socket(qemu, "qmp0.sock", &fds->monitor[0], err) &&
	       make_socket(qemu, "qmp1.sock", &fds->monitor[1], err) &&
	       (!def->guest_agent || make_socket(qemu, QEMU_AGENT_SOCKET, &fds->agent, err)) &&
	       (def->serial.type != VM_DEF_SERIAL_TYPE_CONSOLE ||
		make_socket(qemu, QEMU_CONSOLE_SOCKET, &fds->console, err)) &&
	       qemu_listen_extra(qemu, def, fds->extra, err) &&
	       take_interfaces(def, qemu->taps_of, fds, err);
}

static void close_sockets(struct cmdline_fds *fds)
{
	closep(&fds->monitor[0]);
	closep(&fds->monitor[1]);
	closep(&fds->agent);
	closep(&fds->console);
	for (size_t i = 0; i < ARRAY_LEN(fds->extra); i++)
		closep(&fds->extra[i]);
	for (size_t i = 0; i < ARRAY_LEN(fds->nic); i++)
		closep(&fds->nic[i]);
	closep(&fds->tpm);
}

static size_t list_fds(const struct cmdline_fds *fds, int *ret_list)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(fds->monitor); i++)
		ret_list[count++] = fds->monitor[i];
	if (fds->agent >= 0)
		ret_list[count++] = fds->agent;
	if (fds->console >= 0)
		ret_list[count++] = fds->console;
	if (fds->tpm >= 0)
		ret_list[count++] = fds->tpm;
	for (size_t i = 0; i < ARRAY_LEN(fds->extra); i++)
		if (fds->extra[i] >= 0)
			ret_list[count++] = fds->extra[i];
	for (size_t i = 0; i < ARRAY_LEN(fds->nic); i++)
		if (fds->nic[i] >= 0)
			ret_list[count++] = fds->nic[i];
	return count;
}

/* A QEMU without its TPM ends by itself, since nobody has the other end of its connection. */
static bool start_tpm(struct qemu *qemu, int fd, int output_fd, struct err *err)
{
	if (qemu_tpm_start(qemu, fd, output_fd, err))
		return true;
	qemu->id = (struct proc_id){ 0 };
	return false;
}

static bool spawn(struct qemu *qemu, const struct cmdline_args *cmdline_args,
		  struct cmdline_fds *fds, struct err *err)
{
	CLEANUP(closep) int output_fd = -1;
	CLEANUP(closep) int tpm_fd = -1;
	int tpm_fds[2] = { -1, -1 };
	struct cmdline *cmdline;
	int keep[5 + VM_DEF_MONITOR_MAX + VM_DEF_NIC_MAX];
	struct proc_args args = { .keep_fds = keep };
	struct err ignored;
	bool ok;

	if (fault_hit("qemu.spawn", err) || !qemu_output_start(qemu, &output_fd, err) ||
	    !qemu_tpm_prepare(qemu, cmdline_args->def,
			      cmdline_args->incoming != CMDLINE_INCOMING_NONE, tpm_fds, err))
		return false;
	fds->tpm = tpm_fds[0];
	tpm_fd = tpm_fds[1];
	args.keep_fd_count = list_fds(fds, keep);
	cmdline = cmdline_build(cmdline_args);
	args.argv = cmdline_argv(cmdline);
	args.output_fd = output_fd;
	ok = proc_spawn(&args, &qemu->id, err);
	if (ok)
		fault_hit("qemu.spawned", &ignored); /* QEMU runs, and no record has it yet */
	cmdline_free(cmdline);
	return ok && start_tpm(qemu, tpm_fd, output_fd, err);
}

static bool launch(struct qemu *qemu, const struct vm_def *def, enum cmdline_incoming incoming,
		   const struct qemu_features *features, struct err *err)
{
	CLEANUP(free_charp) char *cpr_path = qemu_cpr_path(qemu->env, qemu->place);
	CLEANUP(free_charp) char *vnc_path = qemu_vnc_path(qemu->env, qemu->place);
	CLEANUP(free_charp) char *pid_file = qemu_path(qemu->env, qemu->place, "pid");
	struct cmdline_fds fds = CMDLINE_FDS_INIT;
	const struct cmdline_args args = {
		.def = def,
		.binary = probe_binary(qemu->probe),
		.features = features,
		.pid_file = pid_file,
		.fds = &fds,
		.incoming = incoming,
		.cpr_path = cpr_path,
		.vnc_path = vnc_path,
	};
	bool ok = make_sockets(qemu, def, &fds, err) && spawn(qemu, &args, &fds, err);

	close_sockets(&fds);
	/* What cannot be watched is there: it is tried again when its monitor has answered. */
	if (ok && !qemu_watch_process(qemu, err) && err->code == ERR_NOT_FOUND) {
		set_exit_error(qemu, err);
		ok = false;
	}
	if (!ok) {
		qemu_tpm_end(qemu);
		if (!qemu->id.pid)
			qemu_remove_files(qemu->env, qemu->place, false);
		return err_wrap(err, "cannot start VM '%s'", def->name);
	}
	qemu->features = features->migration; /* the capabilities are asked of it again */
	log_info("qemu", "started", "vm=%s pid=%d incoming=%d", def->name, (int)qemu->id.pid,
		 incoming);
	qemu_connect_monitor(qemu);
	return true;
}

static void on_probed(void *data, const struct qemu_features *features, const struct err *why)
{
	struct qemu *qemu = data;
	struct vm_def *def = TAKE_PTR(qemu->to_launch);
	struct err err = why ? *why : (struct err){ 0 };
	bool ok = false;

	if (qemu->is_unwanted)
		err_set(&err, ERR_CANCELLED, "it was ended before it had begun");
	else if (!why)
		ok = launch(qemu, def, qemu->to_launch_incoming, features, &err);
	free(def);
	if (ok)
		return;
	qemu->is_alive = false;
	qemu_tell_ready(qemu, &err);
}

struct qemu *qemu_start(const struct qemu_env *env, const struct qemu_start *how,
			const struct qemu_callbacks *cb, struct err *err)
{
	struct probe *probe = how->probe ? how->probe : env->probe;
	const struct qemu_features *features = probe_known(probe);
	const struct vm_def *def = how->def;
	char place[QEMU_PLACE_SIZE];
	struct qemu *qemu;

	qemu_place(def->uuid, how->is_second, place);
	if (!qemu_is_alone(env, place, def->name, err))
		return NULL;
	qemu = qemu_new(env, def->uuid, def->name, how->is_second, cb);
	qemu->probe = probe;
	qemu->taps_of = how->taps_of;
	qemu_remove_files(env, place, true);
	if (!features) {
		qemu->to_launch = xnew(struct vm_def);
		*qemu->to_launch = *def;
		qemu->to_launch_incoming = how->incoming;
		qemu->is_alive = true;
		probe_ask(probe, on_probed, qemu);
	} else if (!launch(qemu, def, how->incoming, features, err)) {
		qemu_free(qemu);
		return NULL;
	}
	return qemu;
}

static void begin_attach(struct qemu *qemu, struct proc_id id)
{
	struct err err;

	qemu->id = id;
	qemu->has_started = true;
	qemu_output_attach(qemu);
	qemu_tpm_attach(qemu);
	if (id.pid && !qemu_watch_process(qemu, &err))
		loop_timer_start(qemu->retry_timer, 0);
	else
		qemu_connect_monitor(qemu);
}

struct qemu *qemu_attach(const struct qemu_env *env, const char *uuid, const char *name,
			 bool is_second, struct proc_id id, const struct qemu_callbacks *cb)
{
	struct qemu *qemu = qemu_new(env, uuid, name, is_second, cb);

	begin_attach(qemu, id);
	return qemu;
}

struct qemu *qemu_attach_foreign(const struct qemu_env *env, const char *uuid, const char *name,
				 const char *path, struct proc_id id,
				 const struct qemu_callbacks *cb)
{
	struct qemu *qemu = qemu_new(env, uuid, name, false, cb);

	qemu->foreign_path = xstrdup(path);
	begin_attach(qemu, id);
	return qemu;
}

void qemu_hand_over(struct qemu *qemu, const char *uuid, const char *name,
		    const struct qemu_callbacks *cb)
{
	qemu->cb = *cb;
	if (!qemu->foreign_path)
		return;
	snprintf(qemu->uuid, sizeof(qemu->uuid), "%s", uuid);
	snprintf(qemu->name, sizeof(qemu->name), "%s", name);
	qemu_place(uuid, false, qemu->place);
}

void qemu_rename(struct qemu *qemu, const char *name)
{
	snprintf(qemu->name, sizeof(qemu->name), "%s", name);
}

void qemu_free(struct qemu *qemu)
{
	if (!qemu)
		return;
	if (qemu->to_launch)
		probe_forget(qemu->probe, qemu);
	free(qemu->to_launch);
	qemu_drop_monitor(qemu);
	free(qemu->foreign_path);
	proc_free(qemu->proc);
	proc_free(qemu->keeper);
	proc_free(qemu->tpm);
	loop_timer_free(qemu->keeper_timer);
	loop_timer_free(qemu->kill_timer);
	loop_timer_free(qemu->retry_timer);
	noise_free(qemu->noise);
	free(qemu);
}

/* ---- use ------------------------------------------------------------- */

struct qmp_conn *qemu_monitor(const struct qemu *qemu)
{
	return qemu && qemu->is_alive && qemu->step == STEP_DONE ? qemu->conn : NULL;
}

const char *qemu_trouble(const struct qemu *qemu)
{
	return qemu->trouble;
}

bool qemu_is_alive(const struct qemu *qemu)
{
	return qemu && qemu->is_alive;
}

struct proc_id qemu_proc_id(const struct qemu *qemu)
{
	return qemu->id;
}

const struct transfer_features *qemu_migration_features(const struct qemu *qemu)
{
	return qemu->version.major ? &qemu->features : NULL;
}

bool qemu_may_lack_images(const struct qemu *qemu, enum qmp_mig_state state)
{
	return qemu && state == QMP_MIG_CANCELLED && qemu->version.major &&
	       !qemu->features.cancel_keeps_images;
}

static void trim(void *data)
{
	(void)data;
	mem_trim();
}

void qemu_note_program(const struct qemu *qemu)
{
	struct program program = program_of(qemu->id.pid);

	programs_note(qemu->env->programs, &program, &qemu->version, &qemu->features);
}

bool qemu_knows_schema(struct qemu *qemu)
{
	struct program program;

	if (qemu->features.has_schema)
		return true;
	program = program_of(qemu->id.pid);
	return programs_recall(qemu->env->programs, &program, &qemu->version, &qemu->features);
}

void qemu_note_schema(struct qemu *qemu, struct json_object *result)
{
	offers_read_schema(result, &qemu->features);
	qemu_note_program(qemu);
	loop_post(qemu->env->loop, trim, NULL); /* when RESULT was freed */
}

const struct qmp_version *qemu_version(const struct qemu *qemu)
{
	return qemu->version.major ? &qemu->version : NULL;
}

enum qmp_run_state qemu_run_state(const struct qemu *qemu)
{
	return qemu->run.state;
}

void qemu_note_run_state(struct qemu *qemu, enum qmp_run_state state)
{
	qemu->run.state = state;
}

void qemu_command(struct qemu *qemu, const char *name, struct json_object *args,
		  uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	struct qmp_conn *conn = qemu_monitor(qemu);
	struct err err;

	if (conn) {
		qmp_command(conn, name, args, deadline_ms, fn, data);
		return;
	}
	json_object_put(args);
	err_set(&err, ERR_UNAVAILABLE, "the QEMU of VM '%s' has no monitor at the moment",
		qemu->name);
	qmp_refuse(qemu->env->loop, fn, data, &err);
}

void qemu_quit(struct qemu *qemu)
{
	if (!qemu->is_alive)
		return;
	if (!qemu_monitor(qemu)) {
		qemu_kill(qemu);
		return;
	}
	qemu->is_quitting = true;
	qmp_command(qemu->conn, "quit", NULL, QUIT_GRACE_MS, NULL, NULL);
	loop_timer_start(qemu->kill_timer, QUIT_GRACE_MS);
}

void qemu_kill(struct qemu *qemu)
{
	struct err err;

	if (qemu->to_launch)
		qemu->is_unwanted = true;
	else if (!qemu->is_alive)
		;
	else if (qemu->proc || qemu_watch_process(qemu, &err))
		proc_kill(qemu->proc, SIGKILL);
	else if (err.code != ERR_NOT_FOUND)
		loop_timer_start(qemu->kill_timer, KILL_RETRY_MS);
}
