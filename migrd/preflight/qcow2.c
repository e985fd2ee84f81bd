/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/qcow2.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define MAGIC           0x514649fbU
#define V2_HEADER_BYTES 72
#define AT_VERSION      4
#define AT_BACKING      8
#define AT_BACKING_LEN  16
#define AT_HEADER_LEN   100 /* version 3 */
#define EXTENSION_BYTES 8
#define EXT_FORMAT      0xe2792acaU
#define EXT_DATA_FILE   0x44415441U

struct bytes {
	const unsigned char *data;
	size_t len;
};

static uint32_t u32_at(const struct bytes *bytes, size_t at)
{
	uint32_t value;

	memcpy(&value, bytes->data + at, sizeof(value));
	return be32toh(value);
}

static uint64_t u64_at(const struct bytes *bytes, size_t at)
{
	uint64_t value;

	memcpy(&value, bytes->data + at, sizeof(value));
	return be64toh(value);
}

static bool copy_text(const struct bytes *bytes, uint64_t at, uint64_t len, char *ret_text,
		      size_t size)
{
	if (len >= size || at > bytes->len || len > bytes->len - at)
		return false;
	memcpy(ret_text, bytes->data + at, len);
	ret_text[len] = '\0';
	return strlen(ret_text) == len;
}

static bool read_extension(const struct bytes *bytes, size_t at, uint32_t type, uint32_t len,
			   struct qcow2_head *head)
{
	char format[16];

	if (type == EXT_FORMAT)
		head->backing_is_raw = copy_text(bytes, at, len, format, sizeof(format)) &&
				       strcmp(format, "raw") == 0;
	if (type == EXT_DATA_FILE)
		return copy_text(bytes, at, len, head->data_file, sizeof(head->data_file));
	return true;
}

static bool read_extensions(const struct bytes *bytes, size_t at, struct qcow2_head *head)
{
	while (at + EXTENSION_BYTES <= bytes->len) {
		uint32_t type = u32_at(bytes, at);
		uint32_t len = u32_at(bytes, at + 4);

		if (type == 0)
			return true;
		at += EXTENSION_BYTES;
		if (len > bytes->len - at || !read_extension(bytes, at, type, len, head))
			return false;
		at += (len + 7) & ~(size_t)7;
	}
	return true;
}

bool qcow2_head_read(const void *data, size_t len, struct qcow2_head *ret, struct err *err)
{
	const struct bytes bytes = { data, len };
	struct qcow2_head head = { 0 };
	size_t header_len = V2_HEADER_BYTES;
	uint64_t backing;

	if (len < V2_HEADER_BYTES || u32_at(&bytes, 0) != MAGIC)
		return err_set(err, ERR_INVALID, "it is no qcow2 image");
	if (u32_at(&bytes, AT_VERSION) >= 3 && len >= AT_HEADER_LEN + sizeof(uint32_t))
		header_len = u32_at(&bytes, AT_HEADER_LEN);
	backing = u64_at(&bytes, AT_BACKING);
	if (backing && !copy_text(&bytes, backing, u32_at(&bytes, AT_BACKING_LEN), head.backing,
				  sizeof(head.backing)))
		return err_set(err, ERR_INVALID, "the name of its backing file cannot be read");
	if (header_len > len || !read_extensions(&bytes, header_len, &head))
		return err_set(err, ERR_INVALID, "its qcow2 header cannot be read");
	*ret = head;
	return true;
}
