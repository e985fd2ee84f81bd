/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When so little is left to copy of the disks that memory may begin, and what is done about a guest
 * that writes faster than is copied. */
#include "base/mem.h"
#include "move/disks.h"
#include "move/src_priv.h"
#include "qmp/block.h"

/* What may be left to copy when memory begins, of all disks. */
#define LEFT_MIN_BYTES UINT64_C(1048576)
#define LEFT_MAX_BYTES UINT64_C(67108864)
/* A guest that writes faster than is copied may write half as much, after this time again. */
#define PACE_MS          3000
#define PACE_FIRST_BYTES UINT64_C(8388608) /* where the speed of the copies is not known */
#define PACE_MIN_BYTES   UINT64_C(262144)

/* Until all are ready; then it is what the link and both images can do. */
void move_disks_note_rate(struct move *move)
{
	uint64_t now = loop_now_ms(move->moves->env.loop), copied = 0;

	if (move->machine.is_resumed || move_src_disks_progress(move) != MOVE_PART_FLOWS)
		return;
	for (size_t i = 0; i < move->plan->disk_count; i++)
		copied += move->disks.mirrors[i].done;
	move->disks.bytes_per_ms = copied / (now - move->disks.began_at_ms + 1);
}

static uint64_t left_bytes(const struct move *move)
{
	uint64_t left = 0;

	for (size_t i = 0; i < move->plan->disk_count; i++) {
		const struct move_mirror *mirror = &move->disks.mirrors[i];

		left += mirror->total > mirror->done ? mirror->total - mirror->done : 0;
	}
	return left;
}

/* A mirror copies in the background what the guest has written, so something is left when the
 * guest stops: no more than what the copies have sent in half of the allowed downtime.  (Where a
 * write is done only when both images have it, nothing is left; but in that mode, write-blocking,
 * QEMU 7.2 and 10.0 crashed when the connection broke.) */
static uint64_t left_allowed_bytes(const struct move *move)
{
	uint64_t bytes = move->disks.bytes_per_ms * move->options.downtime_limit_ms / 2;

	return bytes < LEFT_MIN_BYTES   ? LEFT_MIN_BYTES
	       : bytes > LEFT_MAX_BYTES ? LEFT_MAX_BYTES
					: bytes;
}

bool move_src_disks_are_ready(const struct move *move)
{
	return move->ram.state != QMP_MIG_UNKNOWN &&
	       move_src_disks_progress(move) >= MOVE_PART_LAST &&
	       left_bytes(move) <= left_allowed_bytes(move);
}

/* ---- the limit of the bandwidth --------------------------------------------------------- */

void move_disks_lift_limit(struct move *move)
{
	move->disks.is_lifted = true;
	if (move->stream)
		stream_set_bandwidth(move->stream, 0);
}

void move_disks_restore_limit(struct move *move)
{
	if (move->disks.is_lifted && move->stream && move->machine.state == MOVE_STATE_TRANSFER &&
	    !move->facts.saw_stop)
		stream_set_bandwidth(move->stream, move_limit_bytes_per_s(move));
	move->disks.is_lifted = false;
}

/* ---- a guest that writes too fast ---------------------------------------------------- */

struct json_object *move_disks_limit(const char *device, const char *disk, uint64_t bytes_per_s)
{
	static const char *const unlimited[] = { "bps", "bps_rd", "iops", "iops_rd", "iops_wr" };
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", device);
	move_disks_add_name(args, "group", disk);
	for (size_t i = 0; i < ARRAY_LEN(unlimited); i++)
		json_add_uint(args, unlimited[i], 0);
	json_add_uint(args, "bps_wr", bytes_per_s);
	return args;
}

static void on_limited(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	move_disks_restore_limit(move);
	if (err)
		move_note(move, "limit", "%s", err->msg);
}

static uint64_t next_limit(const struct move *move)
{
	uint64_t half = move->disks.limit_bytes_per_s / 2;

	if (!half)
		half = move->disks.bytes_per_ms ? move->disks.bytes_per_ms * 1000 / 2
						: PACE_FIRST_BYTES;
	return half > PACE_MIN_BYTES ? half : PACE_MIN_BYTES;
}

static void on_devices(struct move *move, struct json_object *result, const struct err *err)
{
	if (move->machine.state != MOVE_STATE_TRANSFER || move_ram_has_started(move))
		return;
	if (err)
		move_note(move, "limit", "%s", err->msg);
	for (size_t i = 0; !err && i < move->plan->disk_count; i++) {
		const char *disk = move->plan->disks[i].id;
		const char *device = qmp_block_device(result, disk);

		if (!device)
			continue;
		move_disks_lift_limit(move);
		move_qmp(move, "block_set_io_throttle",
			 move_disks_limit(device, disk, move->disks.limit_bytes_per_s),
			 COMMAND_DEADLINE_MS, on_limited);
	}
}

static void slow_down(struct move *move)
{
	move->disks.limit_bytes_per_s = next_limit(move);
	move_note(move, "limit", "the guest may write %llu KiB/s to each disk until the move ends",
		  (unsigned long long)move->disks.limit_bytes_per_s >> 10);
	move_qmp(move, "query-block", NULL, COMMAND_DEADLINE_MS, on_devices);
}

/* What the guest has written since is left.  A mirror is ready only when nothing was left for a
 * moment. */
static bool was_all_copied(const struct move *move)
{
	for (size_t i = 0; i < move->plan->disk_count; i++) {
		const struct move_mirror *mirror = &move->disks.mirrors[i];

		if (mirror->state == MOVE_MIRROR_NONE ||
		    (mirror->state == MOVE_MIRROR_COPIES && mirror->done < mirror->once))
			return false;
	}
	return true;
}

void move_disks_keep_pace(struct move *move)
{
	uint64_t now = loop_now_ms(move->moves->env.loop), former = move->disks.pace_left;

	if (!was_all_copied(move) || move_src_disks_are_ready(move) || move_ram_has_started(move)) {
		move->disks.pace_at_ms = now;
		move->disks.pace_left = left_bytes(move);
	}
	if (now - move->disks.pace_at_ms < PACE_MS)
		return;
	move->disks.pace_at_ms = now;
	move->disks.pace_left = left_bytes(move);
	if (move->disks.pace_left < former / 4 * 3)
		return;
	if (move->options.transfer.auto_converge)
		slow_down(move);
	else
		move_set_reason(move,
				"the guest writes to its disks faster than they are copied: raise "
				"bandwidth_bytes_per_s, or move it with auto_converge");
}
