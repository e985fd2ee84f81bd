/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/virtqueues.h"

#include <stdio.h>
#include <string.h>

bool virtqueues_may_be_large(const struct qmp_version *version)
{
	return version && version->major == 10 && version->minor == 0;
}

bool virtqueues_are_strict(const struct qmp_version *version)
{
	return version && qmp_version_is_since(version, 11, 1);
}

/* ---- what queue-size says ------------------------------------------------------- */

/* Queue N of a device has size N modulo the number of its sizes: what a property says, or always
 * the same.  Seen with 7.2.22 and 11.1.3; a few of these devices have smaller ones among them
 * (the control queues of virtio-net and virtio-serial), which are left to QEMU, as are other
 * devices. */
static const struct device_sizes {
	const char *name; /* in x-query-virtio */
	size_t count;
	struct {
		const char *property;
		uint64_t entries;
	} sizes[VIRTQUEUES_SIZES_MAX];
} device_sizes[] = {
	{ "virtio-blk", 1, { { "queue-size", 0 } } },
	{ "virtio-net", 2, { { "rx_queue_size", 0 }, { "tx_queue_size", 0 } } },
	{ "virtio-scsi", 1, { { "virtqueue_size", 0 } } },
	{ "virtio-serial", 1, { { NULL, 128 } } },
	{ "virtio-balloon", 1, { { NULL, 128 } } },
	{ "virtio-rng", 1, { { NULL, 8 } } },
	{ "virtio-input", 1, { { NULL, 64 } } },
	{ "virtio-gpu", 2, { { NULL, 64 }, { NULL, 16 } } },
	{ "virtio-mem", 1, { { NULL, 128 } } },
	{ "virtio-pmem", 1, { { NULL, 128 } } },
};

static const struct device_sizes *sizes_of(struct json_object *device)
{
	static const struct device_sizes unknown = { 0 };
	const char *name = json_get_str(device, "name");

	for (size_t i = 0; name && i < sizeof(device_sizes) / sizeof(*device_sizes); i++) {
		if (strcmp(name, device_sizes[i].name) == 0)
			return &device_sizes[i];
	}
	return &unknown;
}

/* ---- the walk -------------------------------------------------------------------- */

static struct json_object *device_of(const struct virtqueues_walk *walk)
{
	return walk->device < json_count(walk->devices)
		       ? json_object_array_get_idx(walk->devices, walk->device)
		       : NULL;
}

static const char *path_of(struct json_object *device)
{
	const char *path = json_get_str(device, "path");

	return path ? path : "";
}

/* The next property of DEVICE to be asked for; NULL: all sizes are known. */
static const char *next_property(struct virtqueues_walk *walk, struct json_object *device)
{
	const struct device_sizes *row = sizes_of(device);

	while (walk->room && walk->size_count < row->count) {
		if (row->sizes[walk->size_count].property)
			return row->sizes[walk->size_count].property;
		walk->sizes[walk->size_count] = row->sizes[walk->size_count].entries;
		walk->size_count++;
	}
	return NULL;
}

const char *virtqueues_next(struct virtqueues_walk *walk, struct json_object **ret_args)
{
	struct json_object *device;
	const char *property;

	*ret_args = NULL;
	if (!walk->devices && !walk->is_over)
		return "x-query-virtio";
	device = device_of(walk);
	if (walk->is_over || !device || walk->there->queue_count == EVIDENCE_QUEUES_MAX)
		return NULL;
	*ret_args = json_object_new_object();
	json_add_str(*ret_args, "path", path_of(device));
	property = next_property(walk, device);
	if (property) {
		json_add_str(*ret_args, "property", property);
		return "qom-get";
	}
	json_add_uint(*ret_args, "queue", walk->queue);
	return "x-query-virtio-queue-status";
}

static void take_queue(struct virtqueues_walk *walk, struct json_object *device, uint64_t entries)
{
	struct evidence_queue queue = { .queue = walk->queue, .entries = entries };
	size_t sizes = walk->size_count;

	snprintf(queue.path, sizeof(queue.path), "%s", path_of(device));
	walk->there->queues[walk->there->queue_count++] = queue;
	if (walk->room) {
		queue.entries = sizes ? walk->sizes[walk->queue % sizes] : 0;
		walk->room->queues[walk->room->queue_count++] = queue;
	}
	walk->queue++;
}

static void next_device(struct virtqueues_walk *walk)
{
	walk->device++;
	walk->queue = 0;
	walk->size_count = 0;
}

void virtqueues_take(struct virtqueues_walk *walk, struct json_object *result)
{
	struct json_object *device = device_of(walk);
	int64_t value;

	if (!device) {
		walk->devices = json_object_get(result);
		walk->is_over = !result;
	} else if (next_property(walk, device)) {
		value = result ? json_object_get_int64(result) : 0;
		walk->sizes[walk->size_count++] = value > 0 ? (uint64_t)value : 0;
	} else {
		value = result ? json_get_int(result, "vring-num", 0) : 0;
		if (value > 0)
			take_queue(walk, device, (uint64_t)value);
		else
			next_device(walk);
	}
}

void virtqueues_walk_fini(struct virtqueues_walk *walk)
{
	json_object_put(walk->devices);
	walk->devices = NULL;
}
