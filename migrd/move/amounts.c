/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/amounts.h"

#include <stdio.h>

#define KIB  UINT64_C(1024)
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)
#define SEC  UINT64_C(1000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)

const char *amount_bytes(uint64_t bytes, char ret[AMOUNT_SIZE])
{
	if (bytes < MIB)
		snprintf(ret, AMOUNT_SIZE, "%llu KiB", (unsigned long long)(bytes / KIB));
	else if (bytes < 10 * MIB)
		snprintf(ret, AMOUNT_SIZE, "%.1f MiB", (double)bytes / (double)MIB);
	else if (bytes < GIB)
		snprintf(ret, AMOUNT_SIZE, "%llu MiB",
			 (unsigned long long)((bytes + MIB / 2) / MIB));
	else
		snprintf(ret, AMOUNT_SIZE, "%.1f GiB", (double)bytes / (double)GIB);
	return ret;
}

const char *amount_ms(uint64_t ms, char ret[AMOUNT_SIZE])
{
	if (ms < SEC)
		snprintf(ret, AMOUNT_SIZE, "%llu ms", (unsigned long long)ms);
	else if (ms < MIN)
		snprintf(ret, AMOUNT_SIZE, "%.1f s", (double)ms / (double)SEC);
	else if (ms < HOUR)
		snprintf(ret, AMOUNT_SIZE, "%llu min %llu s", (unsigned long long)(ms / MIN),
			 (unsigned long long)(ms % MIN / SEC));
	else
		snprintf(ret, AMOUNT_SIZE, "%llu h %llu min", (unsigned long long)(ms / HOUR),
			 (unsigned long long)(ms % HOUR / MIN));
	return ret;
}
