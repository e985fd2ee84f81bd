/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/apply.h and net/tap.h without a network: the trace gets what would be applied. */
#include "fake_net.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/announce.h"
#include "net/apply.h"
#include "net/frames.h"
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

/* ---- net/frames.h ------------------------------------------------------------ */

size_t fake_frames_open;
uint32_t fake_frames_ipv4, fake_frames_pinged;
size_t fake_frames_pings;
const char *fake_frames_refused;
static struct net_frame waiting[NET_FRAMES_ROOM];
static size_t waiting_count;

struct net_frames {
	char nothing;
};

void fake_frames_add(uint64_t at_us, bool is_announcement)
{
	waiting[waiting_count++] = (struct net_frame){ .at_us = at_us,
						       .is_announcement = is_announcement,
						       .ipv4 = fake_frames_ipv4 };
}

struct net_frames *net_frames_open_blocking(const char *ifname, struct err *err)
{
	(void)ifname;
	if (fake_frames_refused) {
		err_set(err, ERR_FORBIDDEN, "%s", fake_frames_refused);
		return NULL;
	}
	fake_frames_open++;
	waiting_count = 0;
	return xnew(struct net_frames);
}

void net_frames_close_blocking(struct net_frames *frames)
{
	fake_frames_open -= frames != NULL;
	free(frames);
}

size_t net_frames_take(struct net_frames *frames, struct net_frame *list)
{
	size_t count = waiting_count;

	(void)frames;
	memcpy(list, waiting, count * sizeof(*list));
	waiting_count = 0;
	return count;
}

bool net_frames_check(struct net_frames *frames, struct err *err)
{
	(void)frames;
	(void)err;
	return true;
}

bool net_frames_can_ping(const struct net_frames *frames)
{
	(void)frames;
	return true;
}

void net_frames_ping(struct net_frames *frames, uint32_t ipv4)
{
	(void)frames;
	fake_frames_pinged = ipv4;
	fake_frames_pings++;
}
