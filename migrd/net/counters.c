/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/counters.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "base/mem.h"

struct net_counting {
	struct nl_sock *sock;
};

static void put_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

struct net_counting *net_counting_new_blocking(struct err *err)
{
	struct net_counting *counting = xnew(struct net_counting);
	int status;

	counting->sock = nl_socket_alloc();
	status = counting->sock ? nl_connect(counting->sock, NETLINK_ROUTE) : -NLE_NOMEM;
	if (status >= 0)
		return counting;
	err_set(err, ERR_INTERNAL, "the host's interfaces cannot be looked at: %s",
		nl_geterror(status));
	net_counting_free(counting);
	return NULL;
}

void net_counting_free(struct net_counting *counting)
{
	if (!counting)
		return;
	nl_socket_free(counting->sock);
	free(counting);
}

bool net_counters_read_blocking(struct net_counting *counting, const char *ifname,
				struct net_counters *ret, struct err *err)
{
	CLEANUP(put_link) struct rtnl_link *link = NULL;
	int status = rtnl_link_get_kernel(counting->sock, 0, ifname, &link);

	if (status == -NLE_NODEV || status == -NLE_OBJ_NOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s' on this host",
			       ifname);
	if (status < 0)
		return err_set(err, ERR_INTERNAL, "interface '%s' cannot be looked at: %s", ifname,
			       nl_geterror(status));
	*ret = (struct net_counters){
		.rx = { .bytes = rtnl_link_get_stat(link, RTNL_LINK_RX_BYTES),
			.packets = rtnl_link_get_stat(link, RTNL_LINK_RX_PACKETS),
			.dropped = rtnl_link_get_stat(link, RTNL_LINK_RX_DROPPED),
			.errors = rtnl_link_get_stat(link, RTNL_LINK_RX_ERRORS) },
		.tx = { .bytes = rtnl_link_get_stat(link, RTNL_LINK_TX_BYTES),
			.packets = rtnl_link_get_stat(link, RTNL_LINK_TX_PACKETS),
			.dropped = rtnl_link_get_stat(link, RTNL_LINK_TX_DROPPED),
			.errors = rtnl_link_get_stat(link, RTNL_LINK_TX_ERRORS) },
	};
	return true;
}
