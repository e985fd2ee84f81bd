/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/limiter.h"

#include "base/clock.h"

#define NS_PER_S  1000000000u
#define BUCKET_NS 100000000u
/* A smaller piece is mostly TLS overhead.  Down to 10 KiB/s the bucket is larger than
 * this anyway. */
#define PIECE_MIN_BYTES 256u

void limiter_init(struct limiter *limiter, uint64_t bytes_per_s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&limiter->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&limiter->changed, &attr);
	pthread_condattr_destroy(&attr);
	limiter->bytes_per_s = bytes_per_s;
	limiter->credit_bytes = 0;
	limiter->refilled_ns = clock_monotonic_ns();
	limiter->lease_ends_ns = LIMITER_FOREVER;
	limiter->way_ends_ns = 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t bucket_bytes(const struct limiter *limiter)
{
	uint64_t bytes = limiter->bytes_per_s / (NS_PER_S / BUCKET_NS);

	return bytes < PIECE_MIN_BYTES ? PIECE_MIN_BYTES : bytes;
}

/* `refilled_ns' advances only by the time that was credited, so rounding loses no
 * bytes. */
static void refill(struct limiter *limiter)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t elapsed = now - limiter->refilled_ns;
	uint64_t bucket = bucket_bytes(limiter);
	unsigned __int128 product = (unsigned __int128)elapsed * limiter->bytes_per_s;
	uint64_t earned;

	if (product / NS_PER_S >= bucket) {
		limiter->credit_bytes = bucket;
		limiter->refilled_ns = now;
		return;
	}
	earned = (uint64_t)(product / NS_PER_S);
	limiter->credit_bytes = min_u64(bucket, limiter->credit_bytes + earned);
	limiter->refilled_ns +=
		(uint64_t)((unsigned __int128)earned * NS_PER_S / limiter->bytes_per_s);
}

/* Or until something has changed. */
static void wait_until(struct limiter *limiter, uint64_t until_ns)
{
	const struct timespec ts = clock_timespec(until_ns);

	pthread_cond_timedwait(&limiter->changed, &limiter->lock, &ts);
}

static void wait_for_credit(struct limiter *limiter, uint64_t missing_bytes)
{
	unsigned __int128 wait_ns =
		(unsigned __int128)missing_bytes * NS_PER_S / limiter->bytes_per_s;

	wait_until(limiter, clock_monotonic_ns() + (uint64_t)wait_ns + 1);
}

void limiter_set(struct limiter *limiter, uint64_t bytes_per_s)
{
	pthread_mutex_lock(&limiter->lock);
	limiter->bytes_per_s = bytes_per_s;
	limiter->credit_bytes = 0;
	limiter->refilled_ns = clock_monotonic_ns();
	pthread_cond_broadcast(&limiter->changed);
	pthread_mutex_unlock(&limiter->lock);
}

void limiter_lease(struct limiter *limiter, uint64_t ms)
{
	pthread_mutex_lock(&limiter->lock);
	limiter->lease_ends_ns = ms == LIMITER_FOREVER
					 ? LIMITER_FOREVER
					 : clock_monotonic_ns() + ms * (NS_PER_S / 1000);
	pthread_cond_broadcast(&limiter->changed);
	pthread_mutex_unlock(&limiter->lock);
}

bool limiter_is_on_lease(struct limiter *limiter)
{
	bool is_on_lease;

	pthread_mutex_lock(&limiter->lock);
	is_on_lease = limiter->lease_ends_ns != LIMITER_FOREVER;
	pthread_mutex_unlock(&limiter->lock);
	return is_on_lease;
}

void limiter_give_way(struct limiter *limiter, uint64_t ms)
{
	pthread_mutex_lock(&limiter->lock);
	limiter->way_ends_ns = ms ? clock_monotonic_ns() + ms * (NS_PER_S / 1000) : 0;
	pthread_cond_broadcast(&limiter->changed);
	pthread_mutex_unlock(&limiter->lock);
}

static bool gives_way(const struct limiter *limiter)
{
	return limiter->way_ends_ns && clock_monotonic_ns() < limiter->way_ends_ns;
}

static bool lease_is_over(const struct limiter *limiter)
{
	return limiter->lease_ends_ns != LIMITER_FOREVER &&
	       clock_monotonic_ns() >= limiter->lease_ends_ns;
}

size_t limiter_take(struct limiter *limiter, size_t wanted, bool without_lease,
		    const atomic_bool *stop)
{
	uint64_t piece, taken = 0;

	pthread_mutex_lock(&limiter->lock);
	while (!atomic_load(stop)) {
		if (!without_lease && lease_is_over(limiter)) {
			pthread_cond_wait(&limiter->changed, &limiter->lock);
			continue;
		}
		if (!without_lease && gives_way(limiter)) {
			wait_until(limiter, limiter->way_ends_ns);
			continue;
		}
		if (limiter->bytes_per_s == 0) {
			taken = wanted;
			break;
		}
		piece = min_u64(wanted, bucket_bytes(limiter));
		refill(limiter);
		if (limiter->credit_bytes >= piece) {
			limiter->credit_bytes -= piece;
			taken = piece;
			break;
		}
		wait_for_credit(limiter, piece - limiter->credit_bytes);
	}
	pthread_mutex_unlock(&limiter->lock);
	return taken;
}

void limiter_wake(struct limiter *limiter)
{
	pthread_mutex_lock(&limiter->lock);
	pthread_cond_broadcast(&limiter->changed);
	pthread_mutex_unlock(&limiter->lock);
}
