/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/block.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/mem.h"

#define SECTOR_BYTES 512 /* unit of sysfs, whatever the device's own sectors are */
#define TEXT_MAX     160

/* The first line of DIR/NAME; "" if there is none. */
static void read_line(const char *dir, const char *name, char ret_line[TEXT_MAX])
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, name);
	CLEANUP(free_charp) char *text = NULL;
	struct err err;
	size_t len;

	ret_line[0] = '\0';
	if (!file_read(path, 4096, &text, &len, &err))
		return;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) < TEXT_MAX)
		snprintf(ret_line, TEXT_MAX, "%s", text);
}

/* NAME is of a kind that is unique in the world.  "t10." is left out: it is made of model and
 * serial number, which virtual disks of many hosts share. */
static bool is_unique(const char *name)
{
	static const char *const prefixes[] = { "naa.", "eui.", "uuid.", "LVM-", "mpath-" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], len) == 0)
			return name[len + strspn(name + len, "0-")] != '\0';
	}
	return false;
}

/* The name is in one of these files of sysfs: SCSI, NVMe, device mapper; of a partition, the
 * disk's. */
static bool find_name(const char *dir, char ret_name[TEXT_MAX])
{
	static const char *const places[] = { "device/wwid", "wwid", "dm/uuid", "../device/wwid",
					      "../wwid" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		read_line(dir, places[i], ret_name);
		if (is_unique(ret_name))
			return true;
	}
	return false;
}

void block_look_blocking(dev_t rdev, struct evidence_file *file)
{
	char dir[64], line[TEXT_MAX], start[TEXT_MAX];

	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	read_line(dir, "size", line);
	file->size = strtoull(line, NULL, 10) * SECTOR_BYTES;
	read_line(dir, "start", start); /* only partitions have one */
	if (find_name(dir, line))
		snprintf(file->device, sizeof(file->device), "%s%s%s", line, start[0] ? "@" : "",
			 start);
}
