/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of a guest's memory is not zero, and how much of it is changed: for the forecast. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "move/foresee.h"
#include "move/foresee_past.h"
#include "move/priv.h"

/* Of memory that is zero QEMU sends a few bytes a page. */
#define ZERO_PAGE_SHARE (9.0 / 4096)
/* So many moves of other VMs are looked at. */
#define OTHERS 5

/* ---- what of it is zero ---------------------------------------------------------------- */

/* What was zero of the memory that the host had provided for the guest of MOVE; false: it is not
 * told. */
static bool zero_then(const struct move *move, double *ret)
{
	double provided = move->forecast ? (double)move->forecast->basis.resident_bytes : 0;
	double all = (double)move->ram.info.ram_total_bytes;
	double sent = (double)foresee_first_pass_bytes(move) - all * ZERO_PAGE_SHARE;

	if (move->machine.state != MOVE_STATE_DONE || provided <= 0 || sent <= 0)
		return false;
	*ret = fmax(provided - sent / (1 - ZERO_PAGE_SHARE), 0);
	return true;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The kernel provides memory in large pages, and a part of them is zero: so much of it as the last
 * move of the same VM from here did not send, or else, in the middle, the last ones of others; but
 * not more than half. */
static double zero_of_resident(struct moves *moves, const char *vm_uuid, double resident)
{
	double others[OTHERS], zero;
	size_t count = 0;

	for (const struct move *move = moves_first(moves); move; move = move_next(move)) {
		if (!zero_then(move, &zero))
			continue;
		if (strcmp(move->row.vm_uuid, vm_uuid) == 0)
			return fmin(zero, resident / 2);
		if (count < OTHERS)
			others[count++] = zero;
	}
	if (!count)
		return 0;
	qsort(others, count, sizeof(*others), compare);
	return fmin(others[count / 2], resident / 2);
}

void foresee_memory(struct moves *moves, const struct foresee_guest *guest,
		    const struct vm_dirty *dirty, uint64_t now_ms, struct forecast_input *ret)
{
	uint64_t memory_bytes = guest->memory_bytes, resident_bytes = guest->resident_bytes;
	const char *vm_uuid = guest->vm_uuid;

	ret->memory_bytes = memory_bytes;
	ret->resident_bytes =
		resident_bytes && resident_bytes < memory_bytes ? resident_bytes : memory_bytes;
	ret->nonzero_bytes =
		ret->resident_bytes -
		(uint64_t)zero_of_resident(moves, vm_uuid, (double)ret->resident_bytes);
	if (!dirty->is_known)
		return;
	ret->dirty = forecast_fit_dirty(&(struct forecast_sample){ dirty->short_s, dirty->long_s,
								   dirty->short_bytes,
								   dirty->long_bytes },
					(double)ret->nonzero_bytes);
	ret->dirty.age_ms = now_ms - dirty->at_ms;
}

/* ---- what the host has provided -------------------------------------------------------- */

/* A mapping begins with "FROM-TO PERMISSIONS ..." in hexadecimal digits; its members follow as
 * "Rss:   1234 kB" (proc(5)). */
static bool is_beginning(const char *line, uint64_t *ret_bytes)
{
	unsigned long long from, to;

	if (sscanf(line, "%llx-%llx ", &from, &to) != 2)
		return false;
	*ret_bytes = to - from;
	return true;
}

static uint64_t resident_of(const char *line)
{
	static const char *const members[] = { "Rss:", "Shared_Hugetlb:", "Private_Hugetlb:" };
	unsigned long long kib;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		size_t len = strlen(members[i]);

		if (strncmp(line, members[i], len) == 0 && sscanf(line + len, "%llu", &kib) == 1)
			return kib * 1024;
	}
	return 0;
}

uint64_t foresee_resident_blocking(pid_t pid, uint64_t memory_bytes)
{
	char path[40], line[512];
	uint64_t mapping = 0, of_size = 0, all = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		uint64_t bytes;

		if (is_beginning(line, &mapping))
			continue;
		bytes = resident_of(line);
		all += bytes;
		of_size += mapping == memory_bytes ? bytes : 0;
	}
	if (file)
		fclose(file);
	return of_size ? of_size : all;
}
