/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source copies the guest's local disks: a mirror job of QEMU for each, to an export of the
 * destination's QEMU.
 *
 * A job stays with QEMU when it has ended (auto-dismiss is off), so that a restarted coordinator
 * finds how it ended.  Once the guest stands still, QEMU waits in pre-switchover until each mirror
 * has ended well; so its `completed' means that the copies are complete too.  A mirror changes
 * nothing of the source's image. */
#include <string.h>

#include "base/mem.h"
#include "move/disks.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "qmp/block.h"

/* The most that is under way to the other host for each copy. */
#define BUFFERED_BYTES UINT64_C(2000000)
/* QEMU does nothing else until the server has greeted (block/nbd.c). */
#define OPEN_TIMEOUT_S  5
#define PUT_ASIDE_TRIES 5
/* For buf-size; a mirror takes no less than a chunk of its bitmap. */
#define UNDER_WAY_MIN_BYTES UINT64_C(262144)
#define UNDER_WAY_MAX_BYTES UINT64_C(16777216)

void move_disks_add_name(struct json_object *args, const char *key, const char *disk)
{
	char name[MOVE_MIRROR_NAME_SIZE];

	move_mirror_name(disk, name);
	json_add_str(args, key, name);
}

const struct vm_def_disk *move_local_disk(const struct move *move, size_t number)
{
	const struct vm_def *def = move_definition(move);

	return def ? vm_def_local_image(def, number) : NULL;
}

/* ---- how far the mirrors are -------------------------------------------------------- */

static void fail(struct move *move, size_t index, const char *why)
{
	move->disks.mirrors[index].state = MOVE_MIRROR_FAILED;
	if (!err_is_set(&move->error))
		err_set(&move->error, ERR_QEMU, "the copy of disk '%s' to host '%s' failed: %s",
			move->plan->disks[index].id, move->row.peer, why);
}

/* The guest stands still, and QEMU waits for us. */
static bool is_settling(const struct move *move)
{
	return move->ram.state == QMP_MIG_PRE_SWITCHOVER &&
	       (move->machine.state == MOVE_STATE_HANDOVER ||
		move->machine.state == MOVE_STATE_STUCK);
}

/* ---- the firmware's variables --------------------------------------------------------- */

/* The index of their mirror; disk_count: there is none. */
static size_t vars_index(const struct move *move)
{
	size_t i = 0;

	while (i < move->plan->disk_count && strcmp(move->plan->disks[i].id, VM_DEF_VARS_ID) != 0)
		i++;
	return i;
}

/* QEMU sends the flash memory with the guest's, and does not notice what the guest writes to it
 * after that: its model of the flash stores that without marking the page (hw/block/pflash_cfi01.c,
 * pflash_data_write()).  The destination's QEMU writes the flash memory that it has got over the
 * image when the guest goes on, so a write in between would be lost, or half of it.  The mirror
 * sees all writes: its bytes tell whether there was one. */
void move_src_disks_note_vars(struct move *move)
{
	size_t index = vars_index(move);

	if (index == move->plan->disk_count)
		return;
	move->facts.vars_copied = move->disks.mirrors[index].done;
	machine_save(&move->machine); /* a restart must know it, or gives the move up */
}

static void fail_by_vars(struct move *move, size_t index)
{
	move->disks.mirrors[index].state = MOVE_MIRROR_FAILED;
	if (!err_is_set(&move->error))
		err_set(&move->error, ERR_BUSY, "%s: move it again",
			move->facts.vars_copied
				? "the guest wrote to the variables of its firmware while its "
				  "memory was sent, and QEMU does not send that again"
				: "migrd was restarted as memory began to be sent, and cannot know "
				  "whether the guest wrote to the variables of its firmware since");
}

/* ---- the end of a mirror -------------------------------------------------------------- */

/* A mirror that nobody told to end has ended too early: the guest has written since. */
static void note_end(struct move *move, size_t index, const struct qmp_job *job)
{
	if (job->error[0])
		fail(move, index, job->error);
	else if (!is_settling(move))
		fail(move, index, "somebody ended it");
	else if (index == vars_index(move) && job->done != move->facts.vars_copied)
		fail_by_vars(move, index);
	else
		move->disks.mirrors[index].state = MOVE_MIRROR_ENDED;
}

static void note_job(struct move *move, size_t index, const struct qmp_job *job)
{
	struct move_mirror *mirror = &move->disks.mirrors[index];

	if (job->done != mirror->done)
		move->disks.copied_at_ms = loop_now_ms(move->moves->env.loop);
	mirror->done = job->done;
	mirror->total = job->total;
	if (!mirror->once)
		mirror->once = job->total;
	if (job->status == QMP_JOB_CONCLUDED)
		note_end(move, index, job);
	else
		mirror->state = job->status == QMP_JOB_READY || mirror->state == MOVE_MIRROR_READY
					? MOVE_MIRROR_READY
					: MOVE_MIRROR_COPIES;
}

static void note_jobs(struct move *move, struct json_object *jobs)
{
	for (size_t i = 0; i < move->plan->disk_count; i++) {
		const struct move_mirror *mirror = &move->disks.mirrors[i];
		char name[MOVE_MIRROR_NAME_SIZE];
		struct qmp_job job;

		move_mirror_name(move->plan->disks[i].id, name);
		if (mirror->state == MOVE_MIRROR_FAILED || mirror->state == MOVE_MIRROR_ENDED)
			continue; /* its end was judged by what QEMU did at that time */
		if (qmp_job_get(jobs, name, &job))
			note_job(move, i, &job);
		else if (i < move->disks.begun || move->machine.is_resumed)
			fail(move, i, "QEMU has no such job any more");
	}
}

static void on_jobs(struct move *move, struct json_object *result, const struct err *err)
{
	move->disks.is_asking = false;
	if (err)
		return; /* the tick asks again */
	move_disks_restore_limit(move);
	note_jobs(move, result);
	move_disks_note_rate(move);
	move_note_percent(move);
	move_tell(move);
	machine_step(&move->machine);
}

static void ask_jobs(struct move *move)
{
	if (move->disks.is_asking)
		return;
	move->disks.is_asking = true;
	move->disks.asked_ms = loop_now_ms(move->moves->env.loop);
	move_qmp(move, "query-jobs", NULL, COMMAND_DEADLINE_MS, on_jobs);
}

static void ask_jobs_now_and_then(struct move *move)
{
	if (loop_now_ms(move->moves->env.loop) - move->disks.asked_ms >= TICK_MS)
		ask_jobs(move);
}

/* QEMU does nothing else, after this event, until what its mirrors have under way is written
 * (do_vm_stop in softmmu/cpus.c: bdrv_drain_all); an answer comes after that. */
static void on_stop(struct move *move)
{
	if (move->machine.state != MOVE_STATE_TRANSFER || !move->disks.begun)
		return;
	move_disks_lift_limit(move);
	ask_jobs(move);
}

bool move_src_disks_event(struct move *move, const struct qmp_event *event)
{
	static const char *const events[] = { "BLOCK_JOB_READY", "BLOCK_JOB_COMPLETED",
					      "BLOCK_JOB_CANCELLED" };

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		if (strcmp(event->name, events[i]) != 0)
			continue;
		move_note(move, event->name, "%s at %lld us", json_get_str(event->data, "device"),
			  (long long)event->time_us);
		move->disks.is_asking = false; /* an answer under way is older */
		if (move->plan)
			ask_jobs(move);
		return true;
	}
	if (strcmp(event->name, "STOP") == 0)
		on_stop(move); /* not of this part alone */
	return strcmp(event->name, "JOB_STATUS_CHANGE") == 0;
}

static enum move_part_progress progress_of(const struct move *move, size_t index)
{
	switch (move->disks.mirrors[index].state) {
	case MOVE_MIRROR_READY:
		return MOVE_PART_LAST;
	case MOVE_MIRROR_ENDED:
		return MOVE_PART_DONE;
	case MOVE_MIRROR_FAILED:
		return MOVE_PART_BROKEN;
	case MOVE_MIRROR_NONE:
	case MOVE_MIRROR_COPIES:
		break;
	}
	return MOVE_PART_FLOWS;
}

/* QEMU was let go on when the mirrors had ended. */
static bool has_gone_on(const struct move *move)
{
	return move->ram.state == QMP_MIG_DEVICE || move->ram.state == QMP_MIG_COMPLETED;
}

enum move_part_progress move_src_disks_progress(const struct move *move)
{
	enum move_part_progress least = MOVE_PART_DONE;

	for (size_t i = 0; i < move->plan->disk_count && !has_gone_on(move); i++) {
		enum move_part_progress progress = progress_of(move, i);

		if (progress < least)
			least = progress;
	}
	return least;
}

/* ---- transfer: the mirrors begin -------------------------------------------------------- */

static void begin_mirror(struct move *move);

static void on_begun(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		fail(move, move->disks.begun, err->msg);
		machine_step(&move->machine);
		return;
	}
	move->disks.begun++;
	begin_mirror(move);
}

/* At most so much of each disk is under way; QEMU's own number without a limit, and else what goes
 * out in a quarter of a second. */
static uint64_t under_way_bytes(const struct move *move)
{
	uint64_t bytes = move_limit_bytes_per_s(move) / 4;

	if (!bytes || bytes > UNDER_WAY_MAX_BYTES)
		return UNDER_WAY_MAX_BYTES;
	return bytes < UNDER_WAY_MIN_BYTES ? UNDER_WAY_MIN_BYTES : bytes;
}

static void on_target(struct move *move, struct json_object *result, const struct err *err)
{
	const struct disk_copy *disk = &move->plan->disks[move->disks.begun];
	char name[MOVE_MIRROR_NAME_SIZE];
	struct json_object *args;

	(void)result;
	if (err) {
		on_begun(move, NULL, err);
		return;
	}
	move_mirror_name(disk->id, name);
	args = json_object_new_object();
	json_add_str(args, "job-id", name);
	json_add_str(args, "device", move->begin.nodes[move->disks.begun]);
	json_add_str(args, "target", name);
	json_add_str(args, "sync", disk->backing[0] ? "top" : "full");
	json_add_str(args, "copy-mode", "background");
	json_add_uint(args, "buf-size", under_way_bytes(move));
	json_add_bool(args, "auto-dismiss", false);
	move_qmp(move, "blockdev-mirror", args, COMMAND_DEADLINE_MS, on_begun);
}

static struct json_object *target(struct move *move, const struct disk_copy *disk)
{
	CLEANUP(free_charp) char *path = move_channel_path(move, TRANSFER_CHANNEL_DISKS);
	struct json_object *args = json_object_new_object();
	struct json_object *server = json_object_new_object();
	char name[MOVE_MIRROR_NAME_SIZE];

	move_mirror_name(disk->id, name);
	json_add_str(server, "type", "unix");
	json_add_str(server, "path", path);
	json_add_str(args, "driver", "nbd");
	json_add_str(args, "node-name", name);
	json_object_object_add(args, "server", server);
	json_add_str(args, "export", disk->id);
	/* Zeroes are not sent as data. */
	json_add_str(args, "discard", "unmap");
	json_add_str(args, "detect-zeroes", "unmap");
	json_add_uint(args, "open-timeout", OPEN_TIMEOUT_S);
	return args;
}

static void begin_mirror(struct move *move)
{
	if (move->disks.begun == move->plan->disk_count) {
		ask_jobs(move);
		return;
	}
	move_qmp(move, "blockdev-add", target(move, &move->plan->disks[move->disks.begun]),
		 COMMAND_DEADLINE_MS, on_target);
}

/* After a restart QEMU is asked what has become of the mirrors; one that had not begun yet is
 * missing, which ends the move. */
void move_src_disks_start(struct move *move)
{
	move->disks.copied_at_ms = loop_now_ms(move->moves->env.loop);
	move->disks.began_at_ms = move->disks.pace_at_ms = move->disks.copied_at_ms;
	if (!move->machine.is_resumed) {
		begin_mirror(move);
		return;
	}
	move_query(move);
	ask_jobs(move);
}

/* ---- transfer: the copies go on ------------------------------------------------------------- */

static bool is_stalled(const struct move *move)
{
	return !move_src_disks_are_ready(move) &&
	       move_is_stalled_since(move, BUFFERED_BYTES * move->plan->disk_count,
				     move->disks.copied_at_ms);
}

/* The first that is not ready. */
static size_t slowest(const struct move *move)
{
	size_t i = 0;

	while (i + 1 < move->plan->disk_count && move->disks.mirrors[i].state == MOVE_MIRROR_READY)
		i++;
	return i;
}

static void step_transfer(struct move *move)
{
	if (is_stalled(move))
		fail(move, slowest(move), "nothing was sent for 60 s");
	move_disks_keep_pace(move);
	ask_jobs_now_and_then(move);
}

/* ---- handover: the mirrors end -------------------------------------------------------------- */

/* Without force a mirror that is ready writes the rest and ends well (qapi/block-core.json).
 * How it has ended is asked of QEMU, by the event that follows. */
static void on_told(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "mirror", "%s", err->msg);
	if (!err || err->code == ERR_QEMU)
		return;
	/* It may not have been heard, and may be said twice. */
	for (size_t i = 0; i < move->plan->disk_count; i++)
		move->disks.mirrors[i].is_ending = false;
}

static void end_mirror(struct move *move, size_t index)
{
	struct json_object *args = json_object_new_object();

	move_disks_add_name(args, "device", move->plan->disks[index].id);
	move->disks.mirrors[index].is_ending = true;
	move_qmp(move, "block-job-cancel", args, COMMAND_DEADLINE_MS, on_told);
}

void move_src_disks_settle(struct move *move)
{
	bool is_late = machine_in_state_ms(&move->machine) >
		       move_converge_stop_ms(move) + move->moves->env.handover_link_timeout_ms;

	for (size_t i = 0; i < move->plan->disk_count; i++) {
		struct move_mirror *mirror = &move->disks.mirrors[i];

		if (mirror->state == MOVE_MIRROR_READY && !mirror->is_ending)
			end_mirror(move, i);
		if (mirror->state != MOVE_MIRROR_ENDED && is_late)
			fail(move, i, "it did not end in time");
	}
	ask_jobs_now_and_then(move);
}

void move_src_disks_step(struct move *move)
{
	move_src_disks_step_clear(move);
	if (move->machine.state == MOVE_STATE_TRANSFER)
		step_transfer(move);
}

/* ---- confirm: the source's images are old -------------------------------------------------------- */

static bool put_aside(const struct image_task *task, size_t index, struct err *err)
{
	return image_put_aside_blocking(task->paths[index], task->peer, task->move, err);
}

static bool discard(const struct image_task *task, size_t index, struct err *err)
{
	return image_discard_blocking(task->paths[index], err);
}

void move_src_disks_put_aside(struct move *move)
{
	static const struct image_action actions[] = {
		{ "put-aside", put_aside, PUT_ASIDE_TRIES, "disks", NULL },
		{ "discard", discard, PUT_ASIDE_TRIES, "disks", NULL }
	};

	move_images_work(move, &actions[move->options.remove_source_disks]);
}
