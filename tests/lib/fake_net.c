/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/apply.h and net/tap.h without a network: the trace gets what would be applied. */
#include "fake_net.h"

#include <stdio.h>
#include <string.h>

#include "net/announce.h"
#include "net/apply.h"
#include "net/tap.h"
#include "trace.h"

bool fake_net_fails;
const char *fake_net_bad_tap;

bool net_apply_blocking(const char *ifname, const struct net_filter *want, size_t *ret_changes,
			struct err *err)
{
	if (fake_net_fails)
		return err_set(err, ERR_NOT_FOUND, "no interface '%s'", ifname);
	if (want->has_main)
		trace_add("net %s %02x+%zu", ifname, want->main.bytes[5], want->count);
	else
		trace_add("net %s nothing", ifname);
	*ret_changes = 1;
	return true;
}

bool net_announce_blocking(const char *ifname, const struct net_filter *filter, struct err *err)
{
	(void)err;
	trace_add("announce %s %02x+%zu", ifname, filter->main.bytes[5], filter->count);
	return true;
}

bool net_open_macvtap(const char *ifname, int *ret_fd, struct err *err)
{
	(void)ret_fd;
	return err_set(err, ERR_NOT_FOUND, "no interface '%s'", ifname);
}

bool net_tap_check_blocking(const char *ifname, const char *bridge, struct err *err)
{
	trace_add("tap %s %s", ifname, bridge[0] ? bridge : "-");
	if (fake_net_bad_tap && strcmp(fake_net_bad_tap, ifname) == 0)
		return err_set(err, ERR_CONFLICT, "interface '%s' is down", ifname);
	return true;
}

bool net_tap_check_link_blocking(const char *ifname, const struct net_link *link,
				 const char *bridge, struct err *err)
{
	(void)link;
	return net_tap_check_blocking(ifname, bridge, err);
}
