/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/rotate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static bool open_new(struct rotate *log)
{
	log->fd = open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	log->written = 0;
	return log->fd >= 0;
}

void rotate_init(struct rotate *log, const char *path, uint64_t size)
{
	assert(size >= ROTATE_SIZE_MIN);
	*log = (struct rotate){ .path = path, .size = size };
	open_new(log);
}

/* Begins a new file. If the rename fails, for want of room for a name, the present file is
 * emptied, so that it stays bounded. */
static bool turn(struct rotate *log)
{
	CLEANUP(free_charp) char *former = xasprintf("%s.1", log->path);

	if (log->fd >= 0)
		close(log->fd);
	(void)rename(log->path, former);
	return open_new(log);
}

static bool put(struct rotate *log, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(log->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		log->written += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* LEN is at most half of the size. */
static bool put_bounded(struct rotate *log, const char *data, size_t len)
{
	if (log->fd < 0 && !open_new(log))
		return false;
	if (log->written + len > log->size / 2 && !turn(log))
		return false;
	return put(log, data, len);
}

static void note_drop(struct rotate *log, size_t len)
{
	log->error = errno;
	log->dropped += len;
}

static bool say_dropped(struct rotate *log)
{
	char text[160];
	int len;

	if (!log->dropped)
		return true;
	len = snprintf(text, sizeof(text),
		       "\n" ROTATE_PREFIX "%" PRIu64 " bytes were dropped: %s\n", log->dropped,
		       strerror(log->error));
	if (!put_bounded(log, text, (size_t)len))
		return false;
	log->dropped = 0;
	return true;
}

void rotate_write(struct rotate *log, const char *data, size_t len)
{
	const size_t step = ROTATE_SIZE_MIN / 4;

	while (len > 0) {
		size_t now = len < step ? len : step;

		if (!say_dropped(log) || !put_bounded(log, data, now))
			note_drop(log, now);
		data += now;
		len -= now;
	}
}

void rotate_say(struct rotate *log, const char *text)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "\n" ROTATE_PREFIX "%.200s\n", text);

	rotate_write(log, line, (size_t)len);
}

void rotate_fini(struct rotate *log)
{
	say_dropped(log);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}
