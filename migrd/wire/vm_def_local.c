/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_local.h"

#include <string.h>

#include "base/mem.h"
#include "wire/extra_arg.h"

#define OVERLAY                                                                            \
	"snapshot=on: what the guest writes is in a temporary file of that QEMU, which a " \
	"move would lose"

/* Prefixes of file names that are not in the host's storage. */
static const struct {
	const char *prefix, *why;
} local_files[] = {
	{ "fat:", "a directory shown as a disk is not the same on another host" },
	{ "/dev/fd/", "a descriptor of that process does not exist on another host" },
	{ "/dev/fdset/", "a descriptor of that process does not exist on another host" },
	{ "/proc/", "a file of that process does not exist on another host" },
	{ "fd:", "a descriptor of that process does not exist on another host" },
};

static bool check_file(const char *file, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(local_files); i++) {
		if (strncmp(file, local_files[i].prefix, strlen(local_files[i].prefix)) == 0)
			return err_set(err, ERR_INVALID, "'%.80s': %s", file, local_files[i].why);
	}
	return true;
}

static bool is_vvfat(const struct extra_arg *arg)
{
	return optlist_is(&arg->opts, "driver", "vvfat", "") ||
	       optlist_is(&arg->opts, "file.driver", "vvfat", "");
}

static bool check_image(const struct extra_arg *arg, struct err *err)
{
	const char *file = extra_arg_file(arg);

	if (extra_arg_is_on(arg, "snapshot"))
		return err_set(err, ERR_INVALID, "%s", OVERLAY);
	if (is_vvfat(arg))
		return check_file("fat:", err);
	return !file || check_file(file, err);
}

bool vm_def_check_local(const char *option, const char *value, struct err *err)
{
	const char *name = option + strspn(option, "-");
	CLEANUP(extra_arg_fini) struct extra_arg arg = { 0 };

	if (strcmp(name, "snapshot") == 0)
		return err_set(err, ERR_INVALID, "%s", OVERLAY);
	if (!value)
		return true;
	if (strcmp(name, "set") == 0 && strncmp(value, "drive.", 6) == 0)
		return err_set(err, ERR_INVALID,
			       "-set changes a drive behind the definition's back: say it in "
			       "-drive");
	if (!extra_arg_read(option, value, &arg))
		return true;
	return (arg.kind != EXTRA_IMAGE && arg.kind != EXTRA_MEDIUM) || check_image(&arg, err);
}
