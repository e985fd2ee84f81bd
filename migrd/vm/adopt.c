/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/adopt.h"

#include <inttypes.h>
#include <string.h>

#include "adopt/links.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "vm/vm_priv.h"

#define DEADLINE_MS 20000

/* A worker reads /proc/PID/cmdline, since the read waits for the memory of a process
 * that may be stuck.  Its result counts only if adopter->reading still points to it. */
struct reading {
	struct work work;
	struct adopter *adopter;
	pid_t pid;
	char *text;
	size_t len;
	struct err err;
};

struct adopter {
	struct loop *loop;
	struct vms *vms;
	struct worker *worker;
	struct loop_timer *deadline;
	/* of the adoption under way */
	bool is_busy;
	struct adopt_request request;
	struct qemu *qemu;
	struct reading *reading;
	struct adopt_inquiry *inquiry;
	struct adopt_links *links;
	char *cmdline;
	size_t cmdline_len;
	struct adopt_result result;
	char confirm[ADOPT_CONFIRM_SIZE];
	adopt_done_fn *done;
	void *data;
};

/* ---- the end --------------------------------------------------------------- */

static const char *path_of(const struct adopter *adopter)
{
	return adopter->request.qmp + strlen(ADOPT_QMP_PREFIX);
}

static void let_go(struct adopter *adopter)
{
	loop_timer_stop(adopter->deadline);
	adopt_facts_cancel(TAKE_PTR(adopter->inquiry));
	adopt_links_cancel(TAKE_PTR(adopter->links));
	adopter->reading = NULL;
	qemu_free(TAKE_PTR(adopter->qemu));
	free(TAKE_PTR(adopter->cmdline));
}

/* FOUND points into ADOPTER. */
static void answer(struct adopter *adopter, const struct adopt_found *found, const struct err *err)
{
	let_go(adopter);
	if (err)
		log_info("vm", "adopt", "qmp=%s error=%s", path_of(adopter), err->msg);
	adopter->done(adopter->data, found, err);
	adopt_result_fini(&adopter->result);
	adopter->is_busy = false;
}

static void fail(struct adopter *adopter, const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "cannot adopt the QEMU at '%s'", path_of(adopter));
	answer(adopter, NULL, &err);
}

static void on_deadline(void *data)
{
	struct err err;

	err_set(&err, ERR_TIMEOUT, "it was not known within %d s", DEADLINE_MS / 1000);
	fail(data, &err);
}

/* ---- what is taken ------------------------------------------------------------ */

/* FNV-1a, to notice differences; it is no protection against forgery. */
static uint64_t hash(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h;
}

#define HASH_A UINT64_C(14695981039346656037)
#define HASH_B UINT64_C(0x6d69677264000001)

/* The uuid is the same for each look at one process, so that the one shown is the one
 * taken.  Version 8: its bits are ours to choose (RFC 9562). */
static void make_uuid(struct proc_id id, char ret_uuid[ID_UUID_SIZE])
{
	CLEANUP(free_charp)
	char *text = xasprintf("%s/%d/%" PRIu64, proc_boot_id(), (int)id.pid, id.start_time);
	uint64_t a = hash(HASH_A, text), b = hash(HASH_B, text);

	snprintf(ret_uuid, ID_UUID_SIZE, "%08x-%04x-8%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
		 (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
		 ((unsigned)(b >> 48) & 0x3fff) | 0x8000, b & UINT64_C(0xffffffffffff));
}

/* Trays are left out: the guest may move them between look and takeover, so they are
 * taken as they are then. */
static struct json_object *encode_without_trays(const struct vm_def *def)
{
	struct vm_def *closed = xnew(struct vm_def);
	struct json_object *obj;

	memcpy(closed, def, sizeof(*closed));
	for (size_t i = 0; i < closed->cdrom_count; i++)
		closed->cdroms[i].tray = VM_DEF_TRAY_CLOSED;
	obj = vm_def_encode(closed);
	free(closed);
	return obj;
}

static void make_confirm(struct adopter *adopter, struct proc_id id)
{
	CLEANUP(json_putp) struct json_object *obj = encode_without_trays(adopter->result.def);
	CLEANUP(free_charp)
	char *text = xasprintf("%d/%" PRIu64 "/%s", (int)id.pid, id.start_time,
			       json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));

	snprintf(adopter->confirm, sizeof(adopter->confirm), "%016" PRIx64 "%016" PRIx64,
		 hash(HASH_A, text), hash(HASH_B, text));
}

static struct adopt_found found_of(const struct adopter *adopter)
{
	return (struct adopt_found){
		.result = &adopter->result,
		.id = qemu_proc_id(adopter->qemu),
		.version = *qemu_version(adopter->qemu),
		.run_state = qemu_run_state(adopter->qemu),
		.confirm = adopter->confirm,
	};
}

static void on_taken(void *data, const struct err *err)
{
	struct adopter *adopter = data;
	const struct adopt_found found = { .result = &adopter->result, .is_taken = true };

	if (err)
		fail(adopter, err);
	else
		answer(adopter, &found, NULL);
}

static void take(struct adopter *adopter)
{
	struct proc_id id = qemu_proc_id(adopter->qemu);
	struct err err;

	if (strcmp(adopter->request.confirm, adopter->confirm) != 0) {
		err_set(&err, ERR_CONFLICT,
			"it is not what was confirmed: look at it again (dry_run), and confirm "
			"that");
		fail(adopter, &err);
		return;
	}
	log_info("vm", "adopt", "vm=%s vm_uuid=%s pid=%d qmp=%s", adopter->result.def->name,
		 adopter->result.def->uuid, (int)id.pid, path_of(adopter));
	loop_timer_stop(adopter->deadline); /* the store answers in any case */
	vm_adopt(adopter->vms, adopter->result.def, TAKE_PTR(adopter->qemu), path_of(adopter),
		 on_taken, adopter);
}

/* ---- what it is ------------------------------------------------------------------ */

static bool is_idle(const struct adopt_facts *facts, struct err *err)
{
	bool is_still = facts->run_state == QMP_RUN_RUNNING || facts->run_state == QMP_RUN_PAUSED ||
			facts->run_state == QMP_RUN_PRELAUNCH;
	bool is_moving =
		facts->migration != QMP_MIG_NONE && facts->migration != QMP_MIG_COMPLETED &&
		facts->migration != QMP_MIG_CANCELLED && facts->migration != QMP_MIG_FAILED;

	if (is_moving)
		return err_set(err, ERR_CONFLICT,
			       "it is in the middle of a migration ('%s'): wait for its end",
			       qmp_mig_state_name(facts->migration));
	if (!is_still)
		return err_set(err, ERR_CONFLICT,
			       "its guest is '%s': only one that runs or is paused can be adopted",
			       qmp_run_state_name(facts->run_state));
	return true;
}

static void on_links(void *data, const struct adopt_facts *facts)
{
	struct adopter *adopter = data;
	struct adopt_wishes wishes = { .disks_shared = adopter->request.disks_shared };
	struct adopt_found found;
	char uuid[ID_UUID_SIZE];

	adopter->links = NULL;
	make_uuid(qemu_proc_id(adopter->qemu), uuid);
	wishes.uuid = uuid;
	wishes.name = adopter->request.name[0] ? adopter->request.name : NULL;
	adopt_plan(adopter->cmdline, adopter->cmdline_len, facts, &wishes, &adopter->result);
	make_confirm(adopter, qemu_proc_id(adopter->qemu));
	found = found_of(adopter);
	if (adopter->result.refused->count || adopter->request.dry_run)
		answer(adopter, &found, NULL);
	else
		take(adopter);
}

static void on_facts(void *data, const struct adopt_facts *facts, const struct err *err)
{
	struct adopter *adopter = data;
	struct err wrong;

	adopter->inquiry = NULL;
	if (err || !is_idle(facts, &wrong))
		fail(adopter, err ? err : &wrong);
	else
		adopter->links = adopt_links_ask(adopter->worker, facts, on_links, adopter);
}

/* ---- what it was started with ------------------------------------------------------ */

static void read_cmdline(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);
	CLEANUP(free_charp) char *path = xasprintf("/proc/%d/cmdline", (int)reading->pid);

	file_read(path, ADOPT_CMDLINE_MAX, &reading->text, &reading->len, &reading->err);
}

/* PATH is in the private directory of a QEMU that migrd has started; ERR tells what WHAT is then.
 */
static bool is_in_run_dir(const struct adopter *adopter, const char *path, const char *what,
			  struct err *err)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/vms/", adopter->vms->env.qemu.run_dir);
	char uuid[ID_UUID_SIZE];
	const struct vm *vm;

	if (strncmp(path, dir, strlen(dir)) != 0)
		return false;
	snprintf(uuid, sizeof(uuid), "%s", path + strlen(dir));
	vm = vm_find_uuid(adopter->vms, uuid);
	if (vm)
		err_set(err, ERR_CONFLICT, "%s: it is VM '%s' of this host", what, vm_name(vm));
	else
		err_set(err, ERR_CONFLICT,
			"%s, of VM %s, of which this host has no record: 'migrctl host check' "
			"tells what can be done",
			what, uuid);
	return true;
}

/* By a monitor of its definition.  Its sockets and taps are descriptors, which no command line
 * could repeat, so only its record can be put back. */
static bool was_started_by_us(const struct adopter *adopter, struct err *err)
{
	const char *at = adopter->cmdline, *end = at + adopter->cmdline_len, *arg;

	for (bool is_pid_file = false; at < end && (arg = memchr(at, '\0', (size_t)(end - at)));
	     at = arg + 1) {
		if (is_pid_file && is_in_run_dir(adopter, at, "migrd has started it", err))
			return true;
		is_pid_file = strcmp(at, "-pidfile") == 0;
	}
	return false;
}

static void on_read(struct work *work)
{
	struct reading *reading = CONTAINER_OF(work, struct reading, work);
	struct adopter *adopter = reading->adopter;
	struct err ours;

	if (adopter->reading == reading) {
		adopter->reading = NULL;
		adopter->cmdline = TAKE_PTR(reading->text);
		adopter->cmdline_len = reading->len;
		if (!adopter->cmdline)
			fail(adopter, &reading->err);
		else if (was_started_by_us(adopter, &ours))
			fail(adopter, &ours);
		else
			adopter->inquiry = adopt_facts_ask(adopter->qemu, on_facts, adopter);
	}
	free(reading->text);
	free(reading);
}

static bool is_new(struct adopter *adopter, struct err *err)
{
	struct proc_id id = qemu_proc_id(adopter->qemu);
	const char *after = NULL;

	for (struct vm *vm; (vm = vm_next(adopter->vms, after)); after = vm_name(vm)) {
		const struct store_vm *row = vm_row(vm);

		if (row->qemu_pid == id.pid && row->qemu_start_time == id.start_time)
			return err_set(err, ERR_CONFLICT, "it is VM '%s' of this host already",
				       vm_name(vm));
	}
	return true;
}

static void on_ready(void *data, const struct err *err)
{
	struct adopter *adopter = data;
	struct err wrong;

	if (err || !is_new(adopter, &wrong)) {
		fail(adopter, err ? err : &wrong);
		return;
	}
	adopter->reading = xnew(struct reading);
	adopter->reading->work = (struct work){ .run = read_cmdline, .done = on_read };
	adopter->reading->adopter = adopter;
	adopter->reading->pid = qemu_proc_id(adopter->qemu).pid;
	worker_submit(adopter->worker, &adopter->reading->work);
}

static void on_event(void *data, const struct qmp_event *event)
{
	(void)data;
	(void)event;
}

static void on_exited(void *data)
{
	struct err err;

	err_set(&err, ERR_CONFLICT, "it has ended");
	fail(data, &err);
}

/* Nothing to do: the question that was open when the monitor was lost has failed, and
 * the adoption with it. */
static void on_found(void *data)
{
	(void)data;
}

/* ---- the way in ------------------------------------------------------------------------ */

/* A refusal is told from the loop, never from inside adopt_begin(). */
struct refusal {
	adopt_done_fn *done;
	void *data;
	struct err err;
};

static void give_refusal(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, NULL, &refusal->err);
	free(refusal);
}

/* PATH is a monitor that migrd made.  We bound its socket, so the kernel would name us,
 * not QEMU, as the process that listens. */
static bool is_ours(const struct adopter *adopter, const char *path, struct err *err)
{
	CLEANUP(free_charp) char *what = xasprintf("'%s' is a monitor of migrd's own", path);

	return is_in_run_dir(adopter, path, what, err);
}

static bool may_begin(const struct adopter *adopter, const struct adopt_request *request,
		      struct err *err)
{
	if (adopter->is_busy)
		return err_set(err, ERR_BUSY,
			       "the QEMU at '%s' is being adopted: one at a time, try again",
			       path_of(adopter));
	return !is_ours(adopter, request->qmp + strlen(ADOPT_QMP_PREFIX), err);
}

void adopt_begin(struct adopter *adopter, const struct adopt_request *request, adopt_done_fn *done,
		 void *data)
{
	const struct qemu_callbacks cb = { on_ready, on_event, on_exited, on_found, adopter };
	struct refusal refusal = { done, data, { 0 } };

	if (!may_begin(adopter, request, &refusal.err)) {
		struct refusal *later = xnew(struct refusal);

		*later = refusal;
		loop_post(adopter->loop, give_refusal, later);
		return;
	}
	adopter->is_busy = true;
	adopter->request = *request;
	adopter->done = done;
	adopter->data = data;
	loop_timer_start(adopter->deadline, DEADLINE_MS);
	adopter->qemu = qemu_attach_foreign(&adopter->vms->env.qemu, "", "", path_of(adopter),
					    (struct proc_id){ 0 }, &cb);
}

struct adopter *adopter_new(struct loop *loop, struct vms *vms)
{
	struct adopter *adopter = xnew(struct adopter);

	adopter->loop = loop;
	adopter->vms = vms;
	adopter->worker = worker_new(loop, "adopt", 1);
	adopter->deadline = loop_timer_new(loop, on_deadline, adopter);
	return adopter;
}

void adopter_clear(struct adopter *adopter)
{
	struct err err;

	err_set(&err, ERR_CANCELLED, "the coordinator is ending");
	if (adopter && adopter->qemu)
		fail(adopter, &err);
}

void adopter_free(struct adopter *adopter)
{
	if (!adopter)
		return;
	worker_free(adopter->worker);
	loop_timer_free(adopter->deadline);
	free(adopter);
}
