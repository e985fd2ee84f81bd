/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TPM of a QEMU: a swtpm, in a session of its own, which serves that QEMU alone over a pair of
 * connected sockets.  Nobody else can connect to it, and it ends when QEMU does, however that ends
 * (--terminate), also while the coordinator is away. */
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "qemu/priv.h"

static char *state_path(const struct qemu *qemu)
{
	return xasprintf("%s/%s", qemu->env->tpm_dir, qemu->place);
}

/* ---- which process it is ------------------------------------------------------------ */

static void record(const struct qemu *qemu, struct proc_id id)
{
	CLEANUP(free_charp) char *path = qemu_path(qemu->env, qemu->place, QEMU_TPM_FILE);
	CLEANUP(free_charp) char *text = xasprintf("%d %" PRIu64 "\n", (int)id.pid, id.start_time);
	struct err err;

	if (!file_write(path, text, strlen(text), 0600, &err))
		log_warning("qemu", "tpm", "vm=%s error=%s", qemu->name, err.msg);
}

/* pid 0: there is none. */
static struct proc_id recorded(const struct qemu_env *env, const char *place)
{
	CLEANUP(free_charp) char *path = qemu_path(env, place, QEMU_TPM_FILE);
	CLEANUP(free_charp) char *text = NULL;
	struct proc_id id = { 0 };
	struct err ignored;
	size_t len;
	int pid;

	if (!file_read(path, 64, &text, &len, &ignored) ||
	    sscanf(text, "%d %" SCNu64, &pid, &id.start_time) != 2)
		return (struct proc_id){ 0 };
	id.pid = pid;
	return id;
}

/* ---- its life ------------------------------------------------------------------------ */

static void on_ended(void *data, int status)
{
	struct qemu *qemu = data;

	proc_free(TAKE_PTR(qemu->tpm));
	if (qemu->is_alive && !qemu->is_ending && !qemu->is_quitting)
		log_warning("qemu", "tpm-ended",
			    "vm=%s status=%d: the guest has no TPM any more; stop and start it",
			    qemu->name, status);
}

static void watch(struct qemu *qemu, struct proc_id id)
{
	struct err ignored; /* it has ended */

	if (id.pid)
		qemu->tpm = proc_watch(qemu->env->loop, id, on_ended, qemu, &ignored);
}

static bool make_state(const struct qemu_env *env, const char *path, bool incoming, struct err *err)
{
	return incoming || (dir_make(env->tpm_dir, 0700, err) && dir_make(path, 0700, err));
}

static bool has_program(const struct qemu_env *env, struct err *err)
{
	CLEANUP(free_charp) char *program = file_find_program(env->swtpm);

	return program ||
	       err_set(err, ERR_CONFLICT,
		       "there is no program '%s' on this host, which is the guest's TPM: install "
		       "it, or name another by 'swtpm' of [tpm]",
		       env->swtpm);
}

bool qemu_tpm_prepare(const struct qemu *qemu, const struct vm_def *def, bool incoming,
		      int ret_fds[2], struct err *err)
{
	CLEANUP(free_charp) char *state = state_path(qemu);

	if (!vm_def_has_tpm(def))
		return true;
	if (!has_program(qemu->env, err) || !make_state(qemu->env, state, incoming, err))
		return false;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds) == 0 ||
	       err_errno(err, "cannot connect QEMU with its TPM");
}

bool qemu_tpm_start(struct qemu *qemu, int fd, int output_fd, struct err *err)
{
	CLEANUP(free_charp) char *state = state_path(qemu);
	CLEANUP(free_charp) char *dir = qemu_tpm_state_argument(state);
	CLEANUP(free_charp) char *control = xasprintf("type=unixio,clientfd=%d", fd);
	const char *argv[] = { qemu->env->swtpm, "socket", "--tpm2",      "--tpmstate", dir,
			       "--ctrl",         control,  "--terminate", NULL };
	const struct proc_args args = {
		.argv = argv, .keep_fds = &fd, .keep_fd_count = 1, .output_fd = output_fd
	};
	struct proc_id id;
	struct err ignored;

	if (fd < 0)
		return true;
	if (fault_hit("tpm.spawn", err) || !proc_spawn(&args, &id, err))
		return false;
	(void)fault_hit("tpm.spawned", &ignored); /* it runs, and no record has it */
	record(qemu, id);
	watch(qemu, id);
	return true;
}

void qemu_tpm_attach(struct qemu *qemu)
{
	watch(qemu, recorded(qemu->env, qemu->place));
}

void qemu_tpm_end(struct qemu *qemu)
{
	if (qemu->tpm)
		proc_kill(qemu->tpm, SIGTERM);
}

static void ignore_end(void *data, int status)
{
	(void)data;
	(void)status;
}

void qemu_tpm_end_unwatched(const struct qemu_env *env, const char *place)
{
	struct proc_id id = recorded(env, place);
	struct err ignored; /* mostly: it has ended */
	struct proc *proc = id.pid ? proc_watch(env->loop, id, ignore_end, NULL, &ignored) : NULL;

	if (!proc)
		return;
	proc_kill(proc, SIGKILL);
	proc_free(proc);
}
