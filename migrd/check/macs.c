/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds pairs of guests of this host that have a MAC address in common. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check/kinds.h"
#include "wire/vm_def_macs.h"

struct mac {
	char text[VM_DEF_MAC_SIZE];
	const struct check_vm *vm;
};

struct macs {
	struct mac *list;
	size_t count;
};

static void add_mac(struct macs *macs, const struct check_vm *vm, const char *text)
{
	struct mac *mac;

	macs->list = xrealloc(macs->list, (macs->count + 1) * sizeof(*macs->list));
	mac = &macs->list[macs->count++];
	*mac = (struct mac){ .vm = vm };
	snprintf(mac->text, sizeof(mac->text), "%s", text);
}

static void add_vm(struct macs *macs, const struct check_vm *vm)
{
	struct vm_def_macs found = { .count = 0 };

	if (vm->definition)
		vm_def_macs_read(vm->definition, &found);
	for (size_t i = 0; i < found.count; i++)
		add_mac(macs, vm, found.list[i]);
}

static int compare(const void *a, const void *b)
{
	const struct mac *one = a, *other = b;
	int order = strcmp(one->text, other->text);

	return order ? order : strcmp(one->vm->name, other->vm->name);
}

static void say(const struct mac *one, const struct mac *other, struct check_finding *finding)
{
	snprintf(finding->object, sizeof(finding->object), "VM %s", other->vm->name);
	snprintf(finding->explanation, sizeof(finding->explanation),
		 "VMs '%s' and '%s' both run here with the MAC address %s: on one bridge each gets "
		 "frames of the other, or none",
		 one->vm->name, other->vm->name, one->text);
	snprintf(finding->remedy, sizeof(finding->remedy),
		 "stop one of them, and give its nic another address, or none, which then follows "
		 "from its uuid");
}

void check_find_same_mac(const struct check_view *view, const struct check_kind *kind,
			 struct check_findings *findings)
{
	struct macs macs = { 0 };

	for (size_t i = 0; i < view->vm_count; i++) {
		if (view->vms[i].has_qemu && !view->vms[i].is_incoming)
			add_vm(&macs, &view->vms[i]);
	}
	if (macs.count)
		qsort(macs.list, macs.count, sizeof(*macs.list), compare);
	for (size_t i = 1; i < macs.count; i++) {
		const struct mac *one = &macs.list[i - 1], *other = &macs.list[i];
		struct check_finding *finding = NULL;

		if (one->vm != other->vm && strcmp(one->text, other->text) == 0)
			finding = check_findings_add(findings, kind, other->vm->uuid);
		if (finding)
			say(one, other, finding);
	}
	free(macs.list);
}
