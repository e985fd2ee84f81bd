/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* ---- what there is to decide ----------------------------------------------- */

static const struct {
	const char *name;
	bool is_needed; /* no move without it */
	const char *why;
} capabilities[] = {
	{ "events", true, "MIGRATION and MIGRATION_PASS tell how far it is" },
	{ "return-path", true, "`completed' then means that the destination has loaded it all" },
	{ "late-block-activate", true, "the first cont takes the disks, on whichever side" },
};

static const struct transfer_channel channels[] = {
	{ TRANSFER_CHANNEL_RAM, .connections = 1, .speaks_first = TRANSFER_SOURCE },
};

/* ---- the plan ------------------------------------------------------------ */

/* ANSWER: [{"capability": "xbzrle", "state": false}, ...] */
void transfer_features_read(struct json_object *answer, struct transfer_features *ret)
{
	ret->capability_count = 0;
	for (size_t i = 0; i < json_count(answer); i++) {
		const char *name = json_get_str(json_object_array_get_idx(answer, i), "capability");

		if (name && strlen(name) < TRANSFER_NAME_SIZE &&
		    ret->capability_count < TRANSFER_CAPABILITY_MAX)
			snprintf(ret->capabilities[ret->capability_count++], TRANSFER_NAME_SIZE,
				 "%s", name);
	}
}

bool transfer_features_have(const struct transfer_features *features, const char *capability)
{
	for (size_t i = 0; i < features->capability_count; i++) {
		if (strcmp(features->capabilities[i], capability) == 0)
			return true;
	}
	return false;
}

static bool has(const struct transfer_features *features, const char *capability)
{
	return !features || transfer_features_have(features, capability);
}

static bool decide(size_t row, const struct transfer_features *source,
		   const struct transfer_features *destination, struct transfer_capability *ret,
		   struct err *err)
{
	const char *name = capabilities[row].name;
	const char *lacking = !has(source, name)        ? "source"
			      : !has(destination, name) ? "destination"
							: NULL;

	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->on = !lacking;
	if (!lacking)
		snprintf(ret->why, sizeof(ret->why), "%s", capabilities[row].why);
	else
		snprintf(ret->why, sizeof(ret->why), "the %s's QEMU does not have it", lacking);
	if (lacking && capabilities[row].is_needed)
		return err_set(err, ERR_QEMU,
			       "the %s's QEMU has no migration capability '%s', which every move "
			       "needs: %s",
			       lacking, name, capabilities[row].why);
	return true;
}

bool transfer_plan_make(const struct transfer_features *source,
			const struct transfer_features *destination, struct transfer_plan *ret,
			struct err *err)
{
	struct transfer_plan plan = { .capability_count = ARRAY_LEN(capabilities),
				      .channel_count = ARRAY_LEN(channels) };

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (!decide(i, source, destination, &plan.capabilities[i], err))
			return false;
	}
	memcpy(plan.channels, channels, sizeof(channels));
	*ret = plan;
	return true;
}

struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan)
{
	struct json_object *args = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->capability_count; i++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "capability", plan->capabilities[i].name);
		json_add_bool(item, "state", plan->capabilities[i].on);
		json_object_array_add(list, item);
	}
	json_object_object_add(args, "capabilities", list);
	return args;
}

/* ---- that of another coordinator --------------------------------------------- */

static size_t channels_of_name(const struct transfer_plan *plan, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->channel_count; i++)
		count += strcmp(plan->channels[i].name, name) == 0;
	return count;
}

static bool check_channels(const struct transfer_plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->channel_count; i++) {
		if (channels_of_name(plan, plan->channels[i].name) > 1)
			return err_set(err, ERR_INVALID, "two channels are named '%s'",
				       plan->channels[i].name);
	}
	if (!channels_of_name(plan, TRANSFER_CHANNEL_RAM))
		return err_set(err, ERR_INVALID, "there is no channel '%s'", TRANSFER_CHANNEL_RAM);
	return true;
}

bool transfer_plan_decode(struct json_object *obj, struct transfer_plan *ret, struct err *err)
{
	return json_decode_object(obj, transfer_plan_fields, ret, JSON_IGNORE_UNKNOWN, err) &&
	       check_channels(ret, err);
}

/* ---- as JSON ----------------------------------------------------------------- */

const struct json_field transfer_features_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, capabilities, capability_count),
	  .help = "Names of the migration capabilities that this host's QEMU has." },
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

const struct json_field transfer_plan_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct transfer_plan, capabilities, capability_count),
	  .fields = capability_fields,
	  .help = "Capabilities that both QEMUs are told, with reasons." },
	{ .key = "channels",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct transfer_plan, channels, channel_count),
	  .fields = transfer_channel_fields,
	  .help = "Channels of the data stream." },
	{ 0 },
};
