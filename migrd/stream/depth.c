/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/depth.h"

/* How long DEPTH would have taken. */
static uint64_t time_of(size_t depth, size_t bytes, uint64_t took_us)
{
	return bytes ? took_us * depth / bytes : 0;
}

size_t depth_next(size_t depth, size_t bytes, uint64_t took_us)
{
	uint64_t us = time_of(depth, bytes, took_us);

	if (us > DEPTH_US)
		return depth / 2 > DEPTH_MIN_BYTES ? depth / 2 : DEPTH_MIN_BYTES;
	if (us < DEPTH_US / 3)
		return depth * 2 < DEPTH_MAX_BYTES ? depth * 2 : DEPTH_MAX_BYTES;
	return depth;
}
