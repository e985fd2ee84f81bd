/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_plan.h"

#include <string.h>

#include "base/mem.h"
#include "wire/transfer_plan_priv.h"

bool transfer_plan_has(const struct transfer_plan *plan, const char *capability)
{
	for (size_t i = 0; plan && i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, capability) == 0)
			return plan->capabilities[i].on;
	}
	return false;
}

const char *transfer_plan_why(const struct transfer_plan *plan, const char *capability)
{
	for (size_t i = 0; plan && i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, capability) == 0)
			return plan->capabilities[i].why;
	}
	return "";
}

uint64_t transfer_plan_number(const struct transfer_plan *plan, const char *name)
{
	for (size_t i = 0; plan && i < plan->parameter_count; i++) {
		if (strcmp(plan->parameters[i].name, name) == 0)
			return plan->parameters[i].number;
	}
	return 0;
}

/* QEMU's own reckoning is in bytes a millisecond. */
uint64_t transfer_bitmaps_ms(uint64_t bytes, uint64_t bytes_per_s)
{
	uint64_t bytes_per_ms = bytes_per_s / 1000;

	if (!bytes)
		return 0;
	return bytes_per_ms ? bytes / bytes_per_ms + 1 : UINT64_MAX;
}

/* QEMU's default is 2 channels. */
static uint64_t multifd_channels(const struct transfer_plan *plan)
{
	if (!transfer_plan_has(plan, "multifd"))
		return 0;
	for (size_t i = 0; i < plan->parameter_count; i++) {
		if (strcmp(plan->parameters[i].name, MULTIFD_CHANNELS) == 0)
			return plan->parameters[i].number;
	}
	return 2;
}

/* The first is that of the device state. */
uint64_t transfer_plan_connections(const struct transfer_plan *plan)
{
	return plan ? 1 + multifd_channels(plan) + transfer_plan_has(plan, "postcopy-preempt") : 1;
}

bool transfer_plan_has_disks(const struct transfer_plan *plan)
{
	return plan && plan->disk_count > 0;
}

bool transfer_plan_has_postcopy(const struct transfer_plan *plan)
{
	return transfer_plan_has(plan, "postcopy-ram");
}

/* ---- that of another coordinator --------------------------------------------- */

static const struct transfer_channel *find_channel(const struct transfer_plan *plan,
						   const char *name)
{
	for (size_t i = 0; i < plan->channel_count; i++) {
		if (strcmp(plan->channels[i].name, name) == 0)
			return &plan->channels[i];
	}
	return NULL;
}

static bool check_channel(const struct transfer_plan *plan, const struct transfer_channel *channel,
			  struct err *err)
{
	if (strcmp(channel->name, TRANSFER_CHANNEL_RAM) != 0 &&
	    strcmp(channel->name, TRANSFER_CHANNEL_DISKS) != 0)
		return err_set(err, ERR_INVALID,
			       "this version of migrd does not know the channel '%s'",
			       channel->name);
	if (find_channel(plan, channel->name) != channel)
		return err_set(err, ERR_INVALID, "two channels are named '%s'", channel->name);
	return true;
}

/* A destination that waits for more or fewer connections than QEMU makes waits in vain. */
static bool check_channels(const struct transfer_plan *plan, struct err *err)
{
	const struct transfer_channel *ram = find_channel(plan, TRANSFER_CHANNEL_RAM);
	uint64_t connections = transfer_plan_connections(plan);

	for (size_t i = 0; i < plan->channel_count; i++) {
		if (!check_channel(plan, &plan->channels[i], err))
			return false;
	}
	if (!ram)
		return err_set(err, ERR_INVALID, "there is no channel '%s'", TRANSFER_CHANNEL_RAM);
	return ram->connections == connections ||
	       err_set(err, ERR_INVALID, "QEMU makes %llu connections, and channel '%s' has %llu",
		       (unsigned long long)connections, ram->name,
		       (unsigned long long)ram->connections);
}

/* A disk is copied over a connection of its own, and QEMU waits for the end of that. */
static bool check_disks(const struct transfer_plan *plan, struct err *err)
{
	const struct transfer_channel *channel = find_channel(plan, TRANSFER_CHANNEL_DISKS);
	uint64_t connections = channel ? channel->connections : 0;

	if (connections != plan->disk_count)
		return err_set(err, ERR_INVALID, "channel '%s' has %llu connections for %zu disks",
			       TRANSFER_CHANNEL_DISKS, (unsigned long long)connections,
			       plan->disk_count);
	if (plan->disk_count && !transfer_plan_has(plan, "pause-before-switchover"))
		return err_set(err, ERR_INVALID,
			       "disks are copied, and QEMU would not wait for "
			       "the end of that");
	for (size_t i = 0; i < plan->disk_count; i++) {
		if (!disk_copy_check(&plan->disks[i], err))
			return err_wrap(err, "disk '%s'", plan->disks[i].id);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(plan->disks[i].id, plan->disks[j].id) == 0)
				return err_set(err, ERR_INVALID, "disk '%s' is there twice",
					       plan->disks[i].id);
		}
	}
	return true;
}

static bool check_capability(const struct transfer_capability *capability, struct err *err)
{
	return !capability->on || transfer_capability_is_known(capability->name) ||
	       err_set(err, ERR_INVALID,
		       "this version of migrd does not know the capability '%s' that it turns on",
		       capability->name);
}

static bool check_parameter(const struct transfer_parameter *parameter, struct err *err)
{
	const char *word = parameter->word;

	if (parameter->only_source)
		return true;
	if (strcmp(parameter->name, MULTIFD_CHANNELS) == 0 && !word[0] && parameter->number > 0 &&
	    parameter->number <= TRANSFER_MULTIFD_MAX)
		return true;
	for (size_t i = 0; transfer_compression_names[i]; i++) {
		if (strcmp(parameter->name, MULTIFD_COMPRESSION) == 0 &&
		    strcmp(word, transfer_compression_names[i]) == 0)
			return true;
	}
	return err_set(err, ERR_INVALID,
		       "this version of migrd does not know the parameter '%s' with this value",
		       parameter->name);
}

static bool check_settings(const struct transfer_plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->capability_count; i++) {
		if (!check_capability(&plan->capabilities[i], err))
			return false;
	}
	for (size_t i = 0; i < plan->parameter_count; i++) {
		if (!check_parameter(&plan->parameters[i], err))
			return false;
	}
	return true;
}

bool transfer_plan_decode(struct json_object *obj, struct transfer_plan *ret, struct err *err)
{
	return json_decode_object(obj, transfer_plan_fields, ret, JSON_IGNORE_UNKNOWN, err) &&
	       check_channels(ret, err) && check_disks(ret, err) && check_settings(ret, err);
}

/* ---- as JSON ----------------------------------------------------------------- */

const char *const transfer_compression_names[] = { "none", "zlib", "zstd", NULL };

const struct json_field transfer_multifd_fields[] = {
	{ .key = "channels",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_multifd, channels),
	  .min = 1,
	  .max = TRANSFER_MULTIFD_MAX,
	  .help = "Connections for memory, beside that for the state of the devices; default: half "
		  "of the CPUs of the smaller host, 2 to 8." },
	{ .key = "compression",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct transfer_multifd, compression),
	  .names = transfer_compression_names,
	  .help = "Compression of memory; default: none." },
	{ 0 },
};

static const char *const postcopy_start_names[] = { "manual", "first-pass", "at-once", NULL };

const struct json_field transfer_postcopy_fields[] = {
	{ .key = "start",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct transfer_postcopy, start),
	  .names = postcopy_start_names,
	  .help = "When the guest goes over: when a user asks for it (the default), after the "
		  "first pass over its memory, or at once." },
	{ 0 },
};

static const struct json_field capability_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct transfer_capability, name),
	  .help = "Name of a migration capability of QEMU." },
	{ .key = "on",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct transfer_capability, on),
	  .help = "Whether both sides set it." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct transfer_capability, why),
	  .help = "Reason why the capability is on or off." },
	{ 0 },
};

static const struct json_field parameter_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct transfer_parameter, name),
	  .help = "Name of a migration parameter of QEMU." },
	{ .key = "only_source",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_parameter, only_source),
	  .help = "Whether only the source's QEMU is told." },
	{ .key = "number",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_parameter, number),
	  .help = "Value, if the parameter is a number." },
	{ .key = "word",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct transfer_parameter, word),
	  .help = "Value, if the parameter is a word." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct transfer_parameter, why),
	  .help = "Reason for the value." },
	{ 0 },
};

const struct json_field transfer_plan_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct transfer_plan, capabilities, capability_count),
	  .fields = capability_fields,
	  .help = "Capabilities that both QEMUs are told, with reasons." },
	{ .key = "parameters",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct transfer_plan, parameters, parameter_count),
	  .present_offset = offsetof(struct transfer_plan, has_parameters),
	  .fields = parameter_fields,
	  .help = "Parameters that the QEMUs are told, with reasons." },
	{ .key = "channels",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct transfer_plan, channels, channel_count),
	  .fields = transfer_channel_fields,
	  .help = "Channels of the data stream." },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct transfer_plan, disks, disk_count),
	  .fields = disk_copy_fields,
	  .help = "Local disks, which are copied to images of the destination." },
	{ 0 },
};
