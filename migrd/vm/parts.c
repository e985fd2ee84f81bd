/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/parts.h"

#include "base/mem.h"
#include "vm/agent_priv.h"
#include "vm/announce.h"
#include "vm/devices_priv.h"
#include "vm/dirty.h"
#include "vm/stats.h"
#include "vm/still.h"

static const struct vm_part parts[] = {
	{
		.name = "agent",
		.here = vm_agent_begin,
		.event = vm_agent_event,
		.qemu_gone = vm_agent_end,
		.fini = vm_agent_end,
	},
	{
		.name = "rx-filter",
		.init = vm_rx_init,
		.here = vm_rx_here,
		.event = vm_rx_event,
		.qemu_gone = vm_rx_end,
		.fini = vm_rx_fini,
	},
	{
		.name = "announce",
		.init = vm_announce_init,
		.event = vm_announce_event,
		.qemu_gone = vm_announce_end,
		.fini = vm_announce_fini,
	},
	{
		.name = "devices",
		.here = vm_devices_here,
		.event = vm_devices_event,
		.qemu_gone = vm_devices_qemu_ended,
		.let_go = vm_detaches_end,
		.fini = vm_devices_fini,
	},
	{
		.name = "media",
		.qemu_gone = vm_medium_tray_moved,
		.let_go = vm_medium_end,
	},
	{
		.name = "dirty",
		.qemu_gone = vm_dirty_gone,
		.let_go = vm_dirty_let_go,
		.fini = vm_dirty_fini,
	},
	{
		.name = "stats",
		.qemu_gone = vm_stats_gone,
		.let_go = vm_stats_let_go,
		.fini = vm_stats_fini,
	},
	{
		.name = "still",
		.fini = vm_still_fini,
	},
};

void vm_parts_init(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].init)
			parts[i].init(vm);
	}
}

void vm_parts_here(struct vm *vm, enum vm_here how)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].here)
			parts[i].here(vm, how);
	}
}

void vm_parts_event(struct vm *vm, const struct qmp_event *event)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].event)
			parts[i].event(vm, event);
	}
}

void vm_parts_qemu_gone(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].qemu_gone)
			parts[i].qemu_gone(vm);
	}
}

void vm_parts_let_go(struct vm *vm, const struct err *why)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].let_go)
			parts[i].let_go(vm, why);
	}
}

void vm_parts_fini(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].fini)
			parts[i].fini(vm);
	}
}
