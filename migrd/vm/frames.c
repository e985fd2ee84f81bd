/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/work.h"
#include "net/frames.h"
#include "vm/vm_priv.h"
#include "wire/extra_arg.h"

struct vm_frames {
	struct work work; /* opens, and closes in the end */
	struct vms *vms;
	struct watched {
		char ifname[IF_NAMESIZE];
		struct net_frames *net;         /* NULL: not open */
		char mac[VM_DEF_MAC_SIZE];      /* "": not known */
		uint32_t ipv4;                  /* of the guest, in network order; 0: not known */
		bool is_sure; /* by ARP: a guest passes packets of others on, but no ARP */
		char why[NIC_FRAMES_NOTE_SIZE]; /* not */
	} nics[NIC_FRAMES_MAX];
	struct nic_frames rows[NIC_FRAMES_MAX];
	size_t count;
	uint64_t runs_on_us; /* UINT64_MAX: it has not stopped, or stands still */
	bool is_open;        /* the worker is done: until then NICS are its own */
	bool is_closed;      /* nobody wants it any more */
};

/* ---- which NICs ------------------------------------------------------------------- */

static void add(struct vm_frames *frames, const char *id, const char *ifname, const char *mac)
{
	size_t i = frames->count++;

	snprintf(frames->nics[i].mac, sizeof(frames->nics[i].mac), "%s", mac);
	snprintf(frames->rows[i].nic, sizeof(frames->rows[i].nic), "%s", id);
	snprintf(frames->nics[i].ifname, sizeof(frames->nics[i].ifname), "%s", ifname);
}

static void add_raw(struct vm_frames *frames, const struct vm_def *def)
{
	struct extra_arg arg;
	size_t at = 0;

	while (frames->count < NIC_FRAMES_MAX && extra_arg_next(def, &at, &arg)) {
		const char *id = optlist_get(&arg.opts, "id"), *ifname = extra_arg_tap(&arg);

		if (ifname)
			add(frames, id ? id : ifname, ifname, "");
		extra_arg_fini(&arg);
	}
}

static void add_all(struct vm_frames *frames, const struct vm_def *def)
{
	for (size_t i = 0; i < def->nic_count; i++)
		if (def->nics[i].type != VM_DEF_NIC_TYPE_USER)
			add(frames, def->nics[i].id, def->nics[i].ifname, def->nics[i].mac);
	add_raw(frames, def);
}

/* ---- opening and closing ----------------------------------------------------------- */

static void close_all(struct vm_frames *frames)
{
	for (size_t i = 0; i < frames->count; i++)
		net_frames_close_blocking(frames->nics[i].net);
}

static void run_close(struct work *work)
{
	close_all(CONTAINER_OF(work, struct vm_frames, work));
}

static void close_done(struct work *work)
{
	free(CONTAINER_OF(work, struct vm_frames, work));
}

/* The worker is gone when the daemon ends. */
static void submit_close(struct vm_frames *frames)
{
	frames->work = (struct work){ .run = run_close, .done = close_done };
	if (frames->vms->net) {
		worker_submit(frames->vms->net, &frames->work);
	} else {
		close_all(frames);
		free(frames);
	}
}

static void run_open(struct work *work)
{
	struct vm_frames *frames = CONTAINER_OF(work, struct vm_frames, work);

	for (size_t i = 0; i < frames->count; i++) {
		struct watched *nic = &frames->nics[i];
		struct err err;

		nic->net = net_frames_open_blocking(nic->ifname, &err);
		if (!nic->net)
			snprintf(nic->why, sizeof(nic->why), "%.190s", err.msg);
	}
}

static void open_done(struct work *work)
{
	struct vm_frames *frames = CONTAINER_OF(work, struct vm_frames, work);

	frames->is_open = true;
	for (size_t i = 0; i < frames->count; i++)
		memcpy(frames->rows[i].note, frames->nics[i].why, sizeof(frames->rows[i].note));
	if (frames->is_closed)
		submit_close(frames);
}

struct vm_frames *vm_frames_open(struct vm *vm)
{
	struct vm_frames *frames = xnew(struct vm_frames);
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	frames->vms = vm->vms;
	frames->runs_on_us = UINT64_MAX;
	if (def)
		add_all(frames, def);
	if (!frames->count) {
		free(frames);
		return NULL;
	}
	frames->work = (struct work){ .run = run_open, .done = open_done };
	worker_submit(vm->vms->net, &frames->work);
	return frames;
}

void vm_frames_close(struct vm_frames *frames)
{
	if (!frames)
		return;
	frames->is_closed = true;
	if (frames->is_open)
		submit_close(frames);
}

/* ---- looking ------------------------------------------------------------------------ */

void vm_frames_count(struct nic_frames *nic, const struct net_frame *frame, uint64_t runs_on_us)
{
	uint64_t pause_us = frame->at_us - nic->last_us;

	if (frame->at_us >= runs_on_us) {
		if (!nic->first_us)
			nic->first_us = frame->at_us;
		if (!nic->own_us && !frame->is_announcement)
			nic->own_us = frame->at_us;
		return;
	}
	if (frame->is_announcement)
		return; /* the guest may do nothing */
	if (nic->last_us && frame->at_us > nic->last_us && pause_us > nic->pause_us)
		nic->pause_us = pause_us;
	nic->last_us = frame->at_us;
	nic->late_us = 0;
}

static void note_address(struct watched *nic, const struct net_frame *frame)
{
	if (!frame->ipv4 || frame->ipv4 == UINT32_MAX || (nic->is_sure && !frame->is_arp))
		return;
	nic->ipv4 = frame->ipv4;
	nic->is_sure = frame->is_arp;
}

static bool look_at(struct vm_frames *frames, size_t i)
{
	struct nic_frames *row = &frames->rows[i];
	struct net_frames *net = frames->nics[i].net;
	struct net_frame list[NET_FRAMES_ROOM];
	size_t count = net ? net_frames_take(net, list) : 0;
	uint64_t now_us = (uint64_t)clock_wall_us();
	struct err err;

	for (size_t frame = 0; frame < count; frame++) {
		vm_frames_count(row, &list[frame], frames->runs_on_us);
		note_address(&frames->nics[i], &list[frame]);
	}
	if (count == NET_FRAMES_ROOM && row->last_us && now_us > row->last_us &&
	    frames->runs_on_us == UINT64_MAX)
		row->late_us = now_us - row->last_us;
	if (net && !row->note[0] && !net_frames_check(net, &err))
		snprintf(row->note, sizeof(row->note), "%.190s", err.msg);
	return count == NET_FRAMES_ROOM;
}

bool vm_frames_are_open(const struct vm_frames *frames)
{
	return frames->is_open;
}

bool vm_frames_look(struct vm_frames *frames)
{
	bool is_full = false;

	for (size_t i = 0; frames->is_open && i < frames->count; i++)
		is_full = look_at(frames, i) || is_full;
	return is_full;
}

/* After its stop it sends nothing, so what was missed came before it. */
void vm_frames_stop(struct vm_frames *frames, uint64_t stop_us)
{
	frames->runs_on_us = UINT64_MAX;
	vm_frames_look(frames);
	for (size_t i = 0; i < frames->count; i++) {
		struct nic_frames *row = &frames->rows[i];

		if (row->late_us && row->last_us + row->late_us > stop_us)
			row->late_us = stop_us > row->last_us ? stop_us - row->last_us : 0;
		row->first_us = row->own_us = 0;
	}
}

void vm_frames_run_on(struct vm_frames *frames, uint64_t resume_us)
{
	frames->runs_on_us = resume_us;
	vm_frames_look(frames);
}

bool vm_frames_are_complete(const struct vm_frames *frames)
{
	for (size_t i = 0; i < frames->count; i++)
		if (!frames->rows[i].own_us && !frames->rows[i].note[0])
			return false;
	return true;
}

void vm_frames_show(const struct vm_frames *frames, struct nic_frames_list *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->nics, frames->rows, sizeof(ret->nics));
	ret->count = frames->count;
	ret->is_watching = true;
}

/* ---- asking --------------------------------------------------------------------------- */

static enum nic_ping ping(struct watched *nic)
{
	if (!net_frames_can_ping(nic->net))
		return NIC_PING_MACVTAP;
	if (!nic->ipv4)
		return NIC_PING_NO_ADDRESS;
	net_frames_ping(nic->net, nic->ipv4);
	return NIC_PING_SENT;
}

void vm_frames_ping(struct vm_frames *frames)
{
	for (size_t i = 0; frames->is_open && i < frames->count; i++)
		if (frames->nics[i].net)
			frames->rows[i].ping = (int)ping(&frames->nics[i]);
}

size_t vm_frames_addresses(const struct vm_frames *frames, struct nic_address ret[NIC_FRAMES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; frames->is_open && i < frames->count; i++) {
		struct nic_address *address = &ret[count];

		if (!frames->nics[i].ipv4)
			continue;
		memcpy(address->nic, frames->rows[i].nic, sizeof(address->nic));
		inet_ntop(AF_INET, &frames->nics[i].ipv4, address->ipv4, sizeof(address->ipv4));
		count++;
	}
	return count;
}

void vm_frames_set_address(struct vm_frames *frames, const struct nic_address *address)
{
	uint32_t ipv4;

	if (inet_pton(AF_INET, address->ipv4, &ipv4) != 1)
		return;
	for (size_t i = 0; frames->is_open && i < frames->count; i++)
		if (strcmp(frames->rows[i].nic, address->nic) == 0)
			note_address(&frames->nics[i],
				     &(struct net_frame){ .ipv4 = ipv4, .is_arp = true });
}

/* ---- what the agent says ---------------------------------------------------------------- */

/* The first IPv4 address of INTERFACE that a neighbour could ask for; 0: it has none. */
static uint32_t address_of(struct json_object *interface)
{
	struct json_object *list = json_object_object_get(interface, "addresses");

	for (size_t i = 0; i < json_count(list); i++) {
		const char *text = json_get_str(json_object_array_get_idx(list, i), "address");
		uint32_t ipv4;

		if (text && inet_pton(AF_INET, text, &ipv4) == 1 && ipv4 &&
		    ntohl(ipv4) >> 24 != IN_LOOPBACKNET)
			return ipv4;
	}
	return 0;
}

static void note_interface(struct vm_frames *frames, struct json_object *interface)
{
	const char *mac = json_get_str(interface, "mac");
	uint32_t ipv4 = mac ? address_of(interface) : 0;

	for (size_t i = 0; ipv4 && i < frames->count; i++) {
		struct watched *nic = &frames->nics[i];

		if (!nic->is_sure && nic->mac[0] && strcasecmp(nic->mac, mac) == 0)
			note_address(nic, &(struct net_frame){ .ipv4 = ipv4, .is_arp = true });
	}
}

/* QGA_LIST_MAX interfaces at most (qga/reply.h). */
void vm_frames_note_network(struct vm_frames *frames, struct json_object *network)
{
	struct json_object *items = json_object_object_get(network, "items");

	for (size_t i = 0; frames->is_open && i < json_count(items); i++)
		note_interface(frames, json_object_array_get_idx(items, i));
}
