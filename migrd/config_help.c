/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "config_keys.h"

static const char *fallback_of(const struct config_key *key)
{
	return key->fallback_text ? key->fallback_text : key->fallback;
}

static void print_type(FILE *out, const struct config_key *key)
{
	fprintf(out, "%s", config_type_name(key->type));
	if (key->type == CONFIG_TYPE_UINT)
		fprintf(out, ", %s%" PRIu64 " to %" PRIu64 " %s", key->or_zero ? "0, or " : "",
			key->min, key->max, key->unit);
	if (fallback_of(key))
		fprintf(out, "; default: %s", fallback_of(key));
}

static void print_key(FILE *out, const struct config_key *key, bool is_first)
{
	if (is_first)
		fprintf(out, "[%s]\n", key->section);
	fprintf(out, "  %s  (", key->key);
	print_type(out, key);
	fprintf(out, ")\n      %s\n", key->help);
}

void config_print_keys(FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		print_key(out, key, strcmp(section, key->section) != 0);
		section = key->section;
	}
	print_key(out, &config_peer_address, true);
	for (size_t kind = 0; kind < CONFIG_NAMED_KINDS; kind++)
		for (size_t i = 0; i < config_named[kind].key_count; i++)
			print_key(out, &config_named[kind].keys[i], i == 0);
}
