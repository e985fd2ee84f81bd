/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/link.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void free_socket(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static void put_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

static void read_master(struct nl_sock *sock, int index, struct net_link *ret)
{
	CLEANUP(put_link) struct rtnl_link *master = NULL;
	const char *name = NULL;

	if (index > 0 && rtnl_link_get_kernel(sock, index, NULL, &master) >= 0)
		name = rtnl_link_get_name(master);
	snprintf(ret->master, sizeof(ret->master), "%s", name ? name : "");
}

bool net_link_look_blocking(const char *ifname, struct net_link *ret, struct err *err)
{
	CLEANUP(free_socket) struct nl_sock *sock = nl_socket_alloc();
	CLEANUP(put_link) struct rtnl_link *link = NULL;
	int status = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;
	const char *type;

	if (status >= 0)
		status = rtnl_link_get_kernel(sock, 0, ifname, &link);
	if (status == -NLE_NODEV || status == -NLE_OBJ_NOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s' on this host",
			       ifname);
	if (status < 0)
		return err_set(err, ERR_INTERNAL, "interface '%s' cannot be looked at: %s", ifname,
			       nl_geterror(status));
	type = rtnl_link_get_type(link);
	ret->is_up = rtnl_link_get_flags(link) & IFF_UP;
	ret->is_macvtap = type && strcmp(type, "macvtap") == 0;
	read_master(sock, rtnl_link_get_master(link), ret);
	return true;
}
