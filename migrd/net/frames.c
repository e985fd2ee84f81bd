/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/link.h"

#define SLOT_BYTES  128  /* a header of TPACKET_V2, an address, and the first bytes of a frame */
#define SNAP_BYTES  62   /* what is left of it for these */
#define BLOCK_BYTES 4096 /* a multiple of the page, which no kernel has smaller */
#define RING_BYTES  ((size_t)NET_FRAMES_ROOM * SLOT_BYTES)

struct net_frames {
	int fd;
	uint8_t *ring;
	size_t next; /* slot that the kernel fills next, or has filled */
	bool is_macvtap;
	int ifindex;
	uint8_t mac[ETH_ALEN]; /* of the interface on the host */
};

#define ARP_SENDER  (ETH_HLEN + 14) /* address of the sender, in a request and an answer */
#define IPV4_SOURCE (ETH_HLEN + 12)

static uint32_t address_at(const uint8_t *bytes, size_t len, size_t at)
{
	uint32_t ret = 0;

	if (len >= at + sizeof(ret))
		memcpy(&ret, bytes + at, sizeof(ret));
	return ret;
}

struct net_frame net_frame_read(const uint8_t *bytes, size_t len)
{
	unsigned type = len >= ETH_HLEN ? (unsigned)bytes[12] << 8 | bytes[13] : 0;
	struct net_frame ret = { .is_announcement = type == ETH_P_RARP,
				 .is_arp = type == ETH_P_ARP };

	if (type == ETH_P_ARP || type == ETH_P_IP)
		ret.ipv4 = address_at(bytes, len, ret.is_arp ? ARP_SENDER : IPV4_SOURCE);
	return ret;
}

/* ---- opening ------------------------------------------------------------------- */

/* The direction says who sent a frame: the interface, or what is behind it. */
static bool set_filter(int fd, bool is_macvtap, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, is_macvtap ? 0 : 1,
			 is_macvtap ? 1 : 0),
		BPF_STMT(BPF_RET | BPF_K, SNAP_BYTES),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 ||
	       err_errno(err, "cannot set the filter of a packet socket");
}

static bool make_ring(struct net_frames *frames, struct err *err)
{
	const int version = TPACKET_V2;
	const struct tpacket_req request = {
		.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = RING_BYTES / BLOCK_BYTES,
		.tp_frame_size = SLOT_BYTES,
		.tp_frame_nr = NET_FRAMES_ROOM,
	};
	void *ring;

	if (setsockopt(frames->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
	    setsockopt(frames->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
		return err_errno(err, "cannot make the ring of a packet socket");
	ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, frames->fd, 0);
	if (ring == MAP_FAILED)
		return err_errno(err, "cannot map the ring of a packet socket");
	frames->ring = ring;
	return true;
}

/* Last, so that no frame of another interface ever gets in. */
static bool listen_at(struct net_frames *frames, const char *ifname, struct err *err)
{
	struct ifreq request = { 0 };
	int fd = frames->fd;
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};

	frames->ifindex = at.sll_ifindex;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (!at.sll_ifindex || ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s' on this host",
			       ifname);
	memcpy(frames->mac, request.ifr_hwaddr.sa_data, sizeof(frames->mac));
	return bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 ||
	       err_errno(err, "cannot listen at interface '%s'", ifname);
}

static bool open_socket(int *ret_fd, struct err *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 && (errno == EPERM || errno == EACCES))
		return err_set(err, ERR_FORBIDDEN,
			       "migrd may not listen at the host's interfaces: it needs "
			       "CAP_NET_RAW");
	if (fd < 0)
		return err_errno(err, "cannot open a packet socket");
	*ret_fd = fd;
	return true;
}

struct net_frames *net_frames_open_blocking(const char *ifname, struct err *err)
{
	struct net_frames *frames;
	struct net_link link;

	if (!net_link_look_blocking(ifname, &link, err))
		return NULL;
	frames = xnew(struct net_frames);
	frames->fd = -1;
	frames->is_macvtap = link.is_macvtap;
	if (open_socket(&frames->fd, err) && set_filter(frames->fd, link.is_macvtap, err) &&
	    make_ring(frames, err) && listen_at(frames, ifname, err))
		return frames;
	net_frames_close_blocking(frames);
	return NULL;
}

void net_frames_close_blocking(struct net_frames *frames)
{
	if (!frames)
		return;
	if (frames->ring)
		munmap(frames->ring, RING_BYTES);
	if (frames->fd >= 0)
		close(frames->fd);
	free(frames);
}

/* ---- looking -------------------------------------------------------------------- */

static struct net_frame frame_of(const uint8_t *slot)
{
	const struct tpacket2_hdr *head = (const void *)slot;
	size_t len = head->tp_snaplen <= SNAP_BYTES ? head->tp_snaplen : SNAP_BYTES;
	struct net_frame ret = { 0 };

	if (head->tp_mac <= SLOT_BYTES - SNAP_BYTES)
		ret = net_frame_read(slot + head->tp_mac, len);
	ret.at_us = (uint64_t)head->tp_sec * 1000000 + head->tp_nsec / 1000;
	return ret;
}

size_t net_frames_take(struct net_frames *frames, struct net_frame *list)
{
	size_t count = 0;

	while (count < NET_FRAMES_ROOM) {
		uint8_t *slot = frames->ring + frames->next * SLOT_BYTES;
		struct tpacket2_hdr *head = (void *)slot;

		if (!(__atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		list[count++] = frame_of(slot);
		__atomic_store_n(&head->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		frames->next = (frames->next + 1) % NET_FRAMES_ROOM;
	}
	return count;
}

bool net_frames_check(struct net_frames *frames, struct err *err)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(frames->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error == 0)
		return true;
	return err_set(err, ERR_CONFLICT, "its interface was set down or removed meanwhile");
}

/* ---- asking ------------------------------------------------------------------------ */

struct arp_frame {
	uint8_t to[ETH_ALEN], from[ETH_ALEN];
	uint16_t type;
	uint16_t hardware, protocol;
	uint8_t hardware_size, protocol_size;
	uint16_t operation;
	uint8_t sender[ETH_ALEN], sender_ip[4], target[ETH_ALEN];
	uint32_t target_ip;
	uint8_t padding[18];
} __attribute__((packed));

bool net_frames_can_ping(const struct net_frames *frames)
{
	return !frames->is_macvtap;
}

void net_frames_ping(struct net_frames *frames, uint32_t ipv4)
{
	struct arp_frame frame = {
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.type = htons(ETH_P_ARP),
		.hardware = htons(ARPHRD_ETHER),
		.protocol = htons(ETH_P_IP),
		.hardware_size = ETH_ALEN,
		.protocol_size = 4,
		.operation = htons(ARPOP_REQUEST),
		.target_ip = ipv4,
	};
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_ARP),
					.sll_ifindex = frames->ifindex,
					.sll_halen = ETH_ALEN };

	memcpy(frame.from, frames->mac, sizeof(frame.from));
	memcpy(frame.sender, frames->mac, sizeof(frame.sender));
	(void)sendto(frames->fd, &frame, sizeof(frame), MSG_DONTWAIT, (const void *)&to,
		     sizeof(to));
}
