/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/noise.h -- log records that outsiders cause, at a bounded rate.
 *
 *   if (noise_note(noise, address, reason))
 *           log_info("port", "refused", "address=%s reason=%s", address, reason);
 *
 * In each period of 10 s the caller writes the record of the first event of a pair of who and
 * reason.  Further events are counted, and the period ends with one record for each pair that
 * came more than once:
 *
 *   area=port event=refused address=192.0.2.7 reason="no preamble" count=5000 seconds=10
 *
 * At most NOISE_ROWS pairs are told apart, and NOISE_ROWS_EACH of one who.  Further pairs are
 * counted together, as reason=various of that who, or as WHO=others.  So nobody can cause more
 * than 2 * (NOISE_ROWS + 1) records in a period, nor hide what others do behind many reasons.
 *
 * Thread: any may call noise_note(), as a noise has its own lock; the loop's makes and frees it.
 */
#ifndef MIGRD_BASE_NOISE_H
#define MIGRD_BASE_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/loop.h"

#define NOISE_PERIOD_MS 10000
#define NOISE_ROWS      32
#define NOISE_ROWS_EACH 8

/* Describes the records with a count. */
struct noise_kind {
	enum log_level level;
	const char *area, *event;
	const char *who; /* the key: address, peer, vm, ... */
};

struct noise;

/* KIND is borrowed for the noise's life; a timer of LOOP ends the periods. */
struct noise *noise_new(struct loop *loop, const struct noise_kind *kind);
/* True: the caller writes its own record.  Only the first 79 bytes of WHO and of REASON are
 * compared. */
bool noise_note(struct noise *noise, const char *who, const char *reason);
/* Writes what was counted, and frees it.  Accepts NULL. */
void noise_free(struct noise *noise);

#endif
