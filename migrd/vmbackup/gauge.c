/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmbackup/gauge.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

enum { WAITS, BEGUN, STOPPED };

struct vmbackup_gauge {
	atomic_uint refs;
	atomic_int phase;
	atomic_uint_fast64_t bytes;
};

struct vmbackup_gauge *vmbackup_gauge_new(void)
{
	struct vmbackup_gauge *gauge = xnew(struct vmbackup_gauge);

	atomic_init(&gauge->refs, 1);
	atomic_init(&gauge->phase, WAITS);
	atomic_init(&gauge->bytes, 0);
	return gauge;
}

struct vmbackup_gauge *vmbackup_gauge_ref(struct vmbackup_gauge *gauge)
{
	if (gauge)
		atomic_fetch_add(&gauge->refs, 1);
	return gauge;
}

void vmbackup_gauge_unref(struct vmbackup_gauge *gauge)
{
	if (gauge && atomic_fetch_sub(&gauge->refs, 1) == 1)
		free(gauge);
}

bool vmbackup_gauge_begin(struct vmbackup_gauge *gauge)
{
	int waits = WAITS;

	return atomic_compare_exchange_strong(&gauge->phase, &waits, BEGUN);
}

void vmbackup_gauge_add(struct vmbackup_gauge *gauge, uint64_t bytes)
{
	atomic_fetch_add(&gauge->bytes, bytes);
}

bool vmbackup_gauge_is_stopped(const struct vmbackup_gauge *gauge)
{
	return atomic_load(&gauge->phase) == STOPPED;
}

bool vmbackup_gauge_stop(struct vmbackup_gauge *gauge)
{
	return atomic_exchange(&gauge->phase, STOPPED) == WAITS;
}

bool vmbackup_gauge_has_begun(const struct vmbackup_gauge *gauge)
{
	return atomic_load(&gauge->phase) == BEGUN;
}

uint64_t vmbackup_gauge_bytes(const struct vmbackup_gauge *gauge)
{
	return atomic_load(&gauge->bytes);
}
