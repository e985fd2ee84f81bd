/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/nic_frames.h -- what one host of a move saw of the frames that the guest sent.
 *
 * Times are in microseconds since 1970, by the clock of the host that saw them; 0: none was seen.
 * Thread: any.
 */
#ifndef MIGRD_WIRE_NIC_FRAMES_H
#define MIGRD_WIRE_NIC_FRAMES_H

#include "base/json.h"
#include "wire/vm_def.h"

#define NIC_FRAMES_MAX       ((size_t)2 * VM_DEF_NIC_MAX) /* including those of raw arguments */
#define NIC_FRAMES_NOTE_SIZE 200

/* Whether the guest was asked for answers, and if not, why. */
enum nic_ping {
	NIC_PING_OFF, /* it is not wanted */
	NIC_PING_SENT,
	NIC_PING_NO_ADDRESS, /* none was seen in its frames */
	NIC_PING_MACVTAP,    /* a host cannot reach a guest through it */
};

struct nic_frames {
	char nic[VM_DEF_ID_SIZE];
	uint64_t last_us;  /* the last frame before the guest's stop */
	uint64_t late_us;  /* by so much a later one that was missed can have been later */
	uint64_t pause_us; /* the longest pause between two frames until then */
	uint64_t first_us; /* the first frame of the guest that ran on */
	uint64_t own_us;   /* the first of them that is no announcement by its host */
	int ping;          /* enum nic_ping */
	char note[NIC_FRAMES_NOTE_SIZE]; /* why none can be seen; "": they can */
};

struct nic_frames_list {
	struct nic_frames nics[NIC_FRAMES_MAX];
	size_t count;
	bool is_watching;                /* more may come */
	char note[NIC_FRAMES_NOTE_SIZE]; /* why there is nothing; "": there is */
};

/* An IPv4 address of the guest, by which it can be asked for an answer. */
struct nic_address {
	char nic[VM_DEF_ID_SIZE];
	char ipv4[16];
};

extern const char *const nic_ping_names[]; /* ended by NULL */
extern const struct json_field nic_frames_list_fields[];
extern const struct json_field nic_address_fields[];

#endif
