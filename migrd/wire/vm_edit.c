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
	{ .key = "cdroms",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_edit, cdroms.list, cdroms.count),
	  .fields = vm_def_cdrom_fields,
	  .help = "The same of CD drives, which keep boot_index, and unit, pci_address and "
		  "device_id on the same bus. A drive that waits for the next start keeps the "
		  "medium that is in it then." },
	{ .key = "remove",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_edit, remove.ids, remove.count),
	  .check = vm_def_check_id,
	  .pattern = "^[A-Za-z][A-Za-z0-9._-]{0,23}$",
	  .help = "Ids of disks, network interfaces and CD drives that are removed; images stay." },
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

static struct elements cdroms_of(struct vm_edit *edit)
{
	return ELEMENTS(edit->cdroms.list, edit->cdroms.count);
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

static struct elements def_cdroms_of(struct vm_def *def)
{
	return ELEMENTS(def->cdroms, def->cdrom_count);
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
	MEMBER(cdroms, cdroms_of,
	       "QEMU gives a guest its CD drives when it starts; what is in one changes now by "
	       "PUT or DELETE /v1/vms/{name}/devices/{id}/medium (`migrctl vm insert', `vm "
	       "eject')"),
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

/* ---- disks, network interfaces and CD drives ---------------------------------- */

union device {
	struct vm_def_disk disk;
	struct vm_def_nic nic;
	struct vm_def_cdrom cdrom;
};

/* What DEVICE does not say it has from the one whose place it takes. */
typedef void complete_fn(union device *device, const union device *former);

static void complete_disk(union device *device, const union device *former)
{
	struct vm_def_disk *disk = &device->disk;

	if (!disk->pci_address[0])
		memcpy(disk->pci_address, former->disk.pci_address, sizeof(disk->pci_address));
	if (!disk->has_boot_index) {
		disk->has_boot_index = former->disk.has_boot_index;
		disk->boot_index = former->disk.boot_index;
	}
}

static void complete_nic(union device *device, const union device *former)
{
	struct vm_def_nic *nic = &device->nic;

	if (!nic->pci_address[0])
		memcpy(nic->pci_address, former->nic.pci_address, sizeof(nic->pci_address));
	if (!nic->mac[0])
		memcpy(nic->mac, former->nic.mac, sizeof(nic->mac));
}

/* A place on one bus is none on another. */
static void complete_cdrom(union device *device, const union device *former)
{
	struct vm_def_cdrom *cdrom = &device->cdrom;

	if (!cdrom->has_boot_index) {
		cdrom->has_boot_index = former->cdrom.has_boot_index;
		cdrom->boot_index = former->cdrom.boot_index;
	}
	if (cdrom->bus != former->cdrom.bus)
		return;
	if (!cdrom->has_unit) {
		cdrom->has_unit = former->cdrom.has_unit;
		cdrom->unit = former->cdrom.unit;
	}
	if (!cdrom->pci_address[0])
		memcpy(cdrom->pci_address, former->cdrom.pci_address, sizeof(cdrom->pci_address));
	if (!cdrom->device_id[0])
		memcpy(cdrom->device_id, former->cdrom.device_id, sizeof(cdrom->device_id));
}

static const struct {
	const char *name;
	elements_fn *asked;
	struct elements (*present)(struct vm_def *def);
	const struct json_field *fields;
	complete_fn *complete;
} lists[] = {
	{ "disks", disks_of, def_disks_of, vm_def_disk_fields, complete_disk },
	{ "nics", nics_of, def_nics_of, vm_def_nic_fields, complete_nic },
	{ "cdroms", cdroms_of, def_cdroms_of, vm_def_cdrom_fields, complete_cdrom },
};

static const char *find_asked(const struct vm_edit *edit, const char *id)
{
	const char *found = NULL;

	for (size_t k = 0; k < ARRAY_LEN(lists) && !found; k++) {
		const struct elements asked = lists[k].asked(unconst(edit));

		found = find(&asked, id);
	}
	return found;
}

static const char *find_present(struct vm_def *def, const char *id)
{
	const char *found = NULL;

	for (size_t k = 0; k < ARRAY_LEN(lists) && !found; k++) {
		const struct elements present = lists[k].present(def);

		found = find(&present, id);
	}
	return found;
}

/* What ELEMENT of the list K would be in DEF; RET_FORMER: whose place it takes, or NULL. */
static union device whole(size_t k, const char *element, struct vm_def *def,
			  const char **ret_former)
{
	const struct elements present = lists[k].present(def);
	union device ret, former;

	memset(&ret, 0, sizeof(ret));
	memset(&former, 0, sizeof(former));
	memcpy(&ret, element, present.size);
	*ret_former = find(&present, element);
	if (*ret_former) {
		memcpy(&former, *ret_former, present.size);
		lists[k].complete(&ret, &former);
	}
	return ret;
}

static void put_list(size_t k, const struct vm_edit *edit, struct vm_def *def,
		     struct faults *faults)
{
	const struct elements asked = lists[k].asked(unconst(edit)), all = lists[k].present(def);

	for (size_t i = 0; i < *asked.count; i++) {
		const char *former;
		union device device = whole(k, at(&asked, i), def, &former);
		char pointer[64];

		if (put_element(&all, (const char *)&device))
			continue;
		snprintf(pointer, sizeof(pointer), "/%s", lists[k].name);
		faults_add(faults, pointer, "there would be more than %zu", all.max);
	}
}

static void put_devices(const struct vm_edit *edit, struct vm_def *def, struct faults *faults)
{
	for (size_t i = 0; i < edit->remove.count; i++) {
		for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
			const struct elements all = lists[k].present(def);

			(void)take_out(&all, edit->remove.ids[i]);
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		put_list(k, edit, def, faults);
}

/* In the order of the request, so that faults point into it. */
static void check_ids(const struct vm_edit *edit, struct vm_def *def, struct faults *faults)
{
	char pointer[64];

	for (size_t i = 0; i < edit->remove.count; i++) {
		const char *id = edit->remove.ids[i];

		snprintf(pointer, sizeof(pointer), "/remove/%zu", i);
		if (find_asked(edit, id))
			faults_add(faults, pointer, "'%s' is to be added too", id);
		else if (!find_present(def, id) && !find_asked(&def->next, id))
			faults_add(faults, pointer,
				   "there is no disk, network interface or CD drive '%s'", id);
	}
	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		const struct elements asked = lists[k].asked(unconst(edit));

		for (size_t i = 0; i < *asked.count; i++) {
			snprintf(pointer, sizeof(pointer), "/%s/%zu/id", lists[k].name, i);
			if (find(&asked, at(&asked, i)) != at(&asked, i))
				faults_add(faults, pointer, "'%s' is there twice", at(&asked, i));
		}
	}
}

static const struct vm_def_cdrom *find_cdrom(const struct vm_def *def, const char *id)
{
	for (size_t i = 0; i < def->cdrom_count; i++)
		if (strcmp(def->cdroms[i].id, id) == 0)
			return &def->cdroms[i];
	return NULL;
}

/* What is in a drive changes by itself meanwhile, so it cannot wait. */
static void check_media(const struct vm_edit *edit, const struct vm_def *def, struct faults *faults)
{
	for (size_t i = 0; i < edit->cdroms.count; i++) {
		const struct vm_def_cdrom *asked = &edit->cdroms.list[i];
		const struct vm_def_cdrom *now = find_cdrom(def, asked->id);
		char pointer[64];

		if (!now || (strcmp(asked->path, now->path) == 0 && asked->format == now->format))
			continue;
		snprintf(pointer, sizeof(pointer), "/cdroms/%zu/path", i);
		faults_add(
			faults, pointer,
			"in '%s' is %s%.300s now, and an edit that waits for the next start does "
			"not change that: `migrctl vm insert' or `migrctl vm eject' does, at once",
			asked->id, *now->path ? "" : "nothing", now->path);
	}
}

/* Drives that wait get the media that DEF has by now. */
static void follow_media(struct vm_edit *next, const struct vm_def *def)
{
	for (size_t i = 0; i < next->cdroms.count; i++) {
		struct vm_def_cdrom *waiting = &next->cdroms.list[i];
		const struct vm_def_cdrom *now = find_cdrom(def, waiting->id);

		if (!now)
			continue;
		memcpy(waiting->path, now->path, sizeof(waiting->path));
		waiting->format = now->format;
		waiting->tray = now->tray;
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
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct elements waiting =
			members[i].list ? members[i].list(next) : (struct elements){ 0 };

		for (size_t k = 0; members[i].list && k < *ids->count; k++)
			(void)take_out(&waiting, at(ids, k));
	}
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

static void drop_same_devices(size_t k, struct vm_edit *edit, struct vm_def *def)
{
	const struct elements asked = lists[k].asked(edit);

	for (size_t i = *asked.count; i-- > 0;) {
		const char *now;
		union device device = whole(k, at(&asked, i), def, &now);

		if (now && are_same(json_encode(lists[k].fields, now),
				    json_encode(lists[k].fields, &device)))
			(void)take_out(&asked, (const char *)&device);
	}
}

/* What DEF has already is no change. */
static void drop_same(struct vm_edit *edit, struct vm_def *def)
{
	const struct elements removed = removed_of(edit);

	if (edit->memory_mib == def->memory_mib)
		edit->memory_mib = 0;
	if (edit->vcpus == def->vcpus)
		edit->vcpus = 0;
	if (strcmp(edit->cpu_model, def->cpu_model) == 0)
		memset(edit->cpu_model, 0, sizeof(edit->cpu_model));
	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		drop_same_devices(k, edit, def);
	for (size_t i = edit->remove.count; i-- > 0;) {
		char id[VM_DEF_ID_SIZE];

		memcpy(id, edit->remove.ids[i], sizeof(id));
		if (!find_present(def, id))
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
	follow_media(next, def);
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
	check_media(edit, later, faults);
	forget(&later->next, edit);
	ok = (!faults->count || faults_to_err(faults, err)) && merge(&later->next, edit, err);
	if (ok) {
		follow_media(&later->next, later);
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
