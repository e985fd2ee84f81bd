/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/plan.h"

#include <string.h>

static void add(struct net_plan *plan, enum net_change_kind kind, bool on,
		const struct net_mac *mac)
{
	struct net_change *change = &plan->list[plan->count++];

	*change = (struct net_change){ .kind = kind, .on = on };
	if (mac)
		change->mac = *mac;
}

static bool has(const struct net_mac *list, size_t count, const struct net_mac *mac)
{
	for (size_t i = 0; i < count; i++) {
		if (net_mac_equal(&list[i], mac))
			return true;
	}
	return false;
}

/* Addresses that the host's own IP stack may have put there: all hosts, all nodes,
 * solicited nodes (RFC 1112, RFC 4291). */
static bool is_of_the_host(const struct net_mac *mac)
{
	static const uint8_t all_hosts[] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 };
	static const uint8_t all_nodes[] = { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 };
	static const uint8_t solicited[] = { 0x33, 0x33, 0xff };

	return memcmp(mac->bytes, all_hosts, sizeof(all_hosts)) == 0 ||
	       memcmp(mac->bytes, all_nodes, sizeof(all_nodes)) == 0 ||
	       memcmp(mac->bytes, solicited, sizeof(solicited)) == 0;
}

/* True: MAC belongs on the interface's list. The main address of a macvtap is not on its list. */
static bool is_wanted(const struct net_present *present, const struct net_filter *want,
		      const struct net_mac *mac)
{
	if (present->kind == NET_KIND_BRIDGE_PORT)
		return (want->has_main && net_mac_equal(&want->main, mac)) ||
		       has(want->macs, want->count, mac);
	return has(want->macs, want->count, mac) &&
	       (net_mac_is_multicast(mac) || present->takes_unicast);
}

static void plan_macvtap(const struct net_present *present, const struct net_filter *want,
			 struct net_plan *plan)
{
	if (want->has_main && !net_mac_equal(&present->main, &want->main))
		add(plan, NET_CHANGE_MAIN, true, &want->main);
	if (present->promiscuous != want->promiscuous)
		add(plan, NET_CHANGE_PROMISCUOUS, want->promiscuous, NULL);
	if (present->all_multicast != want->all_multicast)
		add(plan, NET_CHANGE_ALL_MULTICAST, want->all_multicast, NULL);
}

static void plan_addition(const struct net_present *present, const struct net_filter *want,
			  const struct net_mac *mac, struct net_plan *plan)
{
	if (is_wanted(present, want, mac) && !has(present->macs, present->count, mac))
		add(plan, NET_CHANGE_ADD, true, mac);
}

void net_plan_make(const struct net_present *present, const struct net_filter *want,
		   struct net_plan *ret)
{
	ret->count = 0;
	if (present->kind == NET_KIND_MACVTAP)
		plan_macvtap(present, want, ret);
	else if (want->has_main)
		plan_addition(present, want, &want->main, ret);
	for (size_t i = 0; i < want->count; i++) {
		if (!has(want->macs, i, &want->macs[i]))
			plan_addition(present, want, &want->macs[i], ret);
	}
	for (size_t i = 0; i < present->count; i++) {
		const struct net_mac *mac = &present->macs[i];
		bool is_kept = present->kind == NET_KIND_MACVTAP && is_of_the_host(mac);

		if (!is_kept && !is_wanted(present, want, mac) && !has(present->macs, i, mac))
			add(ret, NET_CHANGE_REMOVE, false, mac);
	}
}
