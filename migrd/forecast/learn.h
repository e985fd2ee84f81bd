/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forecast/learn.h -- what earlier moves tell of the link, and of how fast QEMU passes over memory
 * that is zero.
 *
 * A first pass takes bytes / link + zero / scan, and both are unknown.  Moves that differ in their
 * share of zero tell the two apart, but moves of one link differ by a third for other reasons, too.
 * So the scan is the likeliest one between two bounds, beside what is assumed of it.  Pure.
 */
#ifndef MIGRD_FORECAST_LEARN_H
#define MIGRD_FORECAST_LEARN_H

/* Of which QEMU sends a few bytes a page: what is assumed before moves have shown it.  Memory that
 * nobody has written is one page of the kernel again and again, which is in the CPU's cache. */
#define FORECAST_ZERO_BYTES_PER_S 8.0e9
/* No scan is faster: QEMU takes a tenth of a microsecond at least for each page of 4 KiB, to find
 * it and to write down that it is zero.  None is slower: reading a page and a fault of the
 * kernel take less than 10 us. */
#define FORECAST_ZERO_MAX 3.2e10
#define FORECAST_ZERO_MIN 5.0e8

/* What a move sent while its guest ran. */
struct forecast_sent {
	double seconds;
	double bytes;
	double zero_bytes; /* that its first pass went over */
};

/* How much memory that is zero is passed over in a second, from FORECAST_ZERO_MIN to _MAX.  Of a
 * LIST that tells nothing what is assumed. */
double forecast_learn_zero(const struct forecast_sent *list, unsigned count);
/* What the link gave, without that time; 0: it cannot be told. */
double forecast_link_of(const struct forecast_sent *sent, double zero_bytes_per_s);

#endif
