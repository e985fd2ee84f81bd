/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/taps.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/work.h"
#include "net/tap.h"
#include "net/vsock.h"
#include "vm/vm_priv.h"
#include "wire/extra_arg.h"

#define TAPS_MAX ((size_t)2 * VM_DEF_NIC_MAX) /* including those of raw arguments */

struct tap {
	char id[VM_DEF_ID_SIZE];
	char ifname[IF_NAMESIZE];
	char bridge[IF_NAMESIZE]; /* "": any or none */
};

struct look {
	struct work work;
	vm_done_fn *done;
	void *data;
	struct tap taps[TAPS_MAX];
	size_t count;
	uint64_t cid; /* of a vsock; 0: not looked at */
	struct err err;
};

static void run_look(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	for (size_t i = 0; i < look->count && !err_is_set(&look->err); i++) {
		const struct tap *tap = &look->taps[i];

		if (!net_tap_check_blocking(tap->ifname, tap->bridge, &look->err))
			err_wrap(&look->err, "nic '%s'", tap->id);
	}
	if (look->cid && !err_is_set(&look->err))
		net_vsock_check(NET_VSOCK_DEVICE, look->cid, &look->err);
}

static void look_done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->done(look->data, err_is_set(&look->err) ? &look->err : NULL);
	free(look);
}

static struct look *look_new(vm_done_fn *done, void *data)
{
	struct look *look = xnew(struct look);

	look->work = (struct work){ .run = run_look, .done = look_done };
	look->done = done;
	look->data = data;
	return look;
}

static bool submit(struct vm *vm, struct look *look)
{
	if (!look->count && !look->cid) {
		free(look);
		return false;
	}
	worker_submit(vm->vms->net, &look->work);
	return true;
}

static void add(struct look *look, const char *id, const char *ifname, const char *bridge)
{
	struct tap *tap = &look->taps[look->count++];

	snprintf(tap->id, sizeof(tap->id), "%s", id);
	snprintf(tap->ifname, sizeof(tap->ifname), "%s", ifname);
	snprintf(tap->bridge, sizeof(tap->bridge), "%s", bridge);
}

static void add_nic(struct look *look, const struct vm_def_nic *nic)
{
	if (nic->type == VM_DEF_NIC_TYPE_TAP)
		add(look, nic->id, nic->ifname, nic->bridge);
}

/* Adds taps that are in raw arguments only, most of all those of an adopted VM. */
static void add_raw(struct look *look, const struct vm_def *def)
{
	struct extra_arg arg;
	size_t at = 0;

	while (look->count < TAPS_MAX && extra_arg_next(def, &at, &arg)) {
		const char *id = optlist_get(&arg.opts, "id"), *ifname = extra_arg_tap(&arg);

		if (ifname)
			add(look, id ? id : ifname, ifname, "");
		extra_arg_fini(&arg);
	}
}

static void add_taps(struct look *look, const struct vm_def *def)
{
	for (size_t i = 0; i < def->nic_count; i++)
		add_nic(look, &def->nics[i]);
	add_raw(look, def);
}

bool vm_taps_check(struct vm *vm, vm_done_fn *done, void *data)
{
	struct look *look = look_new(done, data);
	struct err ignored; /* the start itself reports it */
	const struct vm_def *def = vm_def_of(vm, &ignored);

	if (def)
		add_taps(look, def);
	return submit(vm, look);
}

bool vm_taps_check_start(struct vm *vm, vm_done_fn *done, void *data)
{
	struct look *look = look_new(done, data);
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	if (def) {
		add_taps(look, def);
		look->cid = vm_def_vsock_cid(def);
	}
	return submit(vm, look);
}

bool vm_taps_check_nic(struct vm *vm, const struct vm_def_nic *nic, vm_done_fn *done, void *data)
{
	struct look *look = look_new(done, data);

	add_nic(look, nic);
	return submit(vm, look);
}
