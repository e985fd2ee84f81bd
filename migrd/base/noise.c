/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/noise.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop_ops.h"
#include "base/mem.h"

#define TEXT_SIZE 80

struct row {
	char who[TEXT_SIZE];
	char reason[TEXT_SIZE];
	uint64_t count;
};

struct noise {
	const struct noise_kind *kind;
	struct loop *loop;
	struct loop_timer *period;
	pthread_mutex_t lock;            /* guards what follows */
	struct row rows[NOISE_ROWS + 1]; /* the last is that of the others */
	size_t used;                     /* rows in use, without that of the others */
	uint64_t began_ms;               /* when the first row of the period was used */
	bool is_counting;                /* some row has come twice: the timer runs */
};

/* ---- rows -------------------------------------------------------------- */

static bool is_same(const char *text, const char *other)
{
	return strncmp(text, other, TEXT_SIZE - 1) == 0;
}

static struct row *set_row(struct row *row, const char *who, const char *reason)
{
	snprintf(row->who, sizeof(row->who), "%s", who);
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
	return row;
}

/* Finds or makes the row of WHO and REASON.  The last row that one WHO may have stands for all
 * its other reasons. */
static struct row *row_of(struct noise *noise, const char *who, const char *reason)
{
	struct row *last = NULL;
	size_t count = 0;

	for (size_t i = 0; i < noise->used; i++) {
		struct row *row = &noise->rows[i];

		if (!is_same(row->who, who))
			continue;
		if (is_same(row->reason, reason))
			return row;
		last = row;
		count++;
	}
	if (count == NOISE_ROWS_EACH)
		return last;
	if (noise->used == NOISE_ROWS)
		return set_row(&noise->rows[NOISE_ROWS], "others", "various");
	return set_row(&noise->rows[noise->used++], who,
		       count == NOISE_ROWS_EACH - 1 ? "various" : reason);
}

static void write_row(const struct noise_kind *kind, const struct row *row)
{
	log_record(kind->level, kind->area, kind->event,
		   "%s=%s reason=%s count=%" PRIu64 " seconds=%d", kind->who, row->who, row->reason,
		   row->count, NOISE_PERIOD_MS / 1000);
}

/* ---- periods ------------------------------------------------------------ */

/* The lock is held. */
static void end_period(struct noise *noise)
{
	for (size_t i = 0; i < ARRAY_LEN(noise->rows); i++) {
		struct row *row = &noise->rows[i];

		if (row->count > 1)
			write_row(noise->kind, row);
		memset(row, 0, sizeof(*row));
	}
	noise->used = 0;
	noise->is_counting = false;
}

static void on_period_over(void *data)
{
	struct noise *noise = data;

	pthread_mutex_lock(&noise->lock);
	end_period(noise);
	pthread_mutex_unlock(&noise->lock);
}

static void begin_period(void *data)
{
	struct noise *noise = data;
	uint64_t now = loop_now_ms(noise->loop), end;

	pthread_mutex_lock(&noise->lock);
	end = noise->began_ms + NOISE_PERIOD_MS;
	pthread_mutex_unlock(&noise->lock);
	loop_timer_start(noise->period, end > now ? (uint32_t)(end - now) : 0);
}

/* The lock is held.  A period in which nothing came twice needs no timer to end. */
static void look_at_period(struct noise *noise)
{
	uint64_t now = loop_now_ms(noise->loop);

	if (!noise->is_counting && now - noise->began_ms >= NOISE_PERIOD_MS)
		end_period(noise);
	if (noise->used == 0)
		noise->began_ms = now;
}

bool noise_note(struct noise *noise, const char *who, const char *reason)
{
	bool is_first_of_row, begins = false;

	pthread_mutex_lock(&noise->lock);
	look_at_period(noise);
	is_first_of_row = row_of(noise, who, reason)->count++ == 0;
	if (!is_first_of_row && !noise->is_counting)
		begins = noise->is_counting = true;
	pthread_mutex_unlock(&noise->lock);
	if (begins)
		loop_post(noise->loop, begin_period, noise);
	return is_first_of_row;
}

/* ---- life ---------------------------------------------------------------- */

struct noise *noise_new(struct loop *loop, const struct noise_kind *kind)
{
	struct noise *noise = xnew(struct noise);

	noise->kind = kind;
	noise->loop = loop;
	noise->period = loop_timer_new(loop, on_period_over, noise);
	pthread_mutex_init(&noise->lock, NULL);
	return noise;
}

void noise_free(struct noise *noise)
{
	if (!noise)
		return;
	loop_unpost(noise->loop, begin_period, noise);
	loop_timer_free(noise->period);
	end_period(noise);
	pthread_mutex_destroy(&noise->lock);
	free(noise);
}
