/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/learn.h -- what earlier moves tell of the link, and of how fast QEMU passes over memory
 * that is zero.
 *
 * A first pass takes bytes / link + zero / scan, and both are unknown: least squares over moves
 * that differ in their share of zero, with an assumed scan where they do not.  Pure.  Thread: any.
 */
#ifndef MIGRD_FORECAST_LEARN_H
#define MIGRD_FORECAST_LEARN_H

/* Of which QEMU sends a few bytes a page: what is assumed before moves have shown it.  Memory that
 * nobody has written is one page of the kernel again and again, which is in the CPU's cache. */
#define FORECAST_ZERO_BYTES_PER_S 8.0e9

/* What a move sent while its guest ran. */
struct forecast_sent {
	double seconds;
	double bytes;
	double zero_bytes; /* that its first pass went over */
};

/* By least squares, each move with the uncertainty of its time.  How much memory that is zero is
 * passed over in a second. */
double forecast_learn_zero(const struct forecast_sent *list, unsigned count);
/* What the link gave, without that time; 0: it cannot be told. */
double forecast_link_of(const struct forecast_sent *sent, double zero_bytes_per_s);

#endif
