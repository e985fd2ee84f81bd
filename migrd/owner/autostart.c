/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner/autostart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "owner/start.h"
#include "vm/boot.h"
#include "vm/saved.h"
#include "vm/still.h"

#define AGAIN_MIN_MS 5000
#define AGAIN_MAX_MS 60000

const char *const autostart_result_names[] = { "started", "failed", "gave-up" };

/* A VM that was tried, while it is to be started. */
struct trial {
	struct trial *next;
	char uuid[ID_UUID_SIZE];
	bool is_under_way;
	uint64_t tries, first_ms, again_ms; /* when it was tried first, and is to be again */
	char reason[ERR_MSG_SIZE];
};

struct autostart {
	struct autostart_env env;
	struct loop_timer *timer;
	struct trial *trials;
	unsigned under_way;
	uint64_t begun_ms; /* the last one; 0: none */
	bool is_settled;   /* the VMs are */
	bool is_on;        /* likewise, and some may be to be started */
	bool is_barred;    /* `may' has said no since the last look that it let through */
	uint64_t barred_ms;
};

/* ---- what was tried ------------------------------------------------------------- */

static struct trial *trial_of(const struct autostart *autostart, const char *uuid)
{
	struct trial *trial = autostart->trials;

	while (trial && strcmp(trial->uuid, uuid) != 0)
		trial = trial->next;
	return trial;
}

static struct trial *trial_new(struct autostart *autostart, const char *uuid)
{
	struct trial *trial = xnew(struct trial);

	memcpy(trial->uuid, uuid, sizeof(trial->uuid));
	trial->first_ms = loop_now_ms(autostart->env.loop);
	trial->next = autostart->trials;
	autostart->trials = trial;
	return trial;
}

static void forget(struct autostart *autostart, const char *uuid)
{
	struct trial **link = &autostart->trials, *gone;

	while (*link && strcmp((*link)->uuid, uuid) != 0)
		link = &(*link)->next;
	gone = *link;
	if (!gone || gone->is_under_way)
		return;
	*link = gone->next;
	free(gone);
}

static uint64_t pause_after(uint64_t tries)
{
	uint64_t pause = AGAIN_MIN_MS;

	for (uint64_t i = 1; i < tries && pause < AGAIN_MAX_MS; i++)
		pause *= 2;
	return pause < AGAIN_MAX_MS ? pause : AGAIN_MAX_MS;
}

static void tell(const struct autostart *autostart, const struct autostart_told *told)
{
	log_info("vm", "autostart", "vm=%s result=%s tries=%llu reason=%s", vm_name(told->vm),
		 autostart_result_names[told->result], (unsigned long long)told->tries,
		 told->reason ? told->reason : "-");
	if (autostart->env.told)
		autostart->env.told(autostart->env.data, told);
}

/* ---- one VM ---------------------------------------------------------------------- */

struct starting {
	struct autostart *autostart;
	char uuid[ID_UUID_SIZE];
};

static void give_up(struct autostart *autostart, struct vm *vm, const char *reason, uint64_t tries)
{
	vm_autostart_over(vm);
	tell(autostart,
	     &(struct autostart_told){
		     .vm = vm, .result = AUTOSTART_GAVE_UP, .reason = reason, .tries = tries });
}

static void note_failure(struct autostart *autostart, struct vm *vm, struct trial *trial,
			 const struct err *err)
{
	uint64_t now = loop_now_ms(autostart->env.loop), pause = pause_after(trial->tries);
	bool is_late = now - trial->first_ms + pause > (uint64_t)autostart->env.give_up_s * 1000;

	snprintf(trial->reason, sizeof(trial->reason), "%s", err->msg);
	if (err->code == ERR_INVALID || is_late) {
		give_up(autostart, vm, err->msg, trial->tries);
		return;
	}
	trial->again_ms = now + pause;
	tell(autostart, &(struct autostart_told){ .vm = vm,
						  .result = AUTOSTART_FAILED,
						  .reason = err->msg,
						  .tries = trial->tries,
						  .again_ms = pause });
}

/* It is not to be started any more, and does not run.  A `cont' that an image's lock has stopped is
 * repeated without end (vm/still.h). */
static void tell_end(struct autostart *autostart, struct vm *vm, const struct trial *trial,
		     const struct err *err)
{
	bool is_repeated = vm_is_still(vm) && vm_cont_may_be_repeated(err);

	if (vm_qemu(vm) && !vm_is_still(vm))
		return; /* a user has started it meanwhile */
	if (!is_repeated) {
		give_up(autostart, vm, err->msg, trial->tries);
		return;
	}
	tell(autostart, &(struct autostart_told){ .vm = vm,
						  .result = AUTOSTART_FAILED,
						  .reason = vm_reason(vm),
						  .tries = trial->tries });
}

static void on_started(void *data, const struct err *err)
{
	struct starting *starting = data;
	struct autostart *autostart = starting->autostart;
	struct vm *vm = vm_find_uuid(autostart->env.vms, starting->uuid);
	struct trial *trial = trial_of(autostart, starting->uuid);

	autostart->under_way--;
	trial->is_under_way = false;
	if (vm && !err)
		tell(autostart, &(struct autostart_told){ .vm = vm,
							  .result = AUTOSTART_STARTED,
							  .tries = trial->tries });
	else if (vm && vm_is_autostart_due(vm) && vm_role(vm) == VM_ROLE_OWNED)
		note_failure(autostart, vm, trial, err);
	else if (vm)
		tell_end(autostart, vm, trial, err);
	if (!vm || !vm_is_autostart_due(vm))
		forget(autostart, starting->uuid);
	free(starting);
	autostart_look(autostart);
}

static void begin(struct autostart *autostart, struct vm *vm)
{
	struct trial *trial = trial_of(autostart, vm_uuid(vm));
	struct starting *starting = xnew(struct starting);

	if (!trial)
		trial = trial_new(autostart, vm_uuid(vm));
	trial->is_under_way = true;
	trial->tries++;
	starting->autostart = autostart;
	memcpy(starting->uuid, vm_uuid(vm), sizeof(starting->uuid));
	autostart->under_way++;
	autostart->begun_ms = loop_now_ms(autostart->env.loop);
	start_vm(autostart->env.newest_env, autostart->env.newest, vm,
		 &(struct start_wish){ .action = VM_ACTION_START,
				       .by = "autostart",
				       .why = "the host was booted" },
		 on_started, starting);
}

/* ---- who is next ------------------------------------------------------------------- */

struct due {
	struct vm *vm;
	uint64_t order;
};

/* Of the same order as the list is, by name. */
static int compare(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return strcmp(vm_name(x->vm), vm_name(y->vm));
}

/* False: it is not to be started any more. */
static bool is_still_due(struct autostart *autostart, struct vm *vm, uint64_t *ret_order)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(vm_definition(vm));

	*ret_order = (uint64_t)json_get_int(def, "autostart_order", 0);
	if (vm_job(vm) || vm_role(vm) == VM_ROLE_INCOMING)
		return true; /* its QEMU may be there for the job alone; it may not be ours yet */
	if (vm_role(vm) != VM_ROLE_OWNED || vm_qemu(vm) ||
	    !json_get_bool(def, "autostart", false)) {
		vm_autostart_over(vm);
		return false;
	}
	if (vm_is_saved(vm)) {
		give_up(autostart, vm,
			"its guest is in a file, which a start would make worthless: restore it",
			0);
		return false;
	}
	return true;
}

/* All that are to be started, sorted; the caller frees it.  NULL: none. */
static struct due *list_due(struct autostart *autostart, size_t *ret_count)
{
	struct due *list = NULL;
	size_t count = 0, room = 0;

	for (struct vm *vm = vm_next(autostart->env.vms, NULL); vm;
	     vm = vm_next(autostart->env.vms, vm_name(vm))) {
		const struct trial *trial = trial_of(autostart, vm_uuid(vm));
		uint64_t order;

		if (!vm_is_autostart_due(vm) || (trial && trial->is_under_way) ||
		    !is_still_due(autostart, vm, &order))
			continue;
		if (count == room) {
			room = room ? 2 * room : 16;
			list = xrealloc(list, room * sizeof(*list));
		}
		list[count++] = (struct due){ vm, order };
	}
	if (count)
		qsort(list, count, sizeof(*list), compare);
	*ret_count = count;
	return list;
}

/* Time in which none may be started is not time in which one failed. */
static bool may(struct autostart *autostart, uint64_t now)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	bool ok = !autostart->env.may || autostart->env.may(autostart->env.data, &why);

	if (!ok && !autostart->is_barred) {
		log_info("vm", "autostart", "waits=%s", strbuf_str(&why));
		autostart->barred_ms = now;
	}
	for (struct trial *trial = autostart->trials; ok && autostart->is_barred && trial;
	     trial = trial->next)
		trial->first_ms += now - autostart->barred_ms;
	autostart->is_barred = !ok;
	return ok;
}

/* When one may be begun again, whichever. */
static uint64_t free_at(const struct autostart *autostart, uint64_t now)
{
	if (autostart->under_way >= autostart->env.at_once)
		return UINT64_MAX; /* the end of one looks again */
	return autostart->begun_ms ? autostart->begun_ms + autostart->env.pause_ms : now;
}

/* Nobody tells of the end of a job. */
#define LOOK_MS 2000

static void look(void *data)
{
	struct autostart *autostart = data;
	uint64_t now = loop_now_ms(autostart->env.loop), next = now + LOOK_MS;
	struct due *list;
	size_t count;
	bool goes;

	if (free_at(autostart, now) > now) {
		if (free_at(autostart, now) != UINT64_MAX)
			loop_timer_start(autostart->timer, free_at(autostart, now) - now);
		return;
	}
	list = list_due(autostart, &count);
	goes = count && may(autostart, now);
	for (size_t i = 0; goes && i < count && free_at(autostart, now) <= now; i++) {
		const struct trial *trial = trial_of(autostart, vm_uuid(list[i].vm));

		if (vm_job(list[i].vm) || vm_role(list[i].vm) != VM_ROLE_OWNED)
			continue;
		if (!trial || trial->again_ms <= now)
			begin(autostart, list[i].vm);
		else if (trial->again_ms < next)
			next = trial->again_ms;
	}
	free(list);
	autostart->is_on = count || autostart->under_way;
	if (count)
		loop_timer_start(autostart->timer, next - now);
}

/* ---- the way in -------------------------------------------------------------------- */

struct autostart *autostart_new(const struct autostart_env *env)
{
	struct autostart *autostart = xnew(struct autostart);

	autostart->env = *env;
	autostart->timer = loop_timer_new(env->loop, look, autostart);
	return autostart;
}

void autostart_end(struct autostart *autostart)
{
	loop_timer_free(TAKE_PTR(autostart->timer));
}

void autostart_free(struct autostart *autostart)
{
	if (!autostart)
		return;
	for (struct trial *trial = autostart->trials, *next; trial; trial = next) {
		next = trial->next;
		free(trial);
	}
	free(autostart);
}

/* Changes come in bunches; one look is for all. */
void autostart_look(struct autostart *autostart)
{
	if (autostart && autostart->is_on && autostart->timer)
		loop_timer_start(autostart->timer, 0);
}

void autostart_note(struct autostart *autostart, const struct vm *vm)
{
	if (autostart && vm && autostart->is_settled && vm_is_autostart_due(vm))
		autostart->is_on = true;
	autostart_look(autostart);
}

void autostart_begin(struct autostart *autostart)
{
	autostart->is_settled = autostart->is_on = true;
	autostart_look(autostart);
}

bool autostart_waits(const struct autostart *autostart, const struct vm *vm, struct strbuf *why)
{
	const struct trial *trial = trial_of(autostart, vm_uuid(vm));

	if (!vm_is_autostart_due(vm) || vm_role(vm) != VM_ROLE_OWNED || vm_qemu(vm))
		return false;
	if (autostart->is_barred && autostart->env.may) {
		strbuf_addf(why, "it is started when that may be: ");
		(void)autostart->env.may(autostart->env.data, why);
	} else if (trial && trial->is_under_way) {
		strbuf_addf(why, "it is being started, as its host was booted");
	} else if (trial) {
		strbuf_addf(why, "it was tried %llu times to start it, and will be again: %s",
			    (unsigned long long)trial->tries, trial->reason);
	} else {
		strbuf_addf(why, "it is to be started, as its host was booted");
	}
	return true;
}
