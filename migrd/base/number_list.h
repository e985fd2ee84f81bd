/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/number_list.h -- lists of small numbers, such as "0-3,8", as the kernel and QEMU write sets
 * of CPUs and of NUMA nodes.  Pure; thread: any. */
#ifndef MIGRD_BASE_NUMBER_LIST_H
#define MIGRD_BASE_NUMBER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_LIST_MAX 1024 /* numbers are 0 to one less */

struct number_list {
	uint64_t words[NUMBER_LIST_MAX / 64];
};

/* False: TEXT is no such list, names a number twice, or one that is too large.  "" is the empty
 * list. */
bool number_list_parse(const char *text, struct number_list *ret);
bool number_list_has(const struct number_list *list, unsigned number);
size_t number_list_count(const struct number_list *list);

#define NUMBER_LIST_EACH(list, number)                                \
	for (unsigned number = 0; number < NUMBER_LIST_MAX; number++) \
		if (number_list_has(list, number))

#endif
