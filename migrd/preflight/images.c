/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can the images of the disks that a move copies be made on this host? */
#include <string.h>

#include "preflight/checks.h"

static const struct disk_copy *find_copy(const struct preflight_images *images, const char *id)
{
	for (size_t i = 0; i < images->copy_count; i++) {
		if (strcmp(images->copies[i].id, id) == 0)
			return &images->copies[i];
	}
	return NULL;
}

static bool check_copy(const struct preflight *preflight, const struct need_image *need,
		       const struct disk_copy *copy, struct err *err)
{
	if (!copy)
		return err_set(err, ERR_CONFLICT,
			       "it is local to host '%s', whose migrd says nothing of its size: "
			       "update migrd there, or put the disk on storage that both hosts "
			       "see, and mark it \"shared\"",
			       preflight->source);
	if (copy->format != need->format)
		return err_set(err, ERR_INVALID,
			       "its image on host '%s' is %s, and the definition says %s: define "
			       "it "
			       "as it is",
			       preflight->source, vm_def_disk_format_names[copy->format],
			       vm_def_disk_format_names[need->format]);
	if (copy->backing[0] && !need->shared_base)
		return err_set(err, ERR_INVALID,
			       "host '%s' would copy it without its backing file, and the definition "
			       "does not say shared_base",
			       preflight->source);
	if (strcmp(copy->id, VM_DEF_VARS_ID) == 0 &&
	    copy->virtual_bytes > VM_DEF_FIRMWARE_BYTES_MAX)
		return err_set(err, ERR_INVALID, "variables of firmware have at most %d bytes",
			       VM_DEF_FIRMWARE_BYTES_MAX);
	return disk_copy_check(copy, err);
}

void images_plan(struct preflight *preflight, const struct preflight_images *images)
{
	preflight->rules = *images->rules;
	for (size_t i = 0; i < preflight->needs->image_count; i++) {
		const struct need_image *need = &preflight->needs->images[i];
		const struct disk_copy *copy = find_copy(images, need->id);
		struct image_wish *wish = &preflight->images[i];

		if (check_copy(preflight, need, copy, &wish->err) &&
		    storage_place(&preflight->rules, need->path, wish->path, &wish->err))
			wish->bytes = copy->allocated_bytes;
	}
}

void images_look_blocking(struct preflight *preflight)
{
	image_look_blocking(&preflight->rules, preflight->id, preflight->images,
			    preflight->needs->image_count);
}

void images_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->image_count; i++) {
		const struct err *err = &preflight->images[i].err;
		const char *id = preflight->needs->images[i].id;

		if (err_is_set(err) && strcmp(id, VM_DEF_VARS_ID) == 0)
			preflight_add(ret, "storage", "variables of the firmware: %s", err->msg);
		else if (err_is_set(err))
			preflight_add(ret, "storage", "disk '%s': %s", id, err->msg);
	}
}
