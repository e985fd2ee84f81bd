/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/taps.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/work.h"
#include "net/tap.h"
#include "vm/vm_priv.h"
#include "wire/extra_arg.h"

#define TAPS_MAX ((size_t)2 * VM_DEF_NIC_MAX) /* with those of raw arguments */

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
	if (!look->count) {
		free(look);
		return false;
	}
	worker_submit(vm->vms->net, &look->work);
	return true;
}

static const char *text(struct json_object *nic, const char *key)
{
	const char *found = json_get_str(nic, key);

	return found ? found : "";
}

static void add(struct look *look, const char *id, const char *ifname, const char *bridge)
{
	struct tap *tap = &look->taps[look->count++];

	snprintf(tap->id, sizeof(tap->id), "%s", id);
	snprintf(tap->ifname, sizeof(tap->ifname), "%s", ifname);
	snprintf(tap->bridge, sizeof(tap->bridge), "%s", bridge);
}

/* What has no member of its own is in raw arguments, of an adopted VM above all. */
static void add_raw(struct look *look, struct json_object *args)
{
	size_t count = json_count(args);

	for (size_t i = 0; i + 1 < count && look->count < TAPS_MAX; i++) {
		const char *option = json_object_get_string(json_object_array_get_idx(args, i));
		const char *value = json_object_get_string(json_object_array_get_idx(args, i + 1));
		CLEANUP(extra_arg_fini) struct extra_arg arg = { 0 };
		const char *id, *ifname;

		if (!extra_arg_read(option, value, &arg))
			continue;
		id = optlist_get(&arg.opts, "id");
		ifname = extra_arg_tap(&arg);
		if (ifname)
			add(look, id ? id : ifname, ifname, "");
	}
}

bool vm_taps_check(struct vm *vm, vm_done_fn *done, void *data)
{
	CLEANUP(json_putp) struct json_object *def = json_tokener_parse(vm->row.definition);
	struct json_object *nics = def ? json_object_object_get(def, "nics") : NULL;
	struct look *look = look_new(done, data);
	size_t count = json_count(nics);

	for (size_t i = 0; i < count && look->count < VM_DEF_NIC_MAX; i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);

		if (strcmp(text(nic, "type"), vm_def_nic_type_names[VM_DEF_NIC_TYPE_TAP]) == 0)
			add(look, text(nic, "id"), text(nic, "ifname"), text(nic, "bridge"));
	}
	add_raw(look, def ? json_object_object_get(def, "extra_args") : NULL);
	return submit(vm, look);
}

bool vm_taps_check_nic(struct vm *vm, const struct vm_def_nic *nic, vm_done_fn *done, void *data)
{
	struct look *look = look_new(done, data);

	if (nic->type == VM_DEF_NIC_TYPE_TAP)
		add(look, nic->id, nic->ifname, nic->bridge);
	return submit(vm, look);
}
