/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capacity/guests.h -- what the guests of this host take.
 *
 * What a definition says is read once for each definition, and how much a QEMU uses is remembered
 * from look to look.  Private to the layer.  Thread: loop.
 */
#ifndef MIGRD_CAPACITY_GUESTS_H
#define MIGRD_CAPACITY_GUESTS_H

#include "capacity/snapshot.h"

struct guests;
struct moves;
struct vm;
struct vms;

struct guests *guests_new(struct vms *vms, struct moves *moves);
void guests_free(struct guests *guests);

/* Called for each guest, in the order of names; TOLD is all but the hold. */
typedef void guests_told_fn(void *data, struct capacity_vm_told *told);

struct guests_sum {
	uint64_t guests, stopped;
	uint64_t here_mib, incoming_mib, resident_mib;
	uint64_t pages_mib[PLAN_PAGES_COUNT]; /* of guests that are in such pages, here or incoming
					       */
	uint64_t vcpus;
};
/* HISTORY of the moves to a peer, for forecasts; NULL: none. */
struct forecast_input;
struct guests_sum guests_look(struct guests *guests, const struct forecast_input *history,
			      uint64_t now_ms, guests_told_fn *fn, void *data);

#endif
