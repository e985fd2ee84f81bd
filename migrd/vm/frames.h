/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/frames.h -- when the guest of a VM sends frames: its taps and macvtaps are listened at
 * (net/frames.h), also those that are in raw arguments only.  A move asks for it, and nothing waits
 * for it or fails by it.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_FRAMES_H
#define MIGRD_VM_FRAMES_H

#include "vm/vm.h"
#include "wire/nic_frames.h"

struct vm_frames;

/* Listens from a moment later on.  Frames count as those before the guest's stop until
 * vm_frames_run_on(): before a guest runs, what its macvtap sends is the host's own.  Closed by
 * vm_frames_close(); the VM may go before that.  NULL: it has no tap and no macvtap. */
struct vm_frames *vm_frames_open(struct vm *vm);
/* Accepts NULL. */
void vm_frames_close(struct vm_frames *frames);

/* From now on nothing is missed. */
bool vm_frames_are_open(const struct vm_frames *frames);
/* Takes what has come.  True: so much of it that some may be lost, so the next look should come
 * sooner.  Cheap: it waits for nothing. */
bool vm_frames_look(struct vm_frames *frames);
/* The guest stands still since STOP_US, and stood still never before. */
void vm_frames_stop(struct vm_frames *frames, uint64_t stop_us);
/* It runs on here since RESUME_US. */
void vm_frames_run_on(struct vm_frames *frames, uint64_t resume_us);
/* Asks the guest for an answer by each NIC of which an address is known (net_frames_ping()). */
void vm_frames_ping(struct vm_frames *frames);
/* The addresses of the guest that were seen in its frames, so many; and one that another host saw.
 */
size_t vm_frames_addresses(const struct vm_frames *frames, struct nic_address ret[NIC_FRAMES_MAX]);
void vm_frames_set_address(struct vm_frames *frames, const struct nic_address *address);
/* What the guest's agent says of its network (VM_AGENT_NETWORK): the first IPv4 address of the
 * interface with the MAC address of a NIC, of each whose frames have told none.  It is the guest's
 * own word: a wrong one costs answers, and nothing else. */
void vm_frames_note_network(struct vm_frames *frames, struct json_object *network);
/* Each NIC that can be seen has sent a frame of its own since the guest runs on. */
bool vm_frames_are_complete(const struct vm_frames *frames);
/* What was seen up to the last look. */
void vm_frames_show(const struct vm_frames *frames, struct nic_frames_list *ret);

/* One frame of a guest that runs on since RUNS_ON_US (UINT64_MAX: it has not stopped).  Pure. */
struct net_frame;
void vm_frames_count(struct nic_frames *nic, const struct net_frame *frame, uint64_t runs_on_us);

#endif
