/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvtap.h>
#include <netlink/route/neighbour.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/plan.h"

static void free_socket(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static void put_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

static void put_neigh(struct rtnl_neigh **neigh)
{
	rtnl_neigh_put(*neigh);
}

static void put_addr(struct nl_addr **addr)
{
	nl_addr_put(*addr);
}

static bool fail(struct err *err, int status, const char *what, const char *ifname)
{
	bool is_absent = status == -NLE_NODEV || status == -NLE_OBJ_NOTFOUND;

	return err_set(err, is_absent ? ERR_NOT_FOUND : ERR_INTERNAL, "%s of interface '%s': %s",
		       what, ifname, nl_geterror(status));
}

/* ---- what is there ------------------------------------------------------- */

struct interface {
	struct nl_sock *sock;
	struct rtnl_link *link;
	const char *name;
	struct net_present *present;
};

/* A bridge lists the address of the port itself as permanent, what it learned as
 * reachable, and what was set for it as not subject to ageing (static). */
static bool is_entry(const struct interface *interface, const struct ndmsg *ndm)
{
	if (ndm->ndm_ifindex != rtnl_link_get_ifindex(interface->link))
		return false;
	if (interface->present->kind == NET_KIND_BRIDGE_PORT)
		return !(ndm->ndm_flags & NTF_SELF) && ndm->ndm_state == NUD_NOARP;
	return ndm->ndm_flags & NTF_SELF;
}

static int on_entry(struct nl_msg *msg, void *data)
{
	const struct interface *interface = data;
	struct net_present *present = interface->present;
	const struct ndmsg *ndm = nlmsg_data(nlmsg_hdr(msg));
	const struct nlattr *lladdr = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*ndm), NDA_LLADDR);

	if (is_entry(interface, ndm) && lladdr && present->count < NET_PRESENT_MAX &&
	    nla_len(lladdr) == (int)sizeof(struct net_mac))
		memcpy(&present->macs[present->count++], nla_data(lladdr), sizeof(struct net_mac));
	return NL_OK;
}

static bool read_entries(struct interface *interface, struct err *err)
{
	struct ndmsg ask = { .ndm_family = AF_BRIDGE };
	int status;

	nl_socket_modify_cb(interface->sock, NL_CB_VALID, NL_CB_CUSTOM, on_entry, interface);
	status = nl_send_simple(interface->sock, RTM_GETNEIGH, NLM_F_DUMP, &ask, sizeof(ask));
	if (status >= 0)
		status = nl_recvmsgs_default(interface->sock);
	nl_socket_modify_cb(interface->sock, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	return status >= 0 || fail(err, status, "the addresses", interface->name);
}

static void read_link(struct interface *interface)
{
	struct net_present *present = interface->present;
	const struct nl_addr *addr = rtnl_link_get_addr(interface->link);
	unsigned flags = rtnl_link_get_flags(interface->link);

	present->promiscuous = flags & IFF_PROMISC;
	present->all_multicast = flags & IFF_ALLMULTI;
	if (addr && nl_addr_get_len(addr) == sizeof(present->main))
		memcpy(&present->main, nl_addr_get_binary_addr(addr), sizeof(present->main));
	present->takes_unicast =
		present->kind == NET_KIND_MACVTAP &&
		rtnl_link_macvtap_get_mode(interface->link) == MACVLAN_MODE_PASSTHRU;
}

/* ---- one change ------------------------------------------------------------ */

static int change_link(const struct interface *interface, const struct net_change *change)
{
	CLEANUP(put_link) struct rtnl_link *wanted = rtnl_link_alloc();
	CLEANUP(put_addr) struct nl_addr *addr = NULL;
	unsigned flag = change->kind == NET_CHANGE_PROMISCUOUS ? IFF_PROMISC : IFF_ALLMULTI;

	if (!wanted)
		return -NLE_NOMEM;
	if (change->kind == NET_CHANGE_MAIN) {
		addr = nl_addr_build(AF_LLC, change->mac.bytes, sizeof(change->mac.bytes));
		if (!addr)
			return -NLE_NOMEM;
		rtnl_link_set_addr(wanted, addr);
	} else if (change->on) {
		rtnl_link_set_flags(wanted, flag);
	} else {
		rtnl_link_unset_flags(wanted, flag);
	}
	return rtnl_link_change(interface->sock, interface->link, wanted, 0);
}

/* A macvtap has an address list of its own, to which an address can be added once;
 * on a bridge, an entry that it has learned meanwhile is replaced. */
static int change_entry(const struct interface *interface, const struct net_change *change)
{
	bool is_bridge = interface->present->kind == NET_KIND_BRIDGE_PORT;
	CLEANUP(put_neigh) struct rtnl_neigh *neigh = rtnl_neigh_alloc();
	CLEANUP(put_addr)
	struct nl_addr *addr = nl_addr_build(AF_LLC, change->mac.bytes, sizeof(change->mac.bytes));
	int status;

	if (!neigh || !addr)
		return -NLE_NOMEM;
	rtnl_neigh_set_family(neigh, AF_BRIDGE);
	rtnl_neigh_set_ifindex(neigh, rtnl_link_get_ifindex(interface->link));
	rtnl_neigh_set_lladdr(neigh, addr);
	rtnl_neigh_set_flags(neigh, is_bridge ? NTF_MASTER : NTF_SELF);
	rtnl_neigh_set_state(neigh, is_bridge ? NUD_NOARP : NUD_PERMANENT);
	if (change->kind == NET_CHANGE_ADD) {
		status = rtnl_neigh_add(interface->sock, neigh,
					NLM_F_CREATE | (is_bridge ? NLM_F_REPLACE : NLM_F_EXCL));
		return status == -NLE_EXIST ? 0 : status;
	}
	status = rtnl_neigh_delete(interface->sock, neigh, 0);
	return status == -NLE_OBJ_NOTFOUND ? 0 : status;
}

static bool carry_out(const struct interface *interface, const struct net_change *change,
		      struct err *err)
{
	static const char *const words[] = {
		[NET_CHANGE_MAIN] = "the address",
		[NET_CHANGE_PROMISCUOUS] = "the promiscuity",
		[NET_CHANGE_ALL_MULTICAST] = "the multicast filter",
		[NET_CHANGE_ADD] = "one more address",
		[NET_CHANGE_REMOVE] = "one address less",
	};
	bool is_entry = change->kind == NET_CHANGE_ADD || change->kind == NET_CHANGE_REMOVE;
	int status = is_entry ? change_entry(interface, change) : change_link(interface, change);

	return status >= 0 || fail(err, status, words[change->kind], interface->name);
}

static bool follow(struct interface *interface, const struct net_filter *want, size_t *ret_changes,
		   struct err *err)
{
	struct net_plan *plan = xnew(struct net_plan);
	struct err later;
	bool ok = true;

	net_plan_make(interface->present, want, plan);
	for (size_t i = 0; i < plan->count; i++) {
		if (!carry_out(interface, &plan->list[i], ok ? err : &later))
			ok = false;
	}
	if (ok)
		*ret_changes = plan->count;
	free(plan);
	return ok;
}

/* ---- the way in -------------------------------------------------------------- */

static bool apply(struct interface *interface, const struct net_filter *want, size_t *ret_changes,
		  struct err *err)
{
	const char *type = rtnl_link_get_type(interface->link);

	if (type && strcmp(type, "macvtap") == 0) {
		interface->present->kind = NET_KIND_MACVTAP;
	} else if (rtnl_link_get_master(interface->link)) {
		interface->present->kind = NET_KIND_BRIDGE_PORT;
	} else {
		*ret_changes = 0;
		return true;
	}
	read_link(interface);
	return read_entries(interface, err) && follow(interface, want, ret_changes, err);
}

bool net_apply_blocking(const char *ifname, const struct net_filter *want, size_t *ret_changes,
			struct err *err)
{
	CLEANUP(free_socket) struct nl_sock *sock = nl_socket_alloc();
	CLEANUP(put_link) struct rtnl_link *link = NULL;
	struct interface interface = { .sock = sock, .name = ifname };
	int status = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;
	bool ok;

	if (status >= 0)
		status = rtnl_link_get_kernel(sock, 0, ifname, &link);
	if (status < 0)
		return fail(err, status, "the state", ifname);
	interface.link = link;
	interface.present = xnew(struct net_present);
	ok = apply(&interface, want, ret_changes, err);
	free(interface.present);
	return ok;
}

bool net_open_macvtap(const char *ifname, int *ret_fd, struct err *err)
{
	unsigned index = if_nametoindex(ifname);
	char path[32];
	int fd;

	if (!index)
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s' on this host",
			       ifname);
	snprintf(path, sizeof(path), "/dev/tap%u", index);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, "'%s', the device of interface '%s', which must be a macvtap",
				 path, ifname);
	*ret_fd = fd;
	return true;
}
