/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A background snapshot of a guest with disks: from copies that are the same as the disks to the
 * guest that runs on.
 *
 * The guest is stopped, and the mirrors end.  Then QEMU's `migrate' finds a guest that stands
 * still, and leaves it so (10.0, 11.1); it writes the devices, write-protects the memory, and only
 * then sends the first page, all under its big lock until the page.  So a page that was sent is the
 * proof that `cont' comes late enough. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "qmp/block.h"
#include "save/priv.h"

#define LOOK_MS       250 /* if no event comes */
#define LOOK_STILL_MS 5   /* while the guest stands still, and no event tells */
#define STALLED_MS    60000
#define END_MS        30000 /* for the mirrors of a guest that stands still */
#define HELD_MS       30000 /* for QEMU to protect its memory */
/* What may be left to copy when the guest is stopped, of all disks. */
#define LEFT_MAX_BYTES UINT64_C(16777216)
#define CLEAR_MS       10000
#define CLEAR_AGAIN_MS 50

static const char *id_of(const struct save *save, size_t number)
{
	return save->detail.head.disks[number].id;
}

static uint64_t now_ms(const struct save *save)
{
	return loop_now_ms(save->saves->env.loop);
}

/* ---- they end -------------------------------------------------------------------------- */

static void clear_node(struct save *save);

static void on_node_cleared(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && save->machine.state == SAVE_STATE_TRANSFER) {
		save_disks_fail(save, id_of(save, save->disks->at), err->msg);
		return;
	}
	save->disks->at++; /* of a rollback: mostly there is none */
	clear_node(save);
}

static void on_clear(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* mostly: there is no bitmap */
	save->facts.is_clear = true;
	machine_step(&save->machine);
}

static void end_clearing(struct save *save)
{
	if (save->machine.state == SAVE_STATE_TRANSFER) {
		save->disks->phase = SAVE_DISKS_HELD;
		save->disks->since_ms = now_ms(save);
		save_vars_watch(save);
		return;
	}
	save_vars_let_be(save, on_clear);
}

static void clear_node(struct save *save)
{
	struct json_object *args;
	char name[SAVE_MIRROR_NAME_SIZE];

	if (save->disks->at == save->detail.head.disk_count) {
		end_clearing(save);
		return;
	}
	save_mirror_name(id_of(save, save->disks->at), name);
	args = json_object_new_object();
	json_add_str(args, "node-name", name);
	save_ask(save, "blockdev-del", args, on_node_cleared);
}

static void dismiss(struct save *save);

static void on_dismissed(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		save_disks_fail(save, id_of(save, save->disks->at), err->msg);
		return;
	}
	save->disks->at++;
	dismiss(save);
}

static void dismiss(struct save *save)
{
	struct json_object *args;
	char name[SAVE_MIRROR_NAME_SIZE];

	if (save->disks->at == save->detail.head.disk_count) {
		save->disks->at = 0;
		clear_node(save);
		return;
	}
	save_mirror_name(id_of(save, save->disks->at), name);
	args = json_object_new_object();
	json_add_str(args, "id", name);
	save_ask(save, "job-dismiss", args, on_dismissed);
}

static void end_mirror(struct save *save);

static void on_told(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		save_disks_fail(save, id_of(save, save->disks->at), err->msg);
		return;
	}
	save->disks->at++;
	end_mirror(save);
}

/* Without force a mirror that is ready writes the rest and ends well (qapi/block-core.json). */
static void end_mirror(struct save *save)
{
	struct json_object *args;
	char name[SAVE_MIRROR_NAME_SIZE];

	if (save->disks->at == save->detail.head.disk_count) {
		save_look_later(save, 0);
		return;
	}
	save_mirror_name(id_of(save, save->disks->at), name);
	args = json_object_new_object();
	json_add_str(args, "device", name);
	save_ask(save, "block-job-cancel", args, on_told);
}

/* ---- the guest is stopped ----------------------------------------------------------------- */

static void on_status(struct save *save, struct json_object *result, const struct err *err)
{
	enum qmp_run_state run = qmp_run_state_decode(result);
	struct err bad;

	if (!err && run != QMP_RUN_PAUSED) {
		err_set(&bad, ERR_CONFLICT, "the guest is %s, so it cannot be saved",
			qmp_run_state_name(run));
		err = &bad;
	}
	if (err) {
		save_fail(save, err);
		return;
	}
	/* From here on a guest that goes on is noticed (save_disks_event()). */
	save->disks->phase = SAVE_DISKS_END;
	save->disks->since_ms = now_ms(save);
	save->disks->at = 0;
	end_mirror(save);
}

static void on_stopped(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else
		save_ask(save, "query-status", NULL, on_status);
}

static void hold(struct save *save)
{
	save->is_stopped = save->detail.head.runs;
	save_ask(save, save->is_stopped ? "stop" : "query-status", NULL,
		 save->is_stopped ? on_stopped : on_status);
}

static bool sync_copies(struct save_task *task, struct err *err)
{
	return save_copies_sync_blocking(&task->head, err);
}

/* While the guest runs: what is left to sync when it stands still is little. */
static void on_synced(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (save_disks_may_go_on(save, err))
		hold(save);
}

/* ---- how far the mirrors are ---------------------------------------------------------------- */

struct seen {
	uint64_t done, total;
	size_t ready, ended;
	const char *failed; /* the first disk of which it is so, and why */
	const char *why;
};

static struct seen see(const struct save *save, struct json_object *jobs)
{
	struct seen seen = { 0 };
	struct qmp_job job;
	char name[SAVE_MIRROR_NAME_SIZE];

	for (size_t i = 0; i < save->detail.head.disk_count && !seen.failed; i++) {
		bool is_there;

		save_mirror_name(id_of(save, i), name);
		is_there = qmp_job_get(jobs, name, &job);
		if (!is_there || (job.status == QMP_JOB_CONCLUDED &&
				  (job.error[0] || save->disks->phase != SAVE_DISKS_END))) {
			seen.failed = id_of(save, i);
			seen.why = is_there && job.error[0] ? job.error : "somebody ended it";
			continue;
		}
		seen.done += job.done;
		seen.total += job.total;
		seen.ready += job.status == QMP_JOB_READY;
		seen.ended += job.status == QMP_JOB_CONCLUDED;
	}
	return seen;
}

static bool is_late(const struct save *save)
{
	return now_ms(save) - save->disks->since_ms >
	       (save->disks->phase == SAVE_DISKS_END ? END_MS : STALLED_MS);
}

static void note(struct save *save, const struct seen *seen)
{
	if (seen->done != save->disks->done && save->disks->phase == SAVE_DISKS_COPY)
		save->disks->since_ms = now_ms(save);
	save->disks->done = seen->done;
	save->disks->total = seen->total;
	err_text(save->reason, "its disks are copied: %" PRIu64 " of %" PRIu64 " MiB",
		 seen->done >> 20, seen->total >> 20);
	save_tell(save);
}

static void on_jobs(struct save *save, struct json_object *result, const struct err *err)
{
	size_t count = save->detail.head.disk_count;
	struct seen seen;

	if (err) {
		save_look_later(save, LOOK_MS);
		return;
	}
	seen = see(save, result);
	note(save, &seen);
	if (seen.failed) {
		save_disks_fail(save, seen.failed, seen.why);
	} else if (seen.ended == count) {
		save->disks->at = 0;
		save->reason[0] = '\0';
		dismiss(save);
	} else if (save->disks->phase == SAVE_DISKS_COPY && seen.ready == count &&
		   seen.total - seen.done <= LEFT_MAX_BYTES) {
		save_work(save, sync_copies, on_synced);
	} else if (is_late(save)) {
		save_disks_fail(save, id_of(save, 0),
				save->disks->phase == SAVE_DISKS_END
					? "the copy did not end in time"
					: "nothing was copied for 60 s");
	} else {
		save_look_later(save,
				save->disks->phase == SAVE_DISKS_END ? LOOK_STILL_MS : LOOK_MS);
		machine_step(&save->machine);
	}
}

bool save_disks_look(struct save *save)
{
	if (!save->disks || save->disks->phase == SAVE_DISKS_HELD ||
	    save->disks->phase == SAVE_DISKS_DONE)
		return false;
	if (save->disks->phase != SAVE_DISKS_NONE && !save->facts.is_working)
		save_ask(save, "query-jobs", NULL, on_jobs);
	return true;
}

void save_disks_event(struct save *save, const struct qmp_event *event)
{
	struct err err;

	if (!save->disks || save->machine.state != SAVE_STATE_TRANSFER || save->machine.is_saving)
		return;
	if (strncmp(event->name, "BLOCK_JOB_", 10) == 0) {
		save_look_later(save, 0);
	} else if (strcmp(event->name, "RESUME") == 0 && (save->disks->phase == SAVE_DISKS_END ||
							  save->disks->phase == SAVE_DISKS_HELD)) {
		err_set(&err, ERR_CONFLICT,
			"somebody let the guest run before its memory was protected: its disks "
			"would be older than its memory");
		save_fail(save, &err);
	}
}

/* ---- the guest goes on ---------------------------------------------------------------------- */

bool save_disks_may_let_go(const struct save *save)
{
	return save->facts.has_begun && save->disks && save->disks->phase == SAVE_DISKS_HELD &&
	       ((save->facts.migration == QMP_MIG_ACTIVE && save->info.ram_visited_bytes) ||
		save->facts.migration == QMP_MIG_COMPLETED);
}

bool save_disks_fail_if_held(struct save *save)
{
	struct err err;

	if (!save->disks || save->disks->phase != SAVE_DISKS_HELD ||
	    now_ms(save) - save->disks->since_ms <= HELD_MS)
		return false;
	err_set(&err, ERR_TIMEOUT,
		"the guest has stood still for %d s, and QEMU has not begun to write its memory",
		HELD_MS / 1000);
	save_fail(save, &err);
	return true;
}

static void on_let_go(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err); /* the rollback sees to the guest */
	else
		save_look_later(save, 0);
}

void save_disks_let_go(struct save *save)
{
	save->disks->phase = SAVE_DISKS_DONE;
	if (save->is_stopped)
		save_ask(save, "cont", NULL, on_let_go);
	else
		save_look_later(save, 0);
}

/* ---- rollback --------------------------------------------------------- */

static void on_job_told(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* the next look tells */
	save_look_later(save, CLEAR_AGAIN_MS);
}

static void on_jobs_to_clear(struct save *save, struct json_object *result, const struct err *err)
{
	bool has_none = !err;

	for (size_t i = 0; !err && i < save->detail.head.disk_count; i++) {
		struct json_object *args;
		char name[SAVE_MIRROR_NAME_SIZE];
		struct qmp_job job;

		save_mirror_name(id_of(save, i), name);
		if (!qmp_job_get(result, name, &job))
			continue;
		has_none = false;
		args = json_object_new_object();
		json_add_str(args, "id", name);
		save_ask(save, job.status == QMP_JOB_CONCLUDED ? "job-dismiss" : "job-cancel", args,
			 on_job_told);
	}
	if (has_none || now_ms(save) - save->disks->since_ms > CLEAR_MS) {
		save->disks->at = 0;
		clear_node(save);
	} else if (err) {
		save_look_later(save, CLEAR_AGAIN_MS);
	}
}

void save_disks_clear(struct save *save)
{
	if (!save->disks) {
		save->disks = xnew(struct save_disks);
		save->disks->since_ms = now_ms(save);
	}
	save_ask(save, "query-jobs", NULL, on_jobs_to_clear);
}
