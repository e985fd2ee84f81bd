/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/events.h"

#include "base/log.h"
#include "base/mem.h"
#include "qmp/events.h"
#include "qmp/run_state.h"
#include "vm/vm_priv.h"

#define NODE_SUFFIX "-node"

typedef void event_fn(struct vm *vm, const struct qmp_event *event);

static void set_reason(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void set_reason(struct vm *vm, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vtext(vm->reason, fmt, ap);
	va_end(ap);
	vm->events.has_reason = true;
}

void vm_events_init(struct vm *vm)
{
	vm->events.tokens = EVENTS_BURST;
	vm->events.counted_ms = loop_now_ms(vm->vms->env.qemu.loop);
}

void vm_events_forget(struct vm *vm)
{
	if (vm->events.has_reason)
		vm->reason[0] = '\0';
	vm->events.has_reason = false;
	vm->events.end = NULL;
	vm->events.is_end_of_intent = false;
}

/* ---- one event --------------------------------------------------------- */

/* qapi/run-state.json, ShutdownCause.  A guest that panicked or hung has crashed, even
 * if QEMU ended because the definition told it to. */
static const struct {
	const char *cause, *words;
	bool is_intent;
} ends[] = {
	{ "guest-shutdown", "the guest powered off", true },
	{ "guest-reset", "the guest rebooted, and was to end then", true },
	{ "subsystem-reset", "the guest rebooted, and was to end then", true },
	{ "host-qmp-system-reset", "it was reset, and was to end then", true },
	{ "guest-panic", "the guest panicked", false },
	{ "host-signal", "its QEMU was ended by a signal", false },
	{ "host-qmp-quit", "its QEMU was told to quit", false },
	{ "host-ui", "its QEMU was told to quit", false },
	{ "host-error", "its QEMU met an error of the host", false },
};

/* When the guest's watchdog ends QEMU, this event says only that the host wanted it. */
static void on_shutdown(struct vm *vm, const struct qmp_event *event)
{
	bool is_guest = json_get_bool(event->data, "guest", false);
	const char *cause = json_get_str(event->data, "reason");

	if (!vm->events.end) {
		vm->events.end = is_guest ? "the guest powered off" : NULL;
		vm->events.is_end_of_intent = is_guest;
	}
	for (size_t i = 0; cause && i < ARRAY_LEN(ends); i++) {
		if (strcmp(ends[i].cause, cause) == 0) {
			vm->events.end = ends[i].words;
			vm->events.is_end_of_intent = ends[i].is_intent;
		}
	}
	if (vm->events.end)
		set_reason(vm, "%s", vm->events.end);
}

static void on_new_life(struct vm *vm, const struct qmp_event *event)
{
	(void)event;
	vm_events_forget(vm);
}

static void on_panic(struct vm *vm, const struct qmp_event *event)
{
	(void)event;
	set_reason(vm, "the guest panicked");
}

static void on_watchdog(struct vm *vm, const struct qmp_event *event)
{
	const char *action = json_get_str(event->data, "action");

	set_reason(vm, "the guest's watchdog fired");
	if (action && strcmp(action, "poweroff") == 0)
		vm->events.end = "the guest's watchdog fired"; /* QEMU ends without a SHUTDOWN */
}

/* The id of the disk in the definition that belongs to block node NODE of ours. */
static void disk_name(const char *node, char *ret, size_t size)
{
	size_t len = strlen(node);
	size_t suffix = strlen(NODE_SUFFIX);

	if (len > suffix && strcmp(node + len - suffix, NODE_SUFFIX) == 0)
		len -= suffix;
	snprintf(ret, size, "%.*s", (int)len, node);
}

static void on_io_error(struct vm *vm, const struct qmp_event *event)
{
	const char *node = json_get_str(event->data, "node-name");
	const char *why = json_get_str(event->data, "reason");
	enum qmp_run_state state;
	char disk[64];

	if (!qmp_event_stops_guest(event, &state))
		return;
	disk_name(node ? node : "?", disk, sizeof(disk));
	set_reason(vm, "stopped by an I/O error on disk '%s': %s", disk,
		   why ? why : "QEMU does not say why");
}

static event_fn *const handlers[QMP_EVENT_TYPE_COUNT] = {
	[QMP_EVENT_TYPE_BLOCK_IO_ERROR] = on_io_error, [QMP_EVENT_TYPE_GUEST_PANICKED] = on_panic,
	[QMP_EVENT_TYPE_RESET] = on_new_life,          [QMP_EVENT_TYPE_RESUME] = on_new_life,
	[QMP_EVENT_TYPE_SHUTDOWN] = on_shutdown,       [QMP_EVENT_TYPE_WATCHDOG] = on_watchdog,
};

/* ---- telling ------------------------------------------------------------ */

static bool may_tell(struct vm *vm)
{
	struct vm_events *events = &vm->events;
	uint64_t now_ms = loop_now_ms(vm->vms->env.qemu.loop);

	events->tokens += (double)(now_ms - events->counted_ms) * EVENTS_PER_S / 1000;
	events->counted_ms = now_ms;
	if (events->tokens > EVENTS_BURST)
		events->tokens = EVENTS_BURST;
	if (events->tokens < 1)
		return false;
	events->tokens--;
	return true;
}

static void log_event(struct vm *vm, const struct qmp_event *event, unsigned flags)
{
	CLEANUP(free_charp) char *what = xasprintf("guest-event %s", event->name);

	if (!(flags & QMP_EVENT_WARN))
		log_debug("vm", "guest-event", "vm=%s name=%s", vm->row.name, event->name);
	else if (vm_may_log(vm, what))
		log_warning("vm", "guest-event", "vm=%s name=%s reason=%s data=%s", vm->row.name,
			    event->name, vm->reason,
			    event->data ? json_object_to_json_string(event->data) : "");
}

static void tell(struct vm *vm, const struct qmp_event *event, unsigned flags)
{
	const struct vms_env *env = &vm->vms->env;

	if (!may_tell(vm)) {
		vm->events.left_out++;
		return;
	}
	log_event(vm, event, flags);
	if (env->event)
		env->event(env->data, vm, event, vm->events.left_out);
	vm->events.left_out = 0;
}

/* Announces the VM as changed, unless the API shows the same as before. */
static void show(struct vm *vm, const char *former_reason, unsigned flags)
{
	const char *state = vm_state(vm);
	bool is_same = vm->events.state && strcmp(vm->events.state, state) == 0 &&
		       strcmp(former_reason, vm->reason) == 0 &&
		       !(flags & (QMP_EVENT_AGENT | QMP_EVENT_ENDING));

	vm->events.state = state; /* a constant */
	if (!is_same)
		vm_changed(vm);
}

/* The job gets the event first, since a handover must not be delayed.  False: the job
 * has let go of the VM. */
static bool tell_job(struct vm *vm, const struct qmp_event *event)
{
	struct vms *vms = vm->vms;
	char uuid[ID_UUID_SIZE];

	if (!vm->job)
		return true;
	memcpy(uuid, vm->row.uuid, sizeof(uuid));
	vm->job->event(vm->job->data, event);
	return vm_find_uuid(vms, uuid) == vm;
}

void vm_events_take(struct vm *vm, const struct qmp_event *event)
{
	enum qmp_event_type type = qmp_event_type_from_name(event->name);
	unsigned flags = qmp_event_type_flags(type);
	char former_reason[ERR_MSG_SIZE];

	memcpy(former_reason, vm->reason, sizeof(former_reason));
	if (type != QMP_EVENT_TYPE_UNKNOWN && handlers[type])
		handlers[type](vm, event);
	if (!tell_job(vm, event))
		return;
	vm_parts_event(vm, event);
	tell(vm, event, flags);
	show(vm, former_reason, flags);
}

const char *vm_end_reason(const struct vm *vm)
{
	return vm->events.end;
}

/* ---- what was not heard -------------------------------------------------- */

static const char *const still_words[QMP_RUN_COUNT] = {
	[QMP_RUN_GUEST_PANICKED] = "the guest panicked",
	[QMP_RUN_INTERNAL_ERROR] = "QEMU cannot go on with this guest; its log says why",
	[QMP_RUN_IO_ERROR] = "stopped by an I/O error on a disk",
	[QMP_RUN_SHUTDOWN] = "the guest powered off",
	[QMP_RUN_SUSPENDED] = "the guest sleeps",
	[QMP_RUN_WATCHDOG] = "the guest's watchdog fired",
};

/* Its events were lost (a restart, a move): says why it stands still. */
static void explain(struct vm *vm)
{
	const char *words = vm->qemu ? still_words[qemu_run_state(vm->qemu)] : NULL;

	if (words && !vm->events.has_reason)
		set_reason(vm, "%s", words);
}

/* A reason stays while the state is the same. */
void vm_events_found(struct vm *vm)
{
	const char *state = vm_state(vm);

	if (vm->events.state && strcmp(vm->events.state, state) != 0)
		vm_events_forget(vm);
	vm->events.state = state;
	explain(vm);
}

void vm_note_run_state(struct vm *vm, enum qmp_run_state state)
{
	if (!vm->qemu)
		return;
	qemu_note_run_state(vm->qemu, state);
	explain(vm);
	vm_changed(vm);
}
