/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot/work.h"

#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strbuf.h"

/* It reads the header and the list of snapshots. */
#define LOOK_TIMEOUT_MS 60000
/* It counts the references of all clusters of an image anew, some times, which takes the longer the
 * larger that is; a revert that is killed begins anew. */
#define CHANGE_TIMEOUT_MS (30u * 60000)
#define INFO_BYTES_MAX    (256u << 10)

/* With its driver, so that nothing is probed; a comma of the path is doubled (QemuOpts). */
static char *options_of(const struct snapshot_image *image)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "driver=qcow2,file.driver=file,file.filename=");
	for (const char *c = image->path; *c; c++) {
		strbuf_add(&text, c, 1);
		if (*c == ',')
			strbuf_adds(&text, ",");
	}
	return strbuf_take(&text);
}

static bool run(const char *qemu_img, const struct snapshot_image *image, const char *option,
		const char *value, struct err *err)
{
	CLEANUP(free_charp) char *options = options_of(image);
	const char *const argv[] = { qemu_img, "snapshot", "--image-opts", "-q",
				     option,   value,      options,        NULL };

	return proc_run_blocking(&(struct proc_args){ .argv = argv }, CHANGE_TIMEOUT_MS, err) ||
	       err_wrap(err, "disk '%s'", image->disk);
}

/* ---- look --------------------------------------------------------------------------------- */

static bool look(const char *qemu_img, struct snapshot_image *image, bool is_shared,
		 struct err *err)
{
	CLEANUP(free_charp) char *options = options_of(image);
	CLEANUP(free_charp) char *text = NULL;
	CLEANUP(json_putp) struct json_object *info = NULL;
	const char *const argv[] = { qemu_img,
				     "info",
				     "--image-opts",
				     "--output=json",
				     is_shared ? "--force-share" : options,
				     is_shared ? options : NULL,
				     NULL };

	if (!proc_run_output_blocking(&(struct proc_args){ .argv = argv }, LOOK_TIMEOUT_MS,
				      INFO_BYTES_MAX, &text, err)) {
		if (err->code == ERR_INTERNAL)
			err->code = ERR_CONFLICT;
		return err_wrap(err, "disk '%s' cannot be looked at", image->disk);
	}
	info = json_read_back(text);
	if (!info)
		return err_set(err, ERR_CONFLICT, "disk '%s' cannot be looked at: %.400s",
			       image->disk, text);
	return snapshot_image_take(image, info, err);
}

bool snapshot_look_blocking(const char *qemu_img, struct snapshot_images *images, bool is_shared,
			    struct err *err)
{
	for (size_t i = 0; i < images->count; i++) {
		struct snapshot_image *image = &images->list[i];

		/* Of a raw image only create asks, which is refused before. */
		if (image->format == VM_DEF_DISK_FORMAT_QCOW2 &&
		    !look(qemu_img, image, is_shared, err))
			return false;
	}
	return true;
}

/* ---- create and delete -------------------------------------------------------------------- */

bool snapshot_create_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *full, struct err *err)
{
	size_t i = 0;
	struct err ignored;

	while (i < images->count && run(qemu_img, &images->list[i], "-c", full, err) &&
	       !fault_hit("snapshot.create", err))
		i++;
	if (i == images->count)
		return true;
	/* Also the one that failed, which may have it all the same. */
	for (size_t made = 0; made <= i; made++)
		(void)run(qemu_img, &images->list[made], "-d", full, &ignored);
	return false;
}

bool snapshot_delete_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *name, struct err *err)
{
	size_t count;

	for (size_t i = 0; i < images->count; i++) {
		const struct snapshot_image *image = &images->list[i];
		const char *full = snapshot_image_find(image, name, &count);

		if (full && !run(qemu_img, image, "-d", full, err))
			return false;
		if (full && fault_hit("snapshot.delete", err))
			return false;
	}
	return true;
}

/* ---- revert ---------------------------------------------------------- */

static bool remove_bitmaps(const char *qemu_img, const struct snapshot_image *image,
			   struct err *err)
{
	CLEANUP(free_charp) char *options = options_of(image);

	for (size_t i = 0; i < image->bitmap_count; i++) {
		const char *const argv[] = { qemu_img,   "bitmap",
					     "--remove", "--image-opts",
					     options,    image->bitmaps[i],
					     NULL };

		if (!proc_run_blocking(&(struct proc_args){ .argv = argv }, CHANGE_TIMEOUT_MS, err))
			return err_wrap(err, "bitmap '%.64s' of disk '%s'", image->bitmaps[i],
					image->disk);
	}
	return true;
}

bool snapshot_revert_blocking(const char *qemu_img, const struct snapshot_images *images,
			      const char *name, struct err *err)
{
	size_t count;

	for (size_t i = 0; i < images->count; i++) {
		const struct snapshot_image *image = &images->list[i];
		const char *full = snapshot_image_find(image, name, &count);

		if (!full)
			return err_set(err, ERR_CONFLICT, "disk '%s' has no snapshot '%s' any more",
				       image->disk, name);
		if (!remove_bitmaps(qemu_img, image, err) ||
		    fault_hit("snapshot.revert.begin", err) ||
		    !run(qemu_img, image, "-a", full, err) ||
		    fault_hit("snapshot.revert.disk", err))
			return false;
	}
	return true;
}
