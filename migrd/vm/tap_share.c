/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/tap_share.h"

#include "base/mem.h"
#include "vm/vm_priv.h"

static bool is_shared(const struct vm_def_nic *nic)
{
	return nic->type == VM_DEF_NIC_TYPE_TAP || nic->type == VM_DEF_NIC_TYPE_MACVTAP;
}

static bool take(const struct vm *vm, const struct vm_def_nic *nic, int *ret_fd, struct err *err)
{
	return net_tap_take(qemu_proc_id(vm->qemu).pid, nic->ifname, ret_fd, err);
}

static bool look(const struct vm *vm, const struct vm_def_nic *nic, struct net_tap_settings *ret,
		 struct err *err)
{
	CLEANUP(closep) int fd = -1;

	return (take(vm, nic, &fd, err) &&
		net_tap_settings_get(fd, nic->ifname, nic->type == VM_DEF_NIC_TYPE_MACVTAP, ret,
				     err)) ||
	       err_wrap(err, "nic '%s'", nic->id);
}

static bool restore(const struct vm *vm, const struct vm_def_nic *nic,
		    const struct net_tap_settings *settings, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	return (take(vm, nic, &fd, err) && net_tap_settings_set(fd, settings, err)) ||
	       err_wrap(err, "nic '%s'", nic->id);
}

bool vm_taps_look(struct vm *vm, struct vm_taps *ret, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);
	struct vm_taps taps = { 0 };

	for (size_t i = 0; def && i < def->nic_count; i++) {
		if (is_shared(&def->nics[i]) &&
		    !look(vm, &def->nics[i], &taps.list[taps.count++], err))
			return false;
	}
	if (def)
		*ret = taps;
	return def != NULL;
}

bool vm_taps_restore(struct vm *vm, const struct vm_taps *taps, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);
	struct err later;
	bool ok = def != NULL;
	size_t at = 0;

	for (size_t i = 0; def && i < def->nic_count && at < taps->count; i++) {
		if (is_shared(&def->nics[i]) &&
		    !restore(vm, &def->nics[i], &taps->list[at++], ok ? err : &later))
			ok = false;
	}
	return ok;
}

bool vm_taps_equal(const struct vm_taps *one, const struct vm_taps *other)
{
	if (one->count != other->count)
		return false;
	for (size_t i = 0; i < one->count; i++) {
		if (one->list[i].header_bytes != other->list[i].header_bytes ||
		    one->list[i].offloads != other->list[i].offloads)
			return false;
	}
	return true;
}
