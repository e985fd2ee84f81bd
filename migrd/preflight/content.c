/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/content.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "tls/digest.h"

/* Adds exactly LEN bytes at AT to DIGEST. */
static bool add_piece(int fd, uint64_t at, size_t len, char *buffer, struct digest *digest)
{
	for (size_t got = 0; got < len;) {
		ssize_t count = pread(fd, buffer + got, len - got, (off_t)(at + got));

		if (count <= 0)
			return false;
		got += (size_t)count;
	}
	return digest_add(digest, buffer, len);
}

static bool add_whole(int fd, uint64_t size, char *buffer, struct digest *digest)
{
	for (uint64_t at = 0; at < size; at += CONTENT_SAMPLE_BYTES) {
		uint64_t left = size - at;
		size_t len = left < CONTENT_SAMPLE_BYTES ? (size_t)left : CONTENT_SAMPLE_BYTES;

		if (!add_piece(fd, at, len, buffer, digest))
			return false;
	}
	return true;
}

static bool add_samples(int fd, uint64_t size, char *buffer, struct digest *digest)
{
	uint64_t step = (size - CONTENT_SAMPLE_BYTES) / (CONTENT_SAMPLES - 1);

	for (uint64_t i = 0; i < CONTENT_SAMPLES; i++) {
		uint64_t at = i == CONTENT_SAMPLES - 1 ? size - CONTENT_SAMPLE_BYTES : i * step;

		if (!add_piece(fd, at, CONTENT_SAMPLE_BYTES, buffer, digest))
			return false;
	}
	return true;
}

void content_digest_blocking(const char *path, struct evidence_file *file)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct digest *digest = fd >= 0 ? digest_new() : NULL;
	CLEANUP(free_charp) char *buffer = xcalloc(1, CONTENT_SAMPLE_BYTES);
	char text[DIGEST_TEXT_SIZE];
	bool is_whole = file->size <= CONTENT_WHOLE_BYTES, ok;

	if (!digest)
		return;
	ok = is_whole ? add_whole(fd, file->size, buffer, digest)
		      : add_samples(fd, file->size, buffer, digest);
	digest_end(digest, text);
	if (!ok)
		return;
	snprintf(file->digest, sizeof(file->digest), "%s", text);
	file->sampled = !is_whole;
}
