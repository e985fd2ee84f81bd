/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tap.h"

#include <string.h>

static bool check_bridge(const char *ifname, const char *master, const char *bridge,
			 struct err *err)
{
	struct net_link link;
	struct err ignored;

	if (strcmp(master, bridge) == 0)
		return true;
	if (!net_link_look_blocking(bridge, &link, &ignored))
		return err_set(err, ERR_CONFLICT,
			       "there is no bridge '%s' on this host: make it, and put interface "
			       "'%s' into it (ip link set %s master %s)",
			       bridge, ifname, ifname, bridge);
	return err_set(err, ERR_CONFLICT,
		       "interface '%s' of this host is a port of %s%s%s, not of bridge '%s': put "
		       "it "
		       "there (ip link set %s master %s)",
		       ifname, master[0] ? "'" : "no bridge", master, master[0] ? "'" : "", bridge,
		       ifname, bridge);
}

bool net_tap_check_link_blocking(const char *ifname, const struct net_link *link,
				 const char *bridge, struct err *err)
{
	if (!link->is_up)
		return err_set(err, ERR_CONFLICT,
			       "interface '%s' of this host is down: set it up (ip link set %s up)",
			       ifname, ifname);
	return !bridge[0] || check_bridge(ifname, link->master, bridge, err);
}

bool net_tap_check_blocking(const char *ifname, const char *bridge, struct err *err)
{
	struct net_link link;

	if (!net_link_look_blocking(ifname, &link, err)) {
		if (err->code == ERR_NOT_FOUND)
			err_set(err, ERR_NOT_FOUND,
				"there is no interface '%s' on this host: make it, put it into its "
				"bridge, and set it up (ip tuntap add %s mode tap)",
				ifname, ifname);
		return false;
	}
	return net_tap_check_link_blocking(ifname, &link, bridge, err);
}
