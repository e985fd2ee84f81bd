/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/trial.h -- a move that is only looked at: would it be taken, and what would it be like?
 *
 *     questions to QEMU -> sample of its writes -> files of the guest -> hello -> plan
 *     -> preflight of the destination -> forecast
 *
 * Nothing is changed on either side.  For a moment there is a token file beside each shared image,
 * as in a move, so that the destination can tell that it is the same.  Private to the layer.
 * Thread: loop.
 */
#ifndef MIGRD_MOVE_TRIAL_H
#define MIGRD_MOVE_TRIAL_H

#include <sys/queue.h>

#include "forecast/forecast.h"
#include "move/priv.h"
#include "stream/gauge.h"
#include "stream/reach.h"
#include "vm/entry.h"
#include "vm/virtqueues.h"
#include "wire/peer_msg.h"
#include "wire/trial_reply.h"

struct trial {
	LIST_ENTRY(trial) link;
	struct moves *moves;
	char id[ID_UUID_SIZE];
	char vm[ID_NAME_SIZE], vm_uuid[ID_UUID_SIZE], to[ID_NAME_SIZE];
	struct move_options options;
	struct policy policy; /* of which its move would have a copy */
	moves_tried_fn *fn;
	void *data;
	struct loop_timer *deadline, *again;
	unsigned hellos; /* that were asked */
	uint64_t let_come_bytes_per_s; /* by the destination's budget; 0: all */
	uint64_t generation;
	struct vm_entry *entry;                    /* NULL: not at the monitor */
	size_t question;                           /* the next of a series of trial_qemu.c */
	bool runs;                                 /* the guest's CPUs */
	struct preflight_reasons *here, *warnings; /* of this host: that block, that do not */
	struct json_object *blocks;                /* query-block; NULL: no disk is copied */
	struct disk_copy disks[VM_DEF_IMAGE_MAX];
	size_t disk_count;
	struct move_bitmap_sums bitmap_sums;   /* kept in their images */
	uint64_t written_bytes, written_at_ms; /* of all drives, when they were asked first */
	uint64_t written_per_s;
	char cpu_path[EVIDENCE_QOM_SIZE];
	struct virtqueues_walk virtqueues;
	int64_t certificate_s; /* of this host; 0: not known */
	struct evidence *evidence;
	uint64_t resident_bytes;
	struct transfer_plan *plan;         /* NULL: none can be made */
	bool is_plain_plan; /* nor this: it is without what was asked for, so that all else is seen
			     */
	struct stream_reach reach;
	bool is_reached;                    /* the data port of the destination */
	struct gauge_report probed;         /* bytes_per_s 0: no probe, or only a look */
	struct peer_preflight_reply *there; /* NULL: it was not asked, or did not answer */
};

/* What comes back finds the trial by this; it may be over. */
struct trial_ref {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};
struct trial_ref *trial_ref_new(const struct trial *trial);
/* Frees REF.  NULL: the trial is over. */
struct trial *trial_ref_take(struct trial_ref *ref);
/* Answers with ERR, and frees TRIAL. */
void trial_fail(struct trial *trial, const struct err *err);
/* Answers with all that was found, and frees TRIAL. */
void trial_answer(struct trial *trial);
/* NULL: the VM is gone, or has no QEMU any more; then the trial has failed and is freed. */
struct vm *trial_vm(struct trial *trial);

/* Asks its QEMU what speaks against a move, and what is known of its disks and CPU; then NEXT. */
typedef void trial_step_fn(struct trial *trial);
void trial_ask_qemu(struct trial *trial, trial_step_fn *next);
/* Ends the walk over the guest's virtqueues, wherever it is. */
void trial_end_queues(struct trial *trial);
/* Asks a second time what the guest has written to its drives, and what its images take now. */
void trial_ask_again(struct trial *trial, trial_step_fn *next);
/* Looks at the link to the destination, which has answered; then trial_answer(). */
void trial_look_at_link(struct trial *trial);

#endif
