/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_edit.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/vm_def_check.h"

const struct json_field vm_edit_fields[] = {
	{ .key = "memory_mib",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_edit, memory_mib),
	  .min = 1,
	  .max = 1 << 24,
	  .help = "Guest memory in MiB, without memory devices." },
	{ .key = "vcpus",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_edit, vcpus),
	  .min = 1,
	  .max = 1024,
	  .help = "Number of virtual CPUs, without vcpu_devices." },
	{ .key = "cpu_model",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_edit, cpu_model),
	  .min = 1,
	  .check = vm_def_check_cpu_model,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._+=,:-]*$",
	  .help = "CPU model of QEMU with its features." },
	{ .key = "boot_order",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_edit, boot_order.ids, boot_order.count),
	  .min = 1,
	  .help = "Ids of disks and CD drives in the order in which the firmware tries them; the "
		  "others have no boot_index then." },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_edit, disks.list, disks.count),
	  .fields = vm_def_disk_fields,
	  .help = "Disks that are added, or take the place of the one with their id, of which they "
		  "keep pci_address and boot_index unless they say others; other disks stay." },
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_edit, nics.list, nics.count),
	  .fields = vm_def_nic_fields,
	  .help = "The same of network interfaces, which keep pci_address and mac." },
	{ .key = "remove",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_edit, remove.ids, remove.count),
	  .check = vm_def_check_id,
	  .pattern = "^[A-Za-z][A-Za-z0-9._-]{0,23}$",
	  .help = "Ids of disks and network interfaces that are removed; their images stay." },
	{ 0 },
};

#define A_DEVICE_NOW                                                                             \
	"a running guest gets one by POST /v1/vms/{name}/devices, and gives one back by DELETE " \
	"/v1/vms/{name}/devices/{id}"

static bool is_set(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return true;
	return false;
}

/* ---- lists of elements with an id ------------------------------------------ */

/* A list of an edit or a definition; an element begins with its id. */
struct elements {
	char *first;
	size_t *count;
	size_t size, max;
};

#define ELEMENTS(list, number) \
	((struct elements){ (char *)(list), &(number), sizeof((list)[0]), ARRAY_LEN(list) })

static char *at(const struct elements *elements, size_t i)
{
	return elements->first + i * elements->size;
}

static char *find(const struct elements *elements, const char *id)
{
	for (size_t i = 0; i < *elements->count; i++)
		if (strcmp(at(elements, i), id) == 0)
			return at(elements, i);
	return NULL;
}

static bool take_out(const struct elements *elements, const char *id)
{
	char *found = find(elements, id), *end = at(elements, *elements->count);

	if (!found)
		return false;
	memmove(found, found + elements->size, (size_t)(end - found) - elements->size);
	memset(end - elements->size, 0, elements->size);
	--*elements->count;
	return true;
}

/* NULL: there are too many. */
static char *add(const struct elements *elements, const char *element)
{
	char *new = *elements->count < elements->max ? at(elements, *elements->count) : NULL;

	if (new) {
		memcpy(new, element, elements->size);
		++*elements->count;
	}
	return new;
}

static bool put_element(const struct elements *elements, const char *element)
{
	char *found = find(elements, element);

	if (found)
		memcpy(found, element, elements->size);
	return found || add(elements, element);
}

static bool share_an_id(const struct elements *a, const struct elements *b)
{
	for (size_t i = 0; i < *a->count; i++)
		if (find(b, at(a, i)))
			return true;
	return false;
}

static struct elements disks_of(struct vm_edit *edit)
{
	return ELEMENTS(edit->disks.list, edit->disks.count);
}

static struct elements nics_of(struct vm_edit *edit)
{
	return ELEMENTS(edit->nics.list, edit->nics.count);
}

static struct elements removed_of(struct vm_edit *edit)
{
	return ELEMENTS(edit->remove.ids, edit->remove.count);
}

static struct elements def_disks_of(struct vm_def *def)
{
	return ELEMENTS(def->disks, def->disk_count);
}

static struct elements def_nics_of(struct vm_def *def)
{
	return ELEMENTS(def->nics, def->nic_count);
}

/* ---- members ------------------------------------------------------------- */

typedef struct elements elements_fn(struct vm_edit *edit);

/* A member is changed if any byte of it is set. */
#define MEMBER(member, list, why)                                                                 \
	{                                                                                         \
#member, offsetof(struct vm_edit, member), sizeof(((struct vm_edit *)0)->member), \
			list, why                                                                 \
	}
static const struct {
	const char *name;
	size_t offset, size;
	elements_fn *list; /* NULL: it is one value */
	const char *why;
} members[] = {
	MEMBER(memory_mib, NULL,
	       "QEMU gives a guest its main memory when it starts; a running one gets "
	       "more by a memory device (POST /v1/vms/{name}/devices)"),
	MEMBER(vcpus, NULL,
	       "QEMU makes a guest's first vCPUs when it starts; a running one gets more by "
	       "a vCPU device (POST /v1/vms/{name}/devices)"),
	MEMBER(cpu_model, NULL, "a running guest keeps its CPU model"),
	MEMBER(boot_order, NULL, "the firmware gets the order when QEMU starts"),
	MEMBER(disks, disks_of, "disks are edited when QEMU starts; " A_DEVICE_NOW),
	MEMBER(nics, nics_of, "network interfaces are edited when QEMU starts; " A_DEVICE_NOW),
	MEMBER(remove, removed_of, "devices are edited when QEMU starts; " A_DEVICE_NOW),
};

bool vm_edit_is_empty(const struct vm_edit *edit)
{
	return !is_set((const char *)edit, sizeof(*edit));
}

const char *vm_edit_member(size_t i, const char **ret_why)
{
	if (i >= ARRAY_LEN(members))
		return NULL;
	*ret_why = members[i].why;
	return members[i].name;
}

bool vm_edit_has(const struct vm_edit *edit, size_t i)
{
	return is_set((const char *)edit + members[i].offset, members[i].size);
}

/* The lists are only read here. */
static struct vm_edit *unconst(const struct vm_edit *edit)
{
	return (struct vm_edit *)(uintptr_t)edit;
}

bool vm_edit_waits(const struct vm_edit *next, const struct vm_edit *asked, size_t i)
{
	elements_fn *list = members[i].list;
	struct elements a, b;

	if (!list)
		return vm_edit_has(next, i) && vm_edit_has(asked, i);
	a = list(unconst(asked));
	b = list(unconst(next));
	return share_an_id(&a, &b);
}

/* ---- the order of boot ------------------------------------------------------ */

static void forget_order(struct vm_def *def)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		def->disks[i].has_boot_index = false;
		def->disks[i].boot_index = 0;
	}
	for (size_t i = 0; i < def->cdrom_count; i++) {
		def->cdroms[i].has_boot_index = false;
		def->cdroms[i].boot_index = 0;
	}
}

static bool put_at(struct vm_def *def, const char *id, uint64_t index)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		if (strcmp(def->disks[i].id, id) == 0) {
			def->disks[i].has_boot_index = true;
			def->disks[i].boot_index = index;
			return true;
		}
	}
	for (size_t i = 0; i < def->cdrom_count; i++) {
		if (strcmp(def->cdroms[i].id, id) == 0) {
			def->cdroms[i].has_boot_index = true;
			def->cdroms[i].boot_index = index;
			return true;
		}
	}
	return false;
}

/* FAULTS NULL: what is not there is left out. */
static void put_order(const struct vm_edit *edit, struct vm_def *def, struct faults *faults)
{
	uint64_t index = 0;

	forget_order(def);
	for (size_t i = 0; i < edit->boot_order.count; i++) {
		const char *id = edit->boot_order.ids[i];
		bool is_there = put_at(def, id, index);
		char pointer[64];

		index += is_there;
		if (!faults)
			continue;
		snprintf(pointer, sizeof(pointer), "/boot_order/%zu", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(edit->boot_order.ids[k], id) == 0)
				faults_add(faults, pointer, "'%s' is there twice", id);
		if (!is_there)
			faults_add(faults, pointer, "there is no disk or CD drive '%s'", id);
	}
}

/* Both are taken over. */
static bool are_same(struct json_object *a, struct json_object *b)
{
	size_t a_len, b_len;
	const char *a_text = json_text(a, &a_len), *b_text = json_text(b, &b_len);
	bool ret = a_len == b_len && memcmp(a_text, b_text, a_len) == 0;

	json_object_put(a);
	json_object_put(b);
	return ret;
}

static bool has_same_order(const struct vm_edit *edit, const struct vm_def *def)
{
	struct vm_def *other = xnew(struct vm_def);
	struct faults *faults = faults_new();
	bool is_same;

	memcpy(other, def, sizeof(*other));
	put_order(edit, other, faults);
	is_same = !faults->count && are_same(vm_def_encode(other), vm_def_encode(def));
	faults_free(faults);
	free(other);
	return is_same;
}

/* ---- disks and network interfaces ------------------------------------------ */

/* What DISK does not say it has from the one whose place it takes. */
static struct vm_def_disk whole_disk(const struct vm_def_disk *disk, struct vm_def *def)
{
	const struct elements all = def_disks_of(def);
	const struct vm_def_disk *former = (const void *)find(&all, disk->id);
	struct vm_def_disk ret = *disk;

	if (former && !ret.pci_address[0])
		memcpy(ret.pci_address, former->pci_address, sizeof(ret.pci_address));
	if (former && !ret.has_boot_index) {
		ret.has_boot_index = former->has_boot_index;
		ret.boot_index = former->boot_index;
	}
	return ret;
}

static struct vm_def_nic whole_nic(const struct vm_def_nic *nic, struct vm_def *def)
{
	const struct elements all = def_nics_of(def);
	const struct vm_def_nic *former = (const void *)find(&all, nic->id);
	struct vm_def_nic ret = *nic;

	if (former && !ret.pci_address[0])
		memcpy(ret.pci_address, former->pci_address, sizeof(ret.pci_address));
	if (former && !ret.mac[0])
		memcpy(ret.mac, former->mac, sizeof(ret.mac));
	return ret;
}

static void too_many(struct faults *faults, const char *list, const struct elements *all)
{
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/%s", list);
	faults_add(faults, pointer, "there would be more than %zu", all->max);
}

static void put_devices(const struct vm_edit *edit, struct vm_def *def, struct faults *faults)
{
	const struct elements disks = def_disks_of(def), nics = def_nics_of(def);

	for (size_t i = 0; i < edit->remove.count; i++) {
		const char *id = edit->remove.ids[i];

		(void)(take_out(&disks, id) || take_out(&nics, id));
	}
	for (size_t i = 0; i < edit->disks.count; i++) {
		struct vm_def_disk disk = whole_disk(&edit->disks.list[i], def);

		if (!put_element(&disks, (const char *)&disk))
			too_many(faults, "disks", &disks);
	}
	for (size_t i = 0; i < edit->nics.count; i++) {
		struct vm_def_nic nic = whole_nic(&edit->nics.list[i], def);

		if (!put_element(&nics, (const char *)&nic))
			too_many(faults, "nics", &nics);
	}
}

/* In the order of the request, so that faults point into it. */
static void check_ids(const struct vm_edit *edit, struct vm_def *def, struct faults *faults)
{
	const struct elements disks = def_disks_of(def), nics = def_nics_of(def);
	const struct elements more_disks = disks_of(unconst(edit)),
			      more_nics = nics_of(unconst(edit));
	const struct elements waiting[] = { disks_of(&def->next), nics_of(&def->next) };
	char pointer[64];

	for (size_t i = 0; i < edit->remove.count; i++) {
		const char *id = edit->remove.ids[i];

		snprintf(pointer, sizeof(pointer), "/remove/%zu", i);
		if (find(&more_disks, id) || find(&more_nics, id))
			faults_add(faults, pointer, "'%s' is to be added too", id);
		else if (!find(&disks, id) && !find(&nics, id) && !find(&waiting[0], id) &&
			 !find(&waiting[1], id))
			faults_add(faults, pointer, "there is no disk or network interface '%s'",
				   id);
	}
	for (size_t i = 0; i < edit->disks.count; i++) {
		snprintf(pointer, sizeof(pointer), "/disks/%zu/id", i);
		if (find(&more_disks, edit->disks.list[i].id) != at(&more_disks, i))
			faults_add(faults, pointer, "'%s' is there twice", edit->disks.list[i].id);
	}
	for (size_t i = 0; i < edit->nics.count; i++) {
		snprintf(pointer, sizeof(pointer), "/nics/%zu/id", i);
		if (find(&more_nics, edit->nics.list[i].id) != at(&more_nics, i))
			faults_add(faults, pointer, "'%s' is there twice", edit->nics.list[i].id);
	}
}

/* ---- making changes --------------------------------------------------------- */

static void put(const struct vm_edit *edit, struct vm_def *def, bool is_strict,
		struct faults *faults)
{
	if (edit->memory_mib)
		def->memory_mib = edit->memory_mib;
	if (edit->vcpus)
		def->vcpus = edit->vcpus;
	if (edit->cpu_model[0])
		memcpy(def->cpu_model, edit->cpu_model, sizeof(def->cpu_model));
	if (is_strict)
		check_ids(edit, def, faults);
	put_devices(edit, def, faults);
	if (edit->boot_order.count)
		put_order(edit, def, is_strict ? faults : NULL);
}

/* What EDIT is about does not wait any more. */
static void forget_ids(struct vm_edit *next, const struct elements *ids)
{
	const struct elements lists[] = { disks_of(next), nics_of(next), removed_of(next) };

	for (size_t i = 0; i < *ids->count; i++)
		for (size_t k = 0; k < ARRAY_LEN(lists); k++)
			(void)take_out(&lists[k], at(ids, i));
}

static void forget(struct vm_edit *next, const struct vm_edit *edit)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		elements_fn *list = members[i].list;
		struct elements ids;

		if (list) {
			ids = list(unconst(edit));
			forget_ids(next, &ids);
		} else if (vm_edit_has(edit, i)) {
			memset((char *)next + members[i].offset, 0, members[i].size);
		}
	}
}

/* What DEF has already is no change. */
static void drop_same(struct vm_edit *edit, struct vm_def *def)
{
	const struct elements disks = def_disks_of(def), nics = def_nics_of(def);
	const struct elements own_disks = disks_of(edit), own_nics = nics_of(edit);
	const struct elements removed = removed_of(edit);

	if (edit->memory_mib == def->memory_mib)
		edit->memory_mib = 0;
	if (edit->vcpus == def->vcpus)
		edit->vcpus = 0;
	if (strcmp(edit->cpu_model, def->cpu_model) == 0)
		memset(edit->cpu_model, 0, sizeof(edit->cpu_model));
	for (size_t i = edit->disks.count; i-- > 0;) {
		struct vm_def_disk disk = whole_disk(&edit->disks.list[i], def);
		const char *now = find(&disks, disk.id);

		if (now && are_same(json_encode(vm_def_disk_fields, now),
				    json_encode(vm_def_disk_fields, &disk)))
			(void)take_out(&own_disks, disk.id);
	}
	for (size_t i = edit->nics.count; i-- > 0;) {
		struct vm_def_nic nic = whole_nic(&edit->nics.list[i], def);
		const char *now = find(&nics, nic.id);

		if (now && are_same(json_encode(vm_def_nic_fields, now),
				    json_encode(vm_def_nic_fields, &nic)))
			(void)take_out(&own_nics, nic.id);
	}
	for (size_t i = edit->remove.count; i-- > 0;) {
		char id[VM_DEF_ID_SIZE];

		memcpy(id, edit->remove.ids[i], sizeof(id));
		if (!find(&disks, id) && !find(&nics, id))
			(void)take_out(&removed, id);
	}
	if (edit->boot_order.count && has_same_order(edit, def))
		memset(&edit->boot_order, 0, sizeof(edit->boot_order));
}

/* As vm_create() has it: checked with all its members. */
static bool check(const struct vm_def *def, struct vm_def *ret, struct faults *faults,
		  struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);

	return (vm_def_decode(obj, ret, faults) || faults_to_err(faults, err)) &&
	       vm_def_normalize(ret, err);
}

static bool make(const struct vm_edit *edit, bool is_strict, struct vm_def *changed,
		 struct vm_def *ret, struct err *err)
{
	struct vm_def *checked = xnew(struct vm_def);
	struct faults *faults = faults_new();
	bool ok;

	put(edit, changed, is_strict, faults);
	forget(&changed->next, edit);
	ok = (!faults->count || faults_to_err(faults, err)) && check(changed, checked, faults, err);
	if (ok)
		memcpy(ret, checked, sizeof(*ret));
	faults_free(faults);
	free(checked);
	return ok;
}

bool vm_edit_apply(const struct vm_edit *edit, struct vm_def *def, struct err *err)
{
	struct vm_def *changed = xnew(struct vm_def);
	bool ok;

	memcpy(changed, def, sizeof(*changed));
	ok = make(edit, true, changed, def, err);
	free(changed);
	return ok;
}

bool vm_edit_take_next(struct vm_def *def, struct err *err)
{
	struct vm_edit *next = xnew(struct vm_edit);
	struct vm_def *changed = xnew(struct vm_def);
	bool ok;

	memcpy(next, &def->next, sizeof(*next));
	memcpy(changed, def, sizeof(*changed));
	memset(&changed->next, 0, sizeof(changed->next));
	ok = make(next, false, changed, def, err);
	free(changed);
	free(next);
	return ok;
}

/* A later change takes the place of an earlier one. */
static bool merge(struct vm_edit *next, const struct vm_edit *edit, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		elements_fn *list = members[i].list;
		struct elements to, from;

		if (!list) {
			if (vm_edit_has(edit, i))
				memcpy((char *)next + members[i].offset,
				       (const char *)edit + members[i].offset, members[i].size);
			continue;
		}
		to = list(next);
		from = list(unconst(edit));
		for (size_t k = 0; k < *from.count; k++)
			if (!add(&to, at(&from, k)))
				return err_set(err, ERR_LIMIT,
					       "too many changes of `%s' wait for the next start: "
					       "start it, or take some back",
					       members[i].name);
	}
	return true;
}

bool vm_edit_defer(const struct vm_edit *edit, struct vm_def *def, struct err *err)
{
	struct vm_def *then = xnew(struct vm_def), *later = xnew(struct vm_def);
	struct faults *faults = faults_new();
	bool ok;

	memcpy(later, def, sizeof(*later));
	check_ids(edit, later, faults);
	forget(&later->next, edit);
	ok = (!faults->count || faults_to_err(faults, err)) && merge(&later->next, edit, err);
	if (ok) {
		drop_same(&later->next, later);
		memcpy(then, later, sizeof(*then));
		memset(&then->next, 0, sizeof(then->next));
		ok = make(&later->next, true, then, then, err);
	}
	if (ok)
		memcpy(def, later, sizeof(*def));
	faults_free(faults);
	free(later);
	free(then);
	return ok;
}
