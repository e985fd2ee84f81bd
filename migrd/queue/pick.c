/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue/pick.h"

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

static bool is_full(double used, double most)
{
	return most > 0 && used * 100 >= most * PICK_FULL_PERCENT;
}

static bool has_room(const struct pick_link *link)
{
	unsigned n = link->transfers;

	if (n < PICK_TRANSFERS_MIN)
		return true;
	if (n >= PICK_TRANSFERS_MAX || !(link->bytes_per_s[n] > 0))
		return false; /* what these get together is to be seen first */
	if (is_full(link->bytes_per_s[n], link->let_come_bytes_per_s))
		return false;
	if (link->measured_bytes_per_s > 0 &&
	    !is_full(link->bytes_per_s[n], link->measured_bytes_per_s))
		return true;
	return does_one_more_help(link);
}

enum pick_hold pick_next(const struct pick_load *load, const struct pick_link *link)
{
	if (load->out >= load->out_max)
		return PICK_HOLD_OUT_MAX;
	if (load->setting_up >= load->setups_max)
		return PICK_HOLD_SETTING_UP;
	if (load->transfers >= PICK_TRANSFERS_MIN &&
	    is_full(load->bytes_per_s, load->budget_bytes_per_s))
		return PICK_HOLD_BUDGET;
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

int64_t pick_turn_ms(int64_t created_ms, uint64_t alone_ms)
{
	uint64_t later_ms = alone_ms < PICK_PASSED_MAX_MS / PICK_TURN_FACTOR
				    ? alone_ms * PICK_TURN_FACTOR
				    : PICK_PASSED_MAX_MS;

	return created_ms + (int64_t)later_ms;
}

bool pick_longest_add(struct pick_longest *of, uint64_t alone_ms)
{
	bool is_longest = alone_ms > of->longest_ms;

	of->count++;
	of->unknown += !alone_ms;
	of->sum_ms += alone_ms;
	if (is_longest)
		of->longest_ms = alone_ms;
	return is_longest;
}

bool pick_longest_goes_first(const struct pick_longest *of)
{
	return of->count > 2 && !of->unknown && of->longest_ms >= of->sum_ms - of->longest_ms;
}
