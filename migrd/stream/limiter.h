/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/limiter.h -- limits how many bytes go out a second, over all channels
 * together.
 *
 * It may be told to give way for some time: then nothing goes out but for what needs no
 * lease, and what was not sent meanwhile is credited as ever.
 *
 * The limiter may also be on lease: when the lease has run out, nothing goes out until
 * the next one, but for what needs none.  The rate is shared by both.
 *
 * It is a token bucket of 100 ms, so a thread that the scheduler keeps away for less
 * loses nothing.  If the rate changes while threads wait, they go on at the new one.
 * Thread: any.
 */
#ifndef MIGRD_STREAM_LIMITER_H
#define MIGRD_STREAM_LIMITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITER_FOREVER UINT64_MAX

struct limiter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t bytes_per_s;  /* 0: no limit */
	uint64_t credit_bytes; /* at most the bucket's size */
	uint64_t refilled_ns;
	uint64_t lease_ends_ns; /* LIMITER_FOREVER: not on lease */
	uint64_t way_ends_ns;   /* it gives way until then */
};

void limiter_init(struct limiter *limiter, uint64_t bytes_per_s);
void limiter_set(struct limiter *limiter, uint64_t bytes_per_s);
/* Starts a lease of MS now, in place of the former one; LIMITER_FOREVER: without end. */
void limiter_lease(struct limiter *limiter, uint64_t ms);
bool limiter_is_on_lease(struct limiter *limiter);
/* Nothing goes out for MS from now, in place of what was told before; 0: it goes on. */
void limiter_give_way(struct limiter *limiter, uint64_t ms);
/* Waits until some of WANTED bytes may go, and returns how many: at least 1.  Returns 0
 * when *STOP became true; limiter_wake() makes waiting threads look at it.  WITHOUT_LEASE:
 * it does not wait for a lease, and gives way to nobody. */
size_t limiter_take(struct limiter *limiter, size_t wanted, bool without_lease,
		    const atomic_bool *stop);
void limiter_wake(struct limiter *limiter);

#endif
