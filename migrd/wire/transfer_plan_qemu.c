/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plan in the words of QEMU's monitor. */
#include <string.h>

#include "base/mem.h"
#include "wire/transfer_plan_priv.h"

static void add_capability(struct json_object *list, const char *name, bool on)
{
	struct json_object *item = json_object_new_object();

	json_add_str(item, "capability", name);
	json_add_bool(item, "state", on);
	json_object_array_add(list, item);
}

/* Takes over LIST. */
static struct json_object *capabilities_args(struct json_object *list)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "capabilities", list);
	return args;
}

struct json_object *transfer_capabilities(const struct transfer_features *features,
					  const char *const *on)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; features && i < features->capability_count; i++) {
		bool is_wanted_on = false;

		for (size_t j = 0; on[j] && !is_wanted_on; j++)
			is_wanted_on = strcmp(on[j], features->capabilities[i]) == 0;
		add_capability(list, features->capabilities[i], is_wanted_on);
	}
	return capabilities_args(list);
}

/* QEMU must be told of the capability; as it is now, it may have it from an earlier move. */
static bool is_told(const struct transfer_capability *capability,
		    const struct transfer_features *features)
{
	return capability->on || !features || transfer_features_have(features, capability->name);
}

/* What no plan has ever on, and another job may have: a save whose end QEMU or a crash has
 * prevented leaves it on. */
static bool is_left_out(const struct transfer_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, name) == 0)
			return false;
	}
	return true;
}

struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan,
					       const struct transfer_features *features)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->capability_count; i++) {
		const struct transfer_capability *capability = &plan->capabilities[i];

		if (is_told(capability, features) &&
		    !transfer_capability_is_parameter(features, capability->name))
			add_capability(list, capability->name, capability->on);
	}
	for (size_t i = 0; features && i < features->capability_count; i++) {
		const char *name = features->capabilities[i];

		if (is_left_out(plan, name) && !transfer_capability_is_parameter(features, name))
			add_capability(list, name, false);
	}
	if (json_count(list))
		return capabilities_args(list);
	json_object_put(list);
	return NULL;
}

static void add_setting(const struct transfer_parameter *parameter, struct json_object *args)
{
	if (parameter->word[0])
		json_add_str(args, parameter->name, parameter->word);
	else
		json_add_uint(args, parameter->name, parameter->number);
}

void transfer_plan_add_parameters(const struct transfer_plan *plan, enum transfer_side side,
				  const struct transfer_features *features,
				  struct json_object *args)
{
	for (size_t i = 0; i < plan->capability_count; i++) {
		const struct transfer_capability *capability = &plan->capabilities[i];

		if (transfer_capability_is_parameter(features, capability->name))
			json_add_bool(args, capability->name, capability->on);
	}
	for (size_t i = 0; features && i < features->capability_count; i++) {
		const char *name = features->capabilities[i];

		if (is_left_out(plan, name) && transfer_capability_is_parameter(features, name))
			json_add_bool(args, name, false);
	}
	for (size_t i = 0; i < plan->parameter_count; i++) {
		if (side == TRANSFER_SOURCE || !plan->parameters[i].only_source)
			add_setting(&plan->parameters[i], args);
	}
}

static struct json_object *socket_channels(const char *path)
{
	struct json_object *address = json_object_new_object();
	struct json_object *channel = json_object_new_object();
	struct json_object *channels = json_object_new_array();

	json_add_str(address, "transport", "socket");
	json_add_str(address, "type", "unix");
	json_add_str(address, "path", path);
	json_add_str(channel, "channel-type", "main");
	json_object_object_add(channel, "addr", address);
	json_object_array_add(channels, channel);
	return channels;
}

struct json_object *transfer_address(const struct transfer_features *features, const char *path)
{
	struct json_object *args = json_object_new_object();
	CLEANUP(free_charp) char *uri = xasprintf("unix:%s", path);

	if (features && features->form.channels)
		json_object_object_add(args, "channels", socket_channels(path));
	else
		json_add_str(args, "uri", uri);
	return args;
}
