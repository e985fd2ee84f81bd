/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/noise.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/net_prefix.h"

struct row {
	char address[NET_ADDRESS_SIZE];
	char reason[80];
	uint64_t count;
};

struct noise {
	const char *area, *event;
	pthread_mutex_t lock;
	struct row rows[NOISE_ROWS + 1]; /* the last: others */
	size_t used;                     /* without the others */
};

struct noise *noise_new(const char *area, const char *event)
{
	struct noise *noise = xnew(struct noise);

	noise->area = area;
	noise->event = event;
	pthread_mutex_init(&noise->lock, NULL);
	return noise;
}

static struct row *row_of(struct noise *noise, const char *address, const char *reason)
{
	struct row *row;

	for (size_t i = 0; i < noise->used; i++) {
		row = &noise->rows[i];
		if (!strcmp(row->address, address) &&
		    !strncmp(row->reason, reason, sizeof(row->reason) - 1))
			return row;
	}
	row = &noise->rows[noise->used];
	if (noise->used < NOISE_ROWS) {
		noise->used++;
		snprintf(row->address, sizeof(row->address), "%s", address);
		snprintf(row->reason, sizeof(row->reason), "%s", reason);
	} else {
		snprintf(row->address, sizeof(row->address), "others");
		snprintf(row->reason, sizeof(row->reason), "various");
	}
	return row;
}

bool noise_note(struct noise *noise, const char *address, const char *reason)
{
	struct row *row;
	bool is_first;

	pthread_mutex_lock(&noise->lock);
	is_first = noise->used == 0;
	row = row_of(noise, address, reason);
	if (row->count++ == 0)
		log_info(noise->area, noise->event, "address=%s reason=%s", row->address,
			 row->reason);
	pthread_mutex_unlock(&noise->lock);
	return is_first;
}

void noise_end_period(struct noise *noise)
{
	pthread_mutex_lock(&noise->lock);
	for (size_t i = 0; i < ARRAY_LEN(noise->rows); i++) {
		struct row *row = &noise->rows[i];

		if (row->count > 1)
			log_info(noise->area, noise->event,
				 "address=%s reason=%s count=%" PRIu64 " seconds=%d", row->address,
				 row->reason, row->count, NOISE_PERIOD_MS / 1000);
		memset(row, 0, sizeof(*row));
	}
	noise->used = 0;
	pthread_mutex_unlock(&noise->lock);
}

void noise_free(struct noise *noise)
{
	if (!noise)
		return;
	noise_end_period(noise);
	pthread_mutex_destroy(&noise->lock);
	free(noise);
}
