/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layout and the checksum are those of sqlite.org/fileformat2.html, 4.1 and 4.2. */
#include "store/wal.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define HEADER_SIZE   32
#define FRAME_HEADER  24
#define MAGIC         0x377f0682u /* its last bit: checksums of big-endian words */
#define PAGE_SIZE_MAX 65536u

struct sum {
	uint32_t a, b;
};

struct wal {
	int fd;
	bool is_big_endian;
	uint32_t page_size;
	unsigned char salts[8];
	struct sum sum; /* of the header and all right frames so far */
	unsigned char *frame;
};

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little_endian(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum add(const struct wal *wal, struct sum sum, const unsigned char *p, size_t len)
{
	uint32_t (*word)(const unsigned char *) = wal->is_big_endian ? big_endian : little_endian;

	for (size_t i = 0; i + 8 <= len; i += 8) {
		sum.a += word(p + i) + sum.b;
		sum.b += word(p + i + 4) + sum.a;
	}
	return sum;
}

static bool is_sum(struct sum sum, const unsigned char *p)
{
	return sum.a == big_endian(p) && sum.b == big_endian(p + 4);
}

static bool read_header(struct wal *wal)
{
	unsigned char header[HEADER_SIZE];

	if (read(wal->fd, header, sizeof(header)) != (ssize_t)sizeof(header) ||
	    (big_endian(header) & ~1u) != MAGIC)
		return false;
	wal->is_big_endian = big_endian(header) & 1;
	wal->page_size = big_endian(header + 8);
	if (wal->page_size < 512 || wal->page_size > PAGE_SIZE_MAX || wal->page_size % 8)
		return false;
	memcpy(wal->salts, header + 16, sizeof(wal->salts));
	wal->sum = add(wal, (struct sum){ 0, 0 }, header, 24);
	return is_sum(wal->sum, header + 24);
}

/* Reads the next frame. *RET_IS_OURS false: it is left from an older log, over which this one
 * is written. */
static bool read_frame(const struct wal *wal, bool *ret_is_ours)
{
	ssize_t size = (ssize_t)(FRAME_HEADER + wal->page_size);

	if (read(wal->fd, wal->frame, (size_t)size) != size)
		return false;
	*ret_is_ours = memcmp(wal->frame + 8, wal->salts, sizeof(wal->salts)) == 0;
	return true;
}

static bool is_right(struct wal *wal)
{
	struct sum sum = add(wal, wal->sum, wal->frame, 8);

	sum = add(wal, sum, wal->frame + FRAME_HEADER, wal->page_size);
	if (!is_sum(sum, wal->frame + 16))
		return false;
	wal->sum = sum;
	return true;
}

/* A power loss may tear the last commit before it was answered. That counts as a
 * broken place too, because the two cannot be told apart. */
static enum store_wal look(struct wal *wal)
{
	bool is_broken = false, is_ours = false, has_frame = false;

	while (read_frame(wal, &is_ours)) {
		bool is_commit = big_endian(wal->frame + 4) != 0;

		is_broken = is_broken || !is_ours || !is_right(wal);
		if (!is_broken)
			has_frame = true;
		else if (is_ours && is_commit)
			return STORE_WAL_BROKEN;
	}
	return has_frame ? STORE_WAL_WHOLE : STORE_WAL_NONE;
}

enum store_wal store_wal_look_blocking(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct wal wal = { .fd = fd };
	enum store_wal found;

	if (fd < 0 || !read_header(&wal))
		return STORE_WAL_NONE;
	wal.frame = xcalloc(1, FRAME_HEADER + wal.page_size);
	found = look(&wal);
	free(wal.frame);
	return found;
}
