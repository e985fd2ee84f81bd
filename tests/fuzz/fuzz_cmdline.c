/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: the command line of a QEMU that somebody else started.
 *
 * Each line is an argument.  For any input, a definition that is not refused could
 * also be posted by a user, and stays the same when it is encoded and decoded.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "adopt/plan.h"
#include "base/mem.h"

#define MAX_BYTES (ADOPT_CMDLINE_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct adopt_facts *facts, enum adopt_place place, const char *name,
		const char *type, int devfn)
{
	struct adopt_device *device = &facts->devices[facts->device_count];

	*device = (struct adopt_device){ .place = place, .devfn = devfn, .vectors = -1 };
	device->number = (unsigned)facts->device_count++;
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->type, sizeof(device->type), "%s", type);
	snprintf(device->bus, sizeof(device->bus), "pcie.0");
	snprintf(device->mac, sizeof(device->mac), "%s",
		 strstr(type, "net") || strstr(type, "e1000") ? "52:54:00:12:34:56" : "");
}

static void make_facts(struct adopt_facts *facts)
{
	*facts = (struct adopt_facts){ .name = "vm0",
				       .uuid = "3f2b0000-0000-4000-8000-000000000001",
				       .machine = "pc-q35-7.2",
				       .memory_bytes = 128u << 20,
				       .vcpus = 1,
				       .blocks.count = 1 };
	facts->blocks.list[0] = (struct adopt_block){
		.device = "virtio0", .has_medium = true, .file = "/x", .format = "raw"
	};
	add(facts, ADOPT_BOARD, "device[0]", "qemu64-x86_64-cpu", ADOPT_NO_PCI);
	add(facts, ADOPT_ANONYMOUS, "device[1]", "virtio-blk-pci", 8);
	add(facts, ADOPT_NAMED, "n", "virtio-net-pci", 16);
	add(facts, ADOPT_BOARD, "device[3]", "e1000e", 24);
	add(facts, ADOPT_BOARD, "device[4]", "isa-serial", ADOPT_NO_PCI);
}

static void check(const struct vm_def *def)
{
	struct vm_def *again = xnew(struct vm_def);
	struct faults *faults = faults_new();
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);
	bool ok = vm_def_decode(obj, again, faults);

	assert(ok);
	assert(again->extra_arg_count == def->extra_arg_count);
	faults_free(faults);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct adopt_wishes wishes = { .uuid = "3f2b0000-0000-8000-8000-0000000000ff",
					     .disks_shared = size % 2 };
	struct adopt_facts *facts;
	struct adopt_result result;
	char *text;

	if (size > MAX_BYTES)
		return 0;
	facts = xnew(struct adopt_facts);
	make_facts(facts);
	text = xcalloc(1, size + 1);
	for (size_t i = 0; i < size; i++)
		text[i] = data[i] == '\n' ? '\0' : (char)data[i];
	adopt_plan(text, size, facts, &wishes, &result);
	if (result.refused->count == 0)
		check(result.def);
	adopt_result_fini(&result);
	free(text);
	free(facts);
	return 0;
}
