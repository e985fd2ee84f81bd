/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAC_LEN 17

bool net_mac_parse(const char *text, struct net_mac *ret)
{
	struct net_mac mac;

	if (!text || strlen(text) != MAC_LEN)
		return false;
	for (size_t i = 0; i < MAC_LEN; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	for (size_t i = 0; i < sizeof(mac.bytes); i++)
		mac.bytes[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	*ret = mac;
	return true;
}

bool net_mac_is_multicast(const struct net_mac *mac)
{
	return mac->bytes[0] & 1;
}

bool net_mac_equal(const struct net_mac *a, const struct net_mac *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Adds the addresses of the table KEY; *RET_OVERFLOW: there are more than fit, so all must be
 * received. */
static void add_table(struct net_filter *filter, struct json_object *info, const char *key,
		      bool *ret_overflow)
{
	struct json_object *table = json_object_object_get(info, key);
	size_t count = json_count(table);

	for (size_t i = 0; i < count; i++) {
		struct json_object *element = json_object_array_get_idx(table, i);
		const char *text = json_object_is_type(element, json_type_string)
					   ? json_object_get_string(element)
					   : NULL;

		if (filter->count == NET_FILTER_MAX) {
			*ret_overflow = true;
			return;
		}
		if (net_mac_parse(text, &filter->macs[filter->count]))
			filter->count++;
	}
}

/* KIND is "unicast" or "multicast". True: all of it must be received: the mode is "all", or the
 * table has too many addresses. Mode "normal" adds the table's addresses, "none" adds none. */
static bool add_kind(struct net_filter *filter, struct json_object *info, const char *kind)
{
	const char *mode = json_get_str(info, kind);
	char key[32];
	bool all;

	snprintf(key, sizeof(key), "%s-overflow", kind);
	all = json_get_bool(info, key, false) || (mode && strcmp(mode, "all") == 0);
	snprintf(key, sizeof(key), "%s-table", kind);
	if (!all && (!mode || strcmp(mode, "none") != 0))
		add_table(filter, info, key, &all);
	return all;
}

bool net_filter_decode(struct json_object *info, struct net_filter *ret, struct err *err)
{
	struct net_filter filter = { .has_main = true };

	if (!net_mac_parse(json_get_str(info, "main-mac"), &filter.main) ||
	    net_mac_is_multicast(&filter.main))
		return err_set(err, ERR_INVALID, "QEMU's receive filter has no main address");
	filter.promiscuous = json_get_bool(info, "promiscuous", false);
	filter.promiscuous |= add_kind(&filter, info, "unicast");
	filter.all_multicast = add_kind(&filter, info, "multicast");
	*ret = filter;
	return true;
}
