/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repairs what is provably safe to repair.  Time has passed since the look, so the
 * present records are asked again.  Only this thread makes VMs, moves and their
 * processes, so nothing comes between that and the removal. */
#include <errno.h>
#include <signal.h>

#include "base/file.h"
#include "base/mem.h"
#include "check/check.h"
#include "check/kinds.h"

static bool came_back(struct err *err, const char *what)
{
	return err_set(err, ERR_CONFLICT, "%s has come into use meanwhile: left alone", what);
}

bool check_repair_vm_dir(const struct check_env *env, const struct check_finding *finding,
			 struct err *err)
{
	const struct vm *vm = vm_find_uuid(env->vms, finding->key);

	if (vm && (vm_qemu(vm) || vm_job(vm)))
		return came_back(err, "the VM");
	return dir_remove(finding->object, err);
}

bool check_repair_log(const struct check_env *env, const struct check_finding *finding,
		      struct err *err)
{
	if (vm_find_uuid(env->vms, finding->key))
		return came_back(err, "the VM");
	if (unlink(finding->object) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", finding->object);
	return true;
}

static bool is_ended(const struct check_env *env, const char *id, struct err *err)
{
	const struct move *move = moves_find(env->moves, id);

	return !move || move_is_final(move) || came_back(err, "the move");
}

bool check_repair_move_dir(const struct check_env *env, const struct check_finding *finding,
			   struct err *err)
{
	return is_ended(env, finding->key, err) && dir_remove(finding->object, err);
}

static void on_exit_seen(void *data, int status)
{
	(void)data;
	(void)status;
}

/* Kills the process by pid and start time, so that no other process is hit. */
static bool end_process(struct loop *loop, struct proc_id id, struct err *err)
{
	struct proc *proc = proc_watch(loop, id, on_exit_seen, NULL, err);

	if (!proc)
		return err->code == ERR_NOT_FOUND;
	proc_kill(proc, SIGKILL);
	proc_free(proc);
	return true;
}

bool check_repair_stream(const struct check_env *env, const struct check_finding *finding,
			 struct err *err)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/moves/%s", env->run_dir, finding->key);

	return is_ended(env, finding->key, err) && end_process(env->loop, finding->process, err) &&
	       dir_remove(dir, err);
}

bool check_repair_incoming(const struct check_env *env, const struct check_finding *finding,
			   struct err *err)
{
	struct vm *vm = vm_find_uuid(env->vms, finding->key);

	if (!vm)
		return true;
	if (vm_role(vm) != VM_ROLE_INCOMING || vm_job(vm) || !vm_never_ran(vm))
		return came_back(err, "the VM");
	vm_discard(vm);
	return true;
}
