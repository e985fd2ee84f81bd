/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/link.h"

#define RARP_REQUEST 3

/* The shortest frame that Ethernet allows, without its checksum. */
struct rarp_frame {
	uint8_t to[6], from[6];
	uint16_t type;
	uint16_t hardware, protocol;
	uint8_t hardware_size, protocol_size;
	uint16_t operation;
	uint8_t sender[6], sender_ip[4], target[6], target_ip[4];
	uint8_t padding[18];
} __attribute__((packed));

static struct rarp_frame frame_of(const struct net_mac *mac)
{
	struct rarp_frame frame = {
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.type = htons(ETH_P_RARP),
		.hardware = htons(ARPHRD_ETHER),
		.protocol = htons(ETH_P_IP),
		.hardware_size = 6,
		.protocol_size = 4,
		.operation = htons(RARP_REQUEST),
	};

	memcpy(frame.from, mac->bytes, sizeof(frame.from));
	memcpy(frame.sender, mac->bytes, sizeof(frame.sender));
	memcpy(frame.target, mac->bytes, sizeof(frame.target));
	return frame;
}

static bool send_frame(int fd, unsigned ifindex, const struct net_mac *mac, struct err *err)
{
	const struct rarp_frame frame = frame_of(mac);
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)ifindex,
		.sll_halen = 6,
		.sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};

	return sendto(fd, &frame, sizeof(frame), 0, (const struct sockaddr *)&to, sizeof(to)) >=
		       0 ||
	       err_errno(err, "cannot announce an address");
}

static bool send_all(int fd, unsigned ifindex, const struct net_filter *filter, struct err *err)
{
	if (filter->has_main && !send_frame(fd, ifindex, &filter->main, err))
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		if (!net_mac_is_multicast(&filter->macs[i]) &&
		    !send_frame(fd, ifindex, &filter->macs[i], err))
			return false;
	}
	return true;
}

bool net_announce_blocking(const char *ifname, const struct net_filter *filter, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct net_link link;
	const char *from;

	if (!net_link_look_blocking(ifname, &link, err))
		return false;
	if (!link.master[0] && !link.is_macvtap)
		return true;
	from = link.master[0] ? link.master : ifname;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot open a packet socket");
	return send_all(fd, if_nametoindex(from), filter, err) ||
	       err_wrap(err, "from interface '%s'", from);
}
