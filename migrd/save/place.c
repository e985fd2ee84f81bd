/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copies of a guest's disks, when a restore puts them in the place of the images.
 *
 *     IMAGE            -> IMAGE.before-JOB
 *     IMAGE.saved-SAVE -> IMAGE
 *
 * IMAGE.before-JOB is there from the first step on, and IMAGE.saved-SAVE until the second. */
#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "save/copies.h"
#include "storage/spot.h"

struct places {
	struct spot spot; /* of the image */
	const char *copy; /* the names in its directory */
	char *before;
	bool has_image, has_copy, has_before;
};

static void places_close(struct places *places)
{
	spot_close(&places->spot);
	free(places->before);
}

static bool look(struct places *places, struct err *err)
{
	const struct spot *spot = &places->spot;
	struct stat st;

	return spot_look(spot, spot->name, &st, &places->has_image, err) &&
	       spot_look(spot, places->copy, &st, &places->has_copy, err) &&
	       spot_look(spot, places->before, &st, &places->has_before, err);
}

static bool open_places(const struct save_disk *disk, const char *job, struct places *ret,
			struct err *err)
{
	*ret = (struct places){ .copy = strrchr(disk->copy, '/') + 1 };
	if (!spot_open(&ret->spot, disk->image, NULL, err))
		return false;
	ret->before = xasprintf("%s.before-%s", ret->spot.name, job);
	if (ret->spot.dir < 0)
		return err_set(err, ERR_NOT_FOUND, "the directory of '%s' is gone", disk->image);
	return look(ret, err);
}

static bool rename_to(struct places *places, const char *from, const char *to, struct err *err)
{
	errno = spot_rename(&places->spot, from, to);
	if (errno)
		return err_errno(err, "cannot rename '%s' to '%s' in the directory of '%s'", from,
				 to, places->spot.path);
	return look(places, err);
}

/* ---- there ------------------------------------------------------------------------ */

static bool place(const struct save_disk *disk, const char *job, struct err *err)
{
	CLEANUP(places_close) struct places places;

	if (!open_places(disk, job, &places, err))
		return false;
	if (!places.has_before && !places.has_copy)
		return err_set(err, ERR_CONFLICT, "'%s' is gone", disk->copy);
	if (!places.has_before && !rename_to(&places, places.spot.name, places.before, err))
		return false;
	if (fault_hit("save.place.aside", err))
		return false;
	if (places.has_copy && !rename_to(&places, places.copy, places.spot.name, err))
		return false;
	return !fault_hit("save.place.placed", err) && spot_sync(&places.spot, err);
}

bool save_copies_place_blocking(const struct save_file *head, const char *job, struct err *err)
{
	for (size_t i = 0; i < head->disk_count; i++) {
		if (!place(&head->disks[i], job, err))
			return err_wrap(err, "disk '%s'", head->disks[i].id);
	}
	return true;
}

/* ---- and back ---------------------------------------------------------------------- */

static bool take_back(const struct save_disk *disk, const char *job, struct err *err)
{
	CLEANUP(places_close) struct places places;

	if (!open_places(disk, job, &places, err))
		return false;
	if (!places.has_before)
		return spot_sync(&places.spot, err);
	if (places.has_image && places.has_copy)
		return err_set(err, ERR_CONFLICT,
			       "somebody has made '%s', whose content is in '%s' beside it: move "
			       "it "
			       "away",
			       disk->image, places.before);
	if (places.has_image && !rename_to(&places, places.spot.name, places.copy, err))
		return false;
	if (fault_hit("save.place.back", err))
		return false;
	return rename_to(&places, places.before, places.spot.name, err) &&
	       spot_sync(&places.spot, err);
}

bool save_copies_take_back_blocking(const struct save_file *head, const char *job, struct err *err)
{
	for (size_t i = 0; i < head->disk_count; i++) {
		if (!take_back(&head->disks[i], job, err))
			return err_wrap(err, "disk '%s'", head->disks[i].id);
	}
	return true;
}
