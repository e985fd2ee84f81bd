/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
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
};

bool net_frame_is_announcement(const uint8_t *bytes, size_t len)
{
	return len >= ETH_HLEN && bytes[12] == ETH_P_RARP >> 8 && bytes[13] == (ETH_P_RARP & 0xff);
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
static bool listen_at(int fd, const char *ifname, struct err *err)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};

	if (!at.sll_ifindex)
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s' on this host",
			       ifname);
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
	if (open_socket(&frames->fd, err) && set_filter(frames->fd, link.is_macvtap, err) &&
	    make_ring(frames, err) && listen_at(frames->fd, ifname, err))
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

	return (struct net_frame){
		.at_us = (uint64_t)head->tp_sec * 1000000 + head->tp_nsec / 1000,
		.is_announcement =
			head->tp_mac <= SLOT_BYTES - SNAP_BYTES &&
			net_frame_is_announcement(slot + head->tp_mac,
						  head->tp_snaplen <= SNAP_BYTES ? head->tp_snaplen
										 : SNAP_BYTES),
	};
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
