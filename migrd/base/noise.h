/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/noise.h -- what strangers do, in the log at a bounded rate.
 *
 * In each period the first time of an address and reason is written at once; the
 * others are counted, and the period ends with one record for each that came more
 * than once.  At most NOISE_ROWS addresses and reasons are told apart; what is
 * beyond is counted together as address=others.  So nobody can write more than
 * 2 * (NOISE_ROWS + 1) records in a period.
 *
 * Thread: any; a noise has its own lock.
 */
#ifndef MIGRD_BASE_NOISE_H
#define MIGRD_BASE_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#define NOISE_PERIOD_MS 10000
#define NOISE_ROWS      16

struct noise;

/* AREA and EVENT of the records; constants. */
struct noise *noise_new(const char *area, const char *event);
/* REASON is cut to 80 bytes.  True: a period has begun, and noise_end_period() is
 * wanted in NOISE_PERIOD_MS. */
bool noise_note(struct noise *noise, const char *address, const char *reason);
/* Writes what was counted. */
void noise_end_period(struct noise *noise);
/* The same, and frees it.  Accepts NULL. */
void noise_free(struct noise *noise);

#endif
