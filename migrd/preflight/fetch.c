/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can the guest's memory be fetched here, as in a move with post-copy?
 *
 * The kernel tells QEMU of pages that are not there (userfaultfd) only of anonymous memory, tmpfs
 * and huge pages.  QEMU 10.0 and 11.1 look for themselves, late; 7.2 finds out after the switch,
 * when the guest cannot go back (findings/postcopy-into-memory-of-a-plain-file.sh). */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "preflight/checks.h"

/* QEMU makes a file that is not there in its directory. */
static bool look_at_directory(const char *path, struct statfs *ret)
{
	const char *slash = strrchr(path, '/');
	char dir[VM_DEF_PATH_SIZE];

	if (!slash)
		return false;
	snprintf(dir, sizeof(dir), "%.*s", slash > path ? (int)(slash - path) : 1, path);
	return statfs(dir, ret) == 0;
}

static bool is_plain(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0 && (errno != ENOENT || !look_at_directory(path, &fs)))
		return false; /* QEMU has the words for it */
	return fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC;
}

void fetch_look_blocking(struct preflight *preflight)
{
	for (size_t i = 0; preflight->fetches && i < preflight->needs->memory_file_count; i++)
		preflight->is_plain_memory[i] = is_plain(preflight->needs->memory_files[i].path);
}

void fetch_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->memory_file_count; i++) {
		const struct need_memory_file *file = &preflight->needs->memory_files[i];

		if (preflight->is_plain_memory[i])
			preflight_add(
				ret, "postcopy",
				"%s: '%s' is a plain file on this host, into which the kernel "
				"lets QEMU fetch no memory: leave out postcopy, or stop the VM "
				"and put that memory into tmpfs (/dev/shm), a memfd or huge "
				"pages",
				file->what, file->path);
	}
}
