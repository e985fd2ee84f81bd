/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_local.h"

#include <string.h>

#include "base/mem.h"
#include "wire/optlist.h"

#define OVERLAY                                                                            \
	"snapshot=on: what the guest writes is in a temporary file of that QEMU, which a " \
	"move would lose"

/* Options whose value names images, and the key that a value without one has. */
static const struct {
	const char *option, *implied;
} image_options[] = {
	{ "drive", NULL }, { "blockdev", "driver" }, { "hda", "file" },   { "hdb", "file" },
	{ "hdc", "file" }, { "hdd", "file" },        { "cdrom", "file" }, { "fda", "file" },
	{ "fdb", "file" }, { "pflash", "file" },     { "sd", "file" },    { "mtdblock", "file" },
};

static const char *const file_keys[] = { "file", "file.filename", "filename" };

/* Beginnings of a file that is none of the host's storage. */
static const struct {
	const char *prefix, *why;
} local_files[] = {
	{ "fat:", "a directory shown as a disk is not the same on another host" },
	{ "/dev/fd/", "a descriptor of that process does not exist on another host" },
	{ "/dev/fdset/", "a descriptor of that process does not exist on another host" },
	{ "/proc/", "a file of that process does not exist on another host" },
	{ "fd:", "a descriptor of that process does not exist on another host" },
};

static bool is_on(const struct optlist *opts, const char *key)
{
	return optlist_is(opts, key, "on", "off") || optlist_is(opts, key, "yes", "off") ||
	       optlist_is(opts, key, "true", "off") || optlist_is(opts, key, "y", "off");
}

static bool check_file(const char *file, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(local_files); i++) {
		if (strncmp(file, local_files[i].prefix, strlen(local_files[i].prefix)) == 0)
			return err_set(err, ERR_INVALID, "'%.80s': %s", file, local_files[i].why);
	}
	return true;
}

static bool check_image(const char *value, const char *implied, struct err *err)
{
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	struct err ignored;

	if (!optlist_parse(value, implied, &opts, &ignored))
		return true; /* QEMU refuses it too */
	if (is_on(&opts, "snapshot"))
		return err_set(err, ERR_INVALID, "%s", OVERLAY);
	if (optlist_is(&opts, "driver", "vvfat", "") ||
	    optlist_is(&opts, "file.driver", "vvfat", ""))
		return check_file("fat:", err);
	for (size_t i = 0; i < ARRAY_LEN(file_keys); i++) {
		const char *file = optlist_get(&opts, file_keys[i]);

		if (file && !check_file(file, err))
			return false;
	}
	return true;
}

bool vm_def_check_local(const char *option, const char *value, struct err *err)
{
	option += strspn(option, "-");
	if (strcmp(option, "snapshot") == 0)
		return err_set(err, ERR_INVALID, "%s", OVERLAY);
	if (!value)
		return true;
	if (strcmp(option, "set") == 0 && strncmp(value, "drive.", 6) == 0)
		return err_set(err, ERR_INVALID,
			       "-set changes a drive behind the definition's back: say it in "
			       "-drive");
	for (size_t i = 0; i < ARRAY_LEN(image_options); i++) {
		if (strcmp(option, image_options[i].option) == 0)
			return check_image(value, image_options[i].implied, err);
	}
	return true;
}
