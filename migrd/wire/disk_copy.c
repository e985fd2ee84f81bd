/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/disk_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/vm_def_check.h"

#define SECTOR_BYTES 512
/* QEMU: BDRV_MAX_LENGTH, include/block/block-common.h. */
#define VIRTUAL_BYTES_MAX (INT64_MAX - (INT64_MAX % (INT64_C(1) << 30)))
/* QEMU: MIN_CLUSTER_BITS and MAX_CLUSTER_BITS, block/qcow2.h; qcow2_co_create() has the rest. */
#define CLUSTER_BYTES_MIN      512
#define CLUSTER_BYTES_MAX      (2 << 20)
#define CLUSTER_BYTES_EXTENDED (16 << 10)
#define REFCOUNT_BITS_MAX      64
#define REFCOUNT_BITS_OLD      16

const char *const disk_copy_compat_names[] = { "1.1", "0.10", NULL };

const struct json_field disk_copy_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct disk_copy, id),
	  .check = vm_def_check_id,
	  .help = "Id of the disk in the definition." },
	{ .key = "format",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct disk_copy, format),
	  .names = vm_def_disk_format_names,
	  .help = "Image format." },
	{ .key = "virtual_bytes",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct disk_copy, virtual_bytes),
	  .min = SECTOR_BYTES,
	  .max = VIRTUAL_BYTES_MAX,
	  .help = "Size of the disk that the guest sees, a multiple of 512." },
	{ .key = "allocated_bytes",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct disk_copy, allocated_bytes),
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "What the image takes on the source." },
	{ .key = "cluster_bytes",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct disk_copy, cluster_bytes),
	  .min = CLUSTER_BYTES_MIN,
	  .max = CLUSTER_BYTES_MAX,
	  .help = "qcow2: size of a cluster." },
	{ .key = "refcount_bits",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct disk_copy, refcount_bits),
	  .min = 1,
	  .max = REFCOUNT_BITS_MAX,
	  .help = "qcow2: width of a reference count." },
	{ .key = "compat",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct disk_copy, compat),
	  .names = disk_copy_compat_names,
	  .help = "qcow2: version of the format; default: 1.1." },
	{ .key = "lazy_refcounts",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct disk_copy, lazy_refcounts),
	  .help = "qcow2: reference counts are written late; default: false." },
	{ .key = "extended_l2",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct disk_copy, extended_l2),
	  .help = "qcow2: clusters have parts; default: false." },
	{ .key = "backing",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct disk_copy, backing),
	  .check = vm_def_check_path,
	  .help = "qcow2: path on the source of the backing file that both hosts have; default: "
		  "the copy has none." },
	{ .key = "backing_format",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct disk_copy, backing_format),
	  .names = vm_def_disk_format_names,
	  .help = "Format of the backing file; default: raw." },
	{ 0 },
};

/* ---- limits ---------------------------------------------------------------- */

static bool is_power_of_two(uint64_t value, uint64_t min, uint64_t max)
{
	return value >= min && value <= max && (value & (value - 1)) == 0;
}

static bool check_size(const struct disk_copy *copy, struct err *err)
{
	if (copy->virtual_bytes > 0 && copy->virtual_bytes <= VIRTUAL_BYTES_MAX &&
	    copy->virtual_bytes % SECTOR_BYTES == 0)
		return true;
	return err_set(err, ERR_INVALID,
		       "virtual_bytes is %" PRIu64 ": QEMU makes images of a multiple "
		       "of %d bytes, not empty, below 8 EiB",
		       copy->virtual_bytes, SECTOR_BYTES);
}

static bool check_compat(const struct disk_copy *copy, struct err *err)
{
	if (copy->compat == DISK_COPY_COMPAT_1_1 || (!copy->lazy_refcounts && !copy->extended_l2 &&
						     copy->refcount_bits == REFCOUNT_BITS_OLD))
		return true;
	return err_set(err, ERR_INVALID,
		       "lazy_refcounts, extended_l2 and refcount_bits other than %d "
		       "need compat 1.1",
		       REFCOUNT_BITS_OLD);
}

static bool check_qcow2(const struct disk_copy *copy, struct err *err)
{
	if (!is_power_of_two(copy->cluster_bytes, CLUSTER_BYTES_MIN, CLUSTER_BYTES_MAX))
		return err_set(err, ERR_INVALID,
			       "cluster_bytes is %" PRIu64 ": a power of two from %d to "
			       "%d is wanted",
			       copy->cluster_bytes, CLUSTER_BYTES_MIN, CLUSTER_BYTES_MAX);
	if (!is_power_of_two(copy->refcount_bits, 1, REFCOUNT_BITS_MAX))
		return err_set(err, ERR_INVALID,
			       "refcount_bits is %" PRIu64 ": a power of two up to %d "
			       "is wanted",
			       copy->refcount_bits, REFCOUNT_BITS_MAX);
	if (copy->extended_l2 && copy->cluster_bytes < CLUSTER_BYTES_EXTENDED)
		return err_set(err, ERR_INVALID, "extended_l2 needs clusters of at least %d bytes",
			       CLUSTER_BYTES_EXTENDED);
	return check_compat(copy, err);
}

bool disk_copy_check(const struct disk_copy *copy, struct err *err)
{
	if (copy->backing[0] && copy->format != VM_DEF_DISK_FORMAT_QCOW2)
		return err_set(err, ERR_INVALID, "only a qcow2 image has a backing file");
	return check_size(copy, err) &&
	       (copy->format != VM_DEF_DISK_FORMAT_QCOW2 || check_qcow2(copy, err));
}

/* ---- QEMU's answer ----------------------------------------------------------- */

static struct json_object *find_node(struct json_object *nodes, const char *node)
{
	for (size_t i = 0; i < json_count(nodes); i++) {
		struct json_object *one = json_object_array_get_idx(nodes, i);
		const char *name = json_get_str(one, "node-name");

		if (name && strcmp(name, node) == 0)
			return one;
	}
	return NULL;
}

/* The index of WORD in NAMES; -1: it is not there. */
static int find_word(const char *word, const char *const *names)
{
	for (int i = 0; word && names[i]; i++) {
		if (strcmp(word, names[i]) == 0)
			return i;
	}
	return -1;
}

static uint64_t bytes_of(struct json_object *obj, const char *key, uint64_t fallback)
{
	int64_t value = json_get_int(obj, key, -1);

	return value >= 0 ? (uint64_t)value : fallback;
}

/* An image of compat 0.10 has neither of the two flags, and QEMU tells neither. */
static void read_qcow2(struct json_object *image, struct disk_copy *copy)
{
	struct json_object *specific = json_get_obj(image, "format-specific");
	struct json_object *data = json_get_obj(specific, "data");

	copy->cluster_bytes = bytes_of(image, "cluster-size", 0);
	copy->refcount_bits = bytes_of(data, "refcount-bits", 0);
	copy->compat = find_word(json_get_str(data, "compat"), disk_copy_compat_names);
	copy->lazy_refcounts = json_get_bool(data, "lazy-refcounts", false);
	copy->extended_l2 = json_get_bool(data, "extended-l2", false);
}

static bool read_image(struct json_object *image, const char *node, struct disk_copy *copy,
		       struct err *err)
{
	const char *format = json_get_str(image, "format");
	uint64_t size = bytes_of(image, "virtual-size", 0);

	copy->format = find_word(format, vm_def_disk_format_names);
	if (copy->format < 0)
		return err_set(err, ERR_CONFLICT,
			       "the image of node '%s' has the format '%s': only raw and qcow2 can "
			       "be copied",
			       node, format ? format : "");
	copy->virtual_bytes = size + (SECTOR_BYTES - size % SECTOR_BYTES) % SECTOR_BYTES;
	copy->allocated_bytes = bytes_of(image, "actual-size", copy->virtual_bytes);
	if (copy->format == VM_DEF_DISK_FORMAT_QCOW2)
		read_qcow2(image, copy);
	if (copy->compat < 0)
		return err_set(err, ERR_QEMU,
			       "QEMU tells no version of the format of node '%s' that is known",
			       node);
	return true;
}

static const char *backing_of(struct json_object *image)
{
	const char *backing = json_get_str(image, "full-backing-filename");

	if (!backing)
		backing = json_get_str(image, "backing-filename");
	return backing ? backing : "";
}

bool disk_copy_read(struct json_object *nodes, const char *node, struct disk_copy *ret,
		    const char **ret_backing, struct err *err)
{
	struct json_object *image = json_get_obj(find_node(nodes, node), "image");
	struct disk_copy copy = { 0 };

	if (!image)
		return err_set(err, ERR_QEMU, "QEMU tells nothing of the image of node '%s'", node);
	if (!read_image(image, node, &copy, err))
		return false;
	memcpy(copy.id, ret->id, sizeof(copy.id));
	*ret = copy;
	*ret_backing = backing_of(image);
	return true;
}

bool disk_copy_keep_backing(struct json_object *nodes, const char *node, struct disk_copy *copy,
			    struct err *err)
{
	struct json_object *image = json_get_obj(find_node(nodes, node), "image");
	const char *backing = backing_of(image), *why;
	int format = find_word(json_get_str(image, "backing-filename-format"),
			       vm_def_disk_format_names);

	if (!*backing)
		return true;
	if (strlen(backing) >= sizeof(copy->backing) || !vm_def_check_path(backing, &why))
		return err_set(err, ERR_CONFLICT,
			       "its backing file '%s' is no path of a file: leave out shared_base, "
			       "then all is copied",
			       backing);
	if (format < 0)
		return err_set(err, ERR_CONFLICT,
			       "it does not say that its backing file '%s' is raw or qcow2: stop the "
			       "VM and run qemu-img rebase -u -b '%s' -F FORMAT on the image, or "
			       "leave out shared_base, then all is copied",
			       backing, backing);
	snprintf(copy->backing, sizeof(copy->backing), "%s", backing);
	copy->backing_format = format;
	return true;
}

void disk_copy_count_left(struct json_object *nodes, const char *node, size_t *ret_snapshots,
			  size_t *ret_bitmaps)
{
	struct json_object *one = find_node(nodes, node), *snapshots, *bitmaps;

	snapshots = json_object_object_get(json_get_obj(one, "image"), "snapshots");
	bitmaps = json_object_object_get(one, "dirty-bitmaps");
	*ret_snapshots = json_count(snapshots);
	*ret_bitmaps = 0;
	for (size_t i = 0; i < json_count(bitmaps); i++)
		*ret_bitmaps +=
			json_get_bool(json_object_array_get_idx(bitmaps, i), "persistent", false);
}
