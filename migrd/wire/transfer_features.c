/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host offers for transfers. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/transfer_plan_priv.h"

void transfer_features_add_host(struct transfer_features *features)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	features->connections = TRANSFER_CONNECTION_MAX;
	features->cpus = cpus > 0 ? (uint64_t)cpus : 0;
	features->stopped = true;
	features->bitmaps = true;
}

static bool has_name(const char (*names)[TRANSFER_NAME_SIZE], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

bool transfer_features_have_parameter(const struct transfer_features *features, const char *name)
{
	return features && has_name(features->parameters, features->parameter_count, name);
}

bool transfer_features_have(const struct transfer_features *features, const char *capability)
{
	return has_name(features->capabilities, features->capability_count, capability) ||
	       transfer_features_have_parameter(features, capability);
}

static bool has_compression(const struct transfer_features *features, const char *word)
{
	char name[TRANSFER_NAME_SIZE];

	snprintf(name, sizeof(name), MULTIFD_COMPRESSION "=%s", word);
	return transfer_features_have_parameter(features, name);
}

bool transfer_features_compress(const struct transfer_features *features, int compression)
{
	return !has_compression(features, transfer_compression_names[TRANSFER_COMPRESSION_NONE]) ||
	       has_compression(features, transfer_compression_names[compression]);
}

bool transfer_capability_is_parameter(const struct transfer_features *features,
				      const char *capability)
{
	return features && features->form.capabilities_as_parameters &&
	       transfer_features_have_parameter(features, capability);
}

const struct json_field transfer_features_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, capabilities, capability_count),
	  .help = "Names of the migration capabilities that this host's QEMU has." },
	{ .key = "parameters",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, parameters, parameter_count),
	  .help = "Names of the migration parameters that this host's QEMU has, and as "
		  "multifd-compression=NAME what it can compress with." },
	{ .key = "connections",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_features, connections),
	  .help = "Most connections of one channel; not given: one." },
	{ .key = "cpus",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_features, cpus),
	  .help = "CPUs of this host." },
	{ .key = "postcopy_refused",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct transfer_features, postcopy_refused),
	  .help = "Reason of this host's QEMU not to take a guest that fetches its memory." },
	{ .key = "postcopy_multifd",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_features, postcopy_multifd),
	  .help = "Whether this host's QEMU can fetch memory over several connections." },
	{ .key = "stopped",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_features, stopped),
	  .help = "Whether this host can take a stopped VM." },
	{ .key = "bitmaps",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_features, bitmaps),
	  .help = "Whether this host takes the bitmaps of disks that are copied." },
	{ 0 },
};
