/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/adopt_rig.h -- a QEMU that is to be adopted: what it says of itself, its command line,
 * and what comes of both. */
#ifndef MIGRD_TESTS_LIB_ADOPT_RIG_H
#define MIGRD_TESTS_LIB_ADOPT_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt/plan.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"

/* The facts of a QEMU 7.2 with -nodefaults and one virtio disk at slot 1. */
static struct adopt_facts *facts;
static struct adopt_result result;
static struct adopt_wishes wishes;

static inline void add_device(enum adopt_place place, const char *name, const char *type, int devfn,
			      const char *bus)
{
	struct adopt_device *device = &facts->devices[facts->device_count++];

	*device = (struct adopt_device){ .place = place, .devfn = devfn, .vectors = -1 };
	snprintf(device->bus_owner, sizeof(device->bus_owner), "/machine/unattached/device[3]");
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->type, sizeof(device->type), "%s", type);
	snprintf(device->bus, sizeof(device->bus), "%s", bus);
	if (strncmp(name, "device[", 7) == 0)
		device->number = (unsigned)strtoul(name + 7, NULL, 10);
}

/* Adds the image that a drive has open: DEVICE of -drive, or NODE of -blockdev in the device
 * at QDEV. */
static inline struct adopt_block *add_block(const char *device, const char *qdev, const char *node,
					    const char *file, const char *format)
{
	struct adopt_block *block = &facts->blocks.list[facts->blocks.count++];
	struct adopt_node *at = &facts->blocks.nodes[facts->blocks.node_count++];

	*block = (struct adopt_block){ .has_medium = *file != '\0' };
	snprintf(block->device, sizeof(block->device), "%s", device);
	snprintf(block->qdev, sizeof(block->qdev), "%s", qdev);
	snprintf(block->node, sizeof(block->node), "%s", node);
	snprintf(block->file, sizeof(block->file), "%s", file);
	snprintf(block->format, sizeof(block->format), "%s", format);
	*at = (struct adopt_node){ { 0 }, { 0 }, { 0 } };
	snprintf(at->name, sizeof(at->name), "%s", node);
	snprintf(at->file, sizeof(at->file), "%s", file);
	snprintf(at->driver, sizeof(at->driver), "%s", format);
	return block;
}

static inline void add_backend(struct adopt_backends *backends, const char *id, const char *type,
			       const char *ifname)
{
	struct adopt_backend *backend = &backends->list[backends->count++];

	snprintf(backend->id, sizeof(backend->id), "%s", id);
	snprintf(backend->type, sizeof(backend->type), "%s", type);
	snprintf(backend->ifname, sizeof(backend->ifname), "%s", ifname);
}

static inline void setup(void)
{
	facts = xnew(struct adopt_facts);
	*facts = (struct adopt_facts){ .name = "vm0",
				       .uuid = "3f2b0000-0000-4000-8000-000000000001",
				       .machine = "pc-q35-7.2",
				       .run_state = QMP_RUN_RUNNING,
				       .memory_bytes = 128u << 20,
				       .vcpus = 1 };
	wishes = (struct adopt_wishes){ .uuid = "3f2b0000-0000-8000-8000-0000000000ff" };
	add_device(ADOPT_BOARD, "device[0]", "qemu64-x86_64-cpu", ADOPT_NO_PCI, "");
	add_device(ADOPT_BOARD, "device[2]", "ICH9-LPC", 248, "pcie.0");
}

static inline void teardown(void)
{
	adopt_result_fini(&result);
	free(facts);
}

/* Plans the adoption of a QEMU with these words, split at blanks; '~' is a blank within a
 * word. */
static inline void plan(const char *words)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	adopt_result_fini(&result);
	strbuf_adds(&sb, "/usr/bin/qemu-system-x86_64 ");
	strbuf_adds(&sb, words);
	if (*words)
		strbuf_adds(&sb, " ");
	for (size_t i = 0; i < sb.len; i++)
		sb.data[i] = sb.data[i] == ' ' ? '\0' : sb.data[i] == '~' ? ' ' : sb.data[i];
	adopt_plan(sb.data, sb.len, facts, &wishes, &result);
}

static inline void assert_taken(void)
{
	ck_assert_msg(result.refused->count == 0, "%s: %s", result.refused->list[0].pointer,
		      result.refused->list[0].detail);
}

static inline bool says(const struct faults *faults, const char *option, const char *words)
{
	for (size_t i = 0; i < faults->count && i < FAULT_MAX; i++) {
		if (strcmp(faults->list[i].pointer, option) == 0 &&
		    strstr(faults->list[i].detail, words))
			return true;
	}
	return false;
}

static inline void assert_refused(const char *option, const char *words)
{
	ck_assert_msg(says(result.refused, option, words), "%zu refused, not %s with '%s'; %s: %s",
		      result.refused->count, option, words, result.refused->list[0].pointer,
		      result.refused->list[0].detail);
}

static inline void assert_extra(const char *expected)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < result.def->extra_arg_count; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "", result.def->extra_args[i]);
	ck_assert_str_eq(strbuf_str(&sb), expected);
}

/* Adds a CD drive with its tray; the node of a medium stands on the node of its file. */
static inline struct adopt_block *add_cd(const char *device, const char *qdev, const char *file)
{
	struct adopt_block *block = add_block(device, qdev, *file ? "#m" : "", file, "raw");
	struct adopt_node *at = &facts->blocks.nodes[facts->blocks.node_count++];

	block->has_tray = true;
	block->readonly = true;
	snprintf(at->file, sizeof(at->file), "%s", file);
	snprintf(at->driver, sizeof(at->driver), "file");
	return block;
}

static inline void assert_cd(size_t index, const char *id, int bus, const char *path)
{
	ck_assert_uint_lt(index, result.def->cdrom_count);
	ck_assert_str_eq(result.def->cdroms[index].id, id);
	ck_assert_int_eq(result.def->cdroms[index].bus, bus);
	ck_assert_str_eq(result.def->cdroms[index].path, path);
}

#endif
