/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* One line of fixed length, so that it is written in one piece. */
#define MARK_SIZE (ID_UUID_SIZE + 2 * 21)

int store_mark_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		log_warning("store", "no-mark", "path=%s reason=\"it cannot be opened\"", path);
	return fd;
}

bool store_mark_read(int fd, struct store_mark *ret)
{
	struct store_mark mark = { 0 };
	char text[MARK_SIZE + 1] = "";

	if (fd < 0 || pread(fd, text, MARK_SIZE, 0) != MARK_SIZE)
		return false;
	if (sscanf(text, "%36s %20" SCNu64 " %20" SCNu64, mark.id, &mark.epoch, &mark.sequence) !=
	    3)
		return false;
	if (!id_uuid_is_valid(mark.id))
		return false;
	*ret = mark;
	return true;
}

void store_mark_write(int fd, const struct store_mark *mark)
{
	char text[MARK_SIZE + 1];

	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%-36s %020" PRIu64 " %020" PRIu64 "\n", mark->id, mark->epoch,
		 mark->sequence);
	if (pwrite(fd, text, MARK_SIZE, 0) != MARK_SIZE)
		log_debug("store", "mark", "it was not written");
}
