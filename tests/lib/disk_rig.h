/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/disk_rig.h -- a guest with two local disks on the host of move_rig.h: d0 and d1, each
 * with an image in rig.dir/images, beside a shared one, s.  Its move is brought to a point by what
 * the fakes answer.
 */
#ifndef MIGRD_TESTS_LIB_DISK_RIG_H
#define MIGRD_TESTS_LIB_DISK_RIG_H

#include "move_rig.h"

/* QEMU's answers of a disk: to query-block, to query-named-block-nodes. */
#define DISK_RIG_BLOCK(id)                                    \
	"{\"device\":\"\",\"qdev\":\"/machine/peripheral/" id \
	"/virtio-backend\",\"removable\":false,\"inserted\":{\"node-name\":\"" id "-node\"}}"
#define DISK_RIG_NODE(id)                                                                \
	"{\"node-name\":\"" id "-node\",\"image\":{\"format\":\"raw\",\"virtual-size\":" \
	"1048576,\"actual-size\":4096}}"

/* Of a destination that takes local disks. */
extern const struct transfer_features disk_rig_features;

/* ---- images: NAME in rig.dir/images ------------------------------------------- */

char *disk_rig_path(const char *name); /* the caller's */
bool disk_rig_is_there(const char *name);
void disk_rig_write(const char *name);
/* Makes the directory, and the VM's definition have the three disks. */
void disk_rig_define(void);

/* ---- the source --------------------------------------------------------------- */

/* All is there for a move. */
void disk_rig_prepare(void);
/* The move has offered the guest. */
void disk_rig_begin(const struct move_options *options);
/* The destination takes it. */
void disk_rig_answer_prepare(void);
/* The mirrors copy. */
void disk_rig_copy_with(const struct move_options *options);
void disk_rig_copy(void);
/* Both mirrors are STATUS. */
void disk_rig_mirrors(const char *status);
/* The mirrors are ready, and memory is sent. */
void disk_rig_send_memory(void);
/* The guest stands still, and the mirrors were told to end. */
void disk_rig_settle(void);
void disk_rig_cancel(void);
/* The destination says that it waits for data. */
void disk_rig_let_flow(void);
/* D0 has copied all but LEFT bytes of 100 MiB. */
void disk_rig_leave(uint64_t left);

/* Of the mirrors nothing is left, and the images are there. */
void disk_rig_assert_gone(void);
/* The move has ended as STATE, and the guest runs here. */
void disk_rig_assert_back(const char *state);
/* Lets the memory end: the move is done, and the images are not in their places any more. */
void disk_rig_assert_done(void);

#endif
