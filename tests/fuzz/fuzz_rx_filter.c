/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: QEMU's answer about a NIC's receive filter, half of which the guest chose.
 * It is decoded, and planned for an interface without any address, and for one that has
 * them all. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each wanted address is added once; on an interface that has them nothing changes. */
static void plan(enum net_kind kind, const struct net_filter *filter)
{
	struct net_present *present = xnew(struct net_present);
	struct net_plan *first = xnew(struct net_plan);
	struct net_plan *second = xnew(struct net_plan);

	present->kind = kind;
	present->takes_unicast = true;
	net_plan_make(present, filter, first);
	assert(first->count <= 3 + 1 + filter->count);
	for (size_t i = 0; i < first->count; i++) {
		assert(first->list[i].kind != NET_CHANGE_REMOVE);
		if (first->list[i].kind == NET_CHANGE_ADD)
			present->macs[present->count++] = first->list[i].mac;
	}
	present->main = filter->main;
	present->promiscuous = filter->promiscuous;
	present->all_multicast = filter->all_multicast;
	net_plan_make(present, filter, second);
	assert(second->count == 0);
	free(present);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);
	struct net_filter *filter = xnew(struct net_filter);
	struct err err;

	if (obj && net_filter_decode(obj, filter, &err)) {
		assert(filter->has_main && !net_mac_is_multicast(&filter->main));
		plan(NET_KIND_MACVTAP, filter);
		plan(NET_KIND_BRIDGE_PORT, filter);
	}
	free(filter);
	faults_free(faults);
	return 0;
}
