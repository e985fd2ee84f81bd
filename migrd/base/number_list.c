/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/number_list.h"

#include <string.h>

/* Reads at most four digits; NULL: there is none, or one too many. */
static const char *read_number(const char *text, unsigned *ret)
{
	size_t len = strspn(text, "0123456789");

	*ret = 0;
	for (size_t i = 0; i < len && i < 4; i++)
		*ret = *ret * 10 + (unsigned)(text[i] - '0');
	return len > 0 && len <= 4 && *ret < NUMBER_LIST_MAX ? text + len : NULL;
}

static bool add_range(struct number_list *list, unsigned first, unsigned last)
{
	if (first > last)
		return false;
	for (unsigned number = first; number <= last; number++) {
		if (number_list_has(list, number))
			return false;
		list->words[number / 64] |= UINT64_C(1) << number % 64;
	}
	return true;
}

bool number_list_parse(const char *text, struct number_list *ret)
{
	struct number_list list = { 0 };

	for (const char *at = text; *text; at++) {
		unsigned first, last;

		at = read_number(at, &first);
		last = first;
		if (at && *at == '-')
			at = read_number(at + 1, &last);
		if (!at || !add_range(&list, first, last) || (*at && *at != ','))
			return false;
		if (!*at)
			break;
	}
	*ret = list;
	return true;
}

bool number_list_has(const struct number_list *list, unsigned number)
{
	return list->words[number / 64] >> number % 64 & 1;
}

size_t number_list_count(const struct number_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < NUMBER_LIST_MAX / 64; i++)
		count += (size_t)__builtin_popcountll(list->words[i]);
	return count;
}
