/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What forbids a refresh. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/reasons.h"
#include "preflight/virtqueues.h"
#include "refresh/priv.h"
#include "refresh/raw.h"
#include "wire/vm_def_memory.h"

/* ---- the VM -------------------------------------------------------------------------- */

static bool has_guest(const struct vm *vm)
{
	enum qmp_run_state state = qemu_run_state(vm_qemu(vm));

	return state == QMP_RUN_RUNNING || state == QMP_RUN_PAUSED;
}

/* migrate_prepare() in migration/migration.c of QEMU. */
static bool is_left_by_migration(const struct vm *vm)
{
	return vm_is_active(vm) && qemu_run_state(vm_qemu(vm)) == QMP_RUN_POSTMIGRATE;
}

static void check_vm(const struct vm *vm, struct reasons *reasons)
{
	if (vm_role(vm) != VM_ROLE_OWNED)
		reasons_add(reasons, "it is %s on this host", vm_state(vm));
	else if (is_left_by_migration(vm))
		reasons_add(reasons, "it has not run since its QEMU gave it away and it came back, "
				     "and QEMU gives "
				     "it "
				     "away again only after it has run: resume it first, and pause "
				     "it again if it "
				     "shall not run");
	else if (!vm_is_active(vm) || !has_guest(vm))
		reasons_add(reasons,
			    "it is %s: only a guest that runs or is paused can be taken over",
			    vm_state(vm));
	if (vm_job(vm))
		reasons_add(reasons, "job %s (%s) holds it", vm_job(vm)->id, vm_job(vm)->kind);
	if (vm_row(vm)->monitor[0])
		reasons_add(reasons,
			    "its QEMU was adopted, and no command line of migrd makes another of "
			    "the same kind: stop and start it first");
}

/* The host has one of each of these, and the old QEMU has it until its end. */
static void check_definition(const struct vm_def *def, struct reasons *reasons)
{
	refresh_check_raw(def, reasons);
	if (vm_def_vsock_cid(def))
		reasons_add(reasons,
			    "vsock '%s' has the CID %" PRIu64
			    ", which the host gives to one QEMU at a "
			    "time: detach it first, and attach it again afterwards",
			    def->vsocks[0].id, vm_def_vsock_cid(def));
	for (size_t i = 0; i < def->monitor_count; i++)
		reasons_add(reasons, "monitor '%s' has a place where one QEMU listens",
			    def->monitors[i].id);
}

/* ---- the ways ----------------------------------------------------------------------------- */

/* What is shared was decided when the QEMU was started (QEMU docs/devel/migration/CPR.rst). */
static void check_shared(const struct refresh_look *look, const struct vm_def *def,
			 struct reasons *reasons)
{
	if (!look->was_asked || (look->is_aux_shared && look->is_memory_shared))
		return;
	if (!def->memory_share)
		reasons_add(reasons, "its memory is not shared, so no other QEMU can get it: set "
				     "memory_share in "
				     "its definition, stop and start it");
	else if (!look->is_aux_shared)
		reasons_add(reasons,
			    "its QEMU cannot share all of its memory (aux-ram-share): one since "
			    "10.0 can, stop and start it with such a one");
	else
		reasons_add(reasons,
			    "not all of its memory is shared: memory was added that is not, or "
			    "it was started before memory_share was set; stop and start it");
}

/* 10.0.13 fails to read what 11.1.3 hands over (vmstate_load_state error -2). */
static void check_cpr(const struct refresh_look *look, const struct vm_def *def,
		      struct reasons *reasons)
{
	const struct qemu *qemu = vm_qemu(look->vm);
	const struct qmp_version *from = qemu ? qemu_version(qemu) : NULL;
	const struct qmp_version *to = probe_version(look->probe);
	const struct qemu_features *features = probe_known(look->probe);

	check_shared(look, def, reasons);
	if (look->probe_err || !features)
		return;
	if (!features->has_aux_ram_share)
		reasons_add(reasons,
			    "'%s' cannot take memory over (cpr-transfer): one since 10.0 can",
			    look->emulator);
	else if (from && !qmp_version_is_since(to, from->major, from->minor))
		reasons_add(reasons,
			    "'%s' (%d.%d) cannot take memory over from the newer QEMU that has it "
			    "(%d.%d)",
			    look->emulator, to->major, to->minor, from->major, from->minor);
}

/* A new QEMU writes firmware into the guest's memory when it starts, and then what the old one has
 * sent; in a file that both map, that is the memory with which the guest runs. */
static void check_raw_memory(const struct vm_def *def, struct reasons *reasons)
{
	struct extra_arg arg;
	size_t at = 0;

	while (extra_arg_next(def, &at, &arg)) {
		if (arg.kind == EXTRA_OBJECT &&
		    optlist_is(&arg.opts, "qom-type", "memory-backend-file", "") &&
		    extra_arg_is_on(&arg, "share"))
			reasons_add(reasons,
				    "a raw argument names shared memory in '%.200s', which both "
				    "QEMUs would have, and an older copy would be written over it",
				    extra_arg_file(&arg) ? extra_arg_file(&arg) : "a file");
		extra_arg_fini(&arg);
	}
}

static void check_stream(const struct refresh_look *look, const struct vm_def *def,
			 struct reasons *reasons)
{
	/* As `master' of it a guest gives its content away with its memory (hw/misc/ivshmem.c). */
	if (def->shared_memory_count)
		reasons_add(reasons,
			    "shared memory '%s' is in a file that both QEMUs would have, and an "
			    "older copy would be written over it",
			    def->shared_memory[0].id);
	check_raw_memory(def, reasons);
	if (look->room_err)
		reasons_add(reasons, "%s", look->room_err->msg);
	if (look->memory_err)
		reasons_add(reasons, "a copy of its memory: %s", look->memory_err->msg);
}

typedef void check_fn(const struct refresh_look *look, const struct vm_def *def,
		      struct reasons *reasons);
static check_fn *const checks[REFRESH_WAY_COUNT] = {
	[REFRESH_WAY_CPR] = check_cpr,
	[REFRESH_WAY_STREAM] = check_stream,
};

/* The reasons of a way that was not asked for count only if there is no other. */
static void choose_way(const struct refresh_look *look, const struct vm_def *def,
		       enum refresh_way *ret_way, struct reasons *reasons)
{
	const struct refresh_request *wish = look->wish;
	struct reasons all = REASONS_INIT;

	for (int way = 0; way < REFRESH_WAY_COUNT; way++) {
		size_t before = all.count;

		if (wish->has_way && wish->way != way)
			continue;
		checks[way](look, def, &all);
		if (all.count > before)
			continue;
		*ret_way = (enum refresh_way)way;
		strbuf_fini(&all.text);
		return;
	}
	reasons_add(reasons, "%s", strbuf_str(&all.text));
	strbuf_fini(&all.text);
}

/* ---- the program ------------------------------------------------------------------------- */

static void check_program(const struct refresh_look *look, const struct vm_def *def,
			  struct reasons *reasons)
{
	if (look->probe_err)
		reasons_add(reasons, "%s", look->probe_err->msg);
	else if (def && !probe_has_machine(look->probe, def->machine))
		reasons_add(reasons, "'%s' has no machine type '%s', which the guest has",
			    look->emulator, def->machine);
}

/* QEMU would refuse them when the guest stands still already. */
static void check_virtqueues(const struct refresh_look *look, struct reasons *reasons)
{
	CLEANUP(strbuf_fini) struct strbuf list = STRBUF_INIT;

	if (look->queues)
		virtqueues_list_larger(look->queues, look->room, "in it", &list);
	if (list.len)
		reasons_add(reasons,
			    "virtqueues of the guest have more entries than '%s' (%d.%d) takes, "
			    "since QEMU 10.0 makes them larger than their queue-size: %s: stop and "
			    "start the VM with it, or refresh it with a QEMU before 11.1",
			    look->emulator, probe_version(look->probe)->major,
			    probe_version(look->probe)->minor, list.data);
}

bool refresh_judge(const struct refresh_look *look, enum refresh_way *ret_way, struct err *err)
{
	struct reasons reasons = REASONS_INIT;
	struct err why;
	const struct vm_def *def = vm_def_of(look->vm, &why);
	char what[ID_NAME_SIZE + 32];

	check_vm(look->vm, &reasons);
	if (def) {
		check_definition(def, &reasons);
		choose_way(look, def, ret_way, &reasons);
	} else {
		reasons_add(&reasons, "%s", why.msg);
	}
	if (look->taps_err)
		reasons_add(&reasons, "%s", look->taps_err->msg);
	check_program(look, def, &reasons);
	check_virtqueues(look, &reasons);
	snprintf(what, sizeof(what), "cannot refresh VM '%s'", vm_name(look->vm));
	return reasons_none(&reasons, what, err);
}
