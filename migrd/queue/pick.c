/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue/pick.h"

#include <string.h>

void pick_learn(struct pick_link *link, double bytes_per_s)
{
	unsigned n = link->transfers;
	double *known;

	if (n == 0 || n > PICK_TRANSFERS_MAX)
		return;
	known = &link->bytes_per_s[n];
	*known = *known > 0 ? (*known + bytes_per_s) / 2 : bytes_per_s;
}

/* One more was seen to help, or nothing tells yet that it would not. */
static bool does_one_more_help(const struct pick_link *link)
{
	double now = link->bytes_per_s[link->transfers];
	double before = link->bytes_per_s[link->transfers - 1];

	return now * 100 > before * (100 + PICK_GAIN_PERCENT);
}

static bool has_room(const struct pick_link *link)
{
	unsigned n = link->transfers;

	if (n < PICK_TRANSFERS_MIN)
		return true;
	if (n >= PICK_TRANSFERS_MAX || !(link->bytes_per_s[n] > 0))
		return false; /* what these get together is to be seen first */
	if (link->bytes_per_s[n] * 100 < link->measured_bytes_per_s * PICK_FULL_PERCENT)
		return true;
	return does_one_more_help(link);
}

enum pick_hold pick_next(const struct pick_load *load, const struct pick_link *link)
{
	if (load->out >= load->out_max)
		return PICK_HOLD_OUT_MAX;
	if (load->setting_up >= load->cpus + PICK_SETTING_UP_MORE)
		return PICK_HOLD_SETTING_UP;
	return has_room(link) ? PICK_GO : PICK_HOLD_LINK;
}

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *id)
{
	uint32_t sum = 2166136261u;

	for (; *id; id++)
		sum = (sum ^ (unsigned char)*id) * 16777619u;
	return sum;
}

uint64_t pick_backoff_ms(unsigned rounds, const char *id)
{
	uint64_t ms = PICK_BACKOFF_MIN_MS;

	for (unsigned i = 1; i < rounds && ms < PICK_BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > PICK_BACKOFF_MAX_MS)
		ms = PICK_BACKOFF_MAX_MS;
	return ms + hash(id) % (ms / 4);
}

void pick_note_end(struct pick_pace *pace, uint64_t now_ms)
{
	if (pace->count == PICK_PACE_ENDS) {
		memmove(&pace->ends_ms[0], &pace->ends_ms[1],
			(PICK_PACE_ENDS - 1) * sizeof(pace->ends_ms[0]));
		pace->count--;
	}
	pace->ends_ms[pace->count++] = now_ms;
}

bool pick_expect(const struct pick_pace *pace, uint64_t position, uint64_t now_ms,
		 uint64_t *ret_min_ms, uint64_t *ret_max_ms)
{
	unsigned first = 0;
	uint64_t each_ms;

	while (first < pace->count && pace->ends_ms[first] + PICK_PACE_AGE_MS < now_ms)
		first++;
	if (pace->count - first < 2)
		return false;
	each_ms =
		(pace->ends_ms[pace->count - 1] - pace->ends_ms[first]) / (pace->count - first - 1);
	*ret_min_ms = position * each_ms / 2;
	*ret_max_ms = position * each_ms * 2;
	return true;
}
