/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* ---- what there is to decide ----------------------------------------------- */

static const char *const compression_names[] = { "none", "zlib", "zstd", NULL };

static bool wants_multifd(const struct transfer_wish *wish)
{
	return wish->has_multifd;
}

static bool wants_xbzrle(const struct transfer_wish *wish)
{
	return wish->xbzrle;
}

static bool wants_auto_converge(const struct transfer_wish *wish)
{
	return wish->auto_converge;
}

static bool never(const struct transfer_wish *wish)
{
	(void)wish;
	return false;
}

static const struct capability_row {
	const char *name;
	bool (*is_wanted)(const struct transfer_wish *wish); /* NULL: by every move */
	const char *why, *why_not;
} capabilities[] = {
	{ "events", NULL, "MIGRATION and MIGRATION_PASS tell how far it is", NULL },
	{ "return-path", NULL, "`completed' then means that the destination has loaded it all",
	  NULL },
	{ "late-block-activate", NULL, "the first cont takes the disks, on whichever side", NULL },
	{ "multifd", wants_multifd, "memory goes over several connections at once",
	  "one connection was asked for" },
	{ "xbzrle", wants_xbzrle, "of a page that is sent again only the changed bytes go out",
	  "it was not asked for" },
	{ "auto-converge", wants_auto_converge,
	  "QEMU slows the guest's CPUs down while it changes memory faster than it is sent",
	  "it was not asked for" },
	{ "zero-copy-send", never, NULL,
	  "QEMU sends to a UNIX socket, to which the kernel always copies" },
};

#define MULTIFD_CHANNELS    "multifd-channels"
#define MULTIFD_COMPRESSION "multifd-compression"

static void add_parameter(struct transfer_plan *plan, const char *name, uint64_t number,
			  const char *word, const char *why)
{
	struct transfer_parameter *parameter = &plan->parameters[plan->parameter_count++];

	snprintf(parameter->name, sizeof(parameter->name), "%s", name);
	snprintf(parameter->word, sizeof(parameter->word), "%s", word);
	snprintf(parameter->why, sizeof(parameter->why), "%s", why);
	parameter->number = number;
}

/* Half of the CPUs of the smaller host, as the guests need the others: 2 to 8. */
static uint64_t channels_by_cpus(uint64_t source, uint64_t destination)
{
	uint64_t half = (source < destination ? source : destination) / 2;

	return half < 2 ? 2 : half > 8 ? 8 : half;
}

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

void transfer_features_add_host(struct transfer_features *features)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	features->connections = TRANSFER_CONNECTION_MAX;
	features->cpus = cpus > 0 ? (uint64_t)cpus : 0;
}

bool transfer_features_have(const struct transfer_features *features, const char *capability)
{
	for (size_t i = 0; i < features->capability_count; i++) {
		if (strcmp(features->capabilities[i], capability) == 0)
			return true;
	}
	return false;
}

/* The side that is known to lack the capability, or NULL. */
static const char *lacking_side(const struct transfer_features *source,
				const struct transfer_features *destination, const char *name)
{
	if (source && !transfer_features_have(source, name))
		return "source";
	return destination && !transfer_features_have(destination, name) ? "destination" : NULL;
}

static void add_reason(struct strbuf *reasons, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_reason(struct strbuf *reasons, const char *fmt, ...)
{
	va_list ap;

	if (reasons->len)
		strbuf_adds(reasons, "; ");
	va_start(ap, fmt);
	strbuf_vaddf(reasons, fmt, ap);
	va_end(ap);
}

static void decide(const struct capability_row *row, const struct transfer_wish *wish,
		   const char *lacking, struct transfer_capability *ret, struct strbuf *reasons)
{
	bool is_wanted = !row->is_wanted || row->is_wanted(wish);

	snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	ret->on = is_wanted && !lacking;
	snprintf(ret->why, sizeof(ret->why), "%s", is_wanted ? row->why : row->why_not);
	if (is_wanted && lacking)
		add_reason(reasons, "the %s's QEMU has no migration capability '%s'%s", lacking,
			   row->name, row->is_wanted ? "" : ", which every move needs");
}

static void plan_multifd(const struct transfer_multifd *wish,
			 const struct transfer_features *source,
			 const struct transfer_features *destination, struct transfer_plan *plan,
			 struct strbuf *reasons)
{
	uint64_t channels = wish->channels;

	if (!channels)
		channels = channels_by_cpus(source->cpus, destination->cpus);
	if (destination->connections <= channels)
		add_reason(reasons,
			   "%llu connections of a channel are too many for the "
			   "destination's coordinator (%llu): upgrade it",
			   (unsigned long long)channels + 1,
			   (unsigned long long)(destination->connections ? destination->connections
									 : 1));
	add_parameter(plan, MULTIFD_CHANNELS, channels, "",
		      wish->channels ? "as asked for" : "half of the CPUs of the smaller host");
	add_parameter(plan, MULTIFD_COMPRESSION, 0, compression_names[wish->compression],
		      "as asked for");
}

bool transfer_wish_is_plain(const struct transfer_wish *wish)
{
	return !wish->has_multifd && !wish->xbzrle && !wish->auto_converge;
}

static bool plan_all(const struct transfer_wish *wish, const struct transfer_features *source,
		     const struct transfer_features *destination, struct transfer_plan *plan,
		     struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf reasons = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		decide(&capabilities[i], wish,
		       lacking_side(source, destination, capabilities[i].name),
		       &plan->capabilities[i], &reasons);
	plan->capability_count = ARRAY_LEN(capabilities);
	plan->channels[0] = (struct transfer_channel){ .name = TRANSFER_CHANNEL_RAM };
	plan->channel_count = 1;
	if (wish->has_multifd)
		plan_multifd(&wish->multifd, source, destination, plan, &reasons);
	plan->channels[0].connections = transfer_plan_connections(plan);
	return !reasons.len || err_set(err, ERR_QEMU, "%s", strbuf_str(&reasons));
}

bool transfer_plan_make(const struct transfer_wish *wish, const struct transfer_features *source,
			const struct transfer_features *destination, struct transfer_plan *ret,
			struct err *err)
{
	struct transfer_plan plan = { 0 };

	if (!transfer_wish_is_plain(wish) && (!source || !destination))
		return err_set(err, ERR_UNAVAILABLE,
			       "the %s has not told yet what its QEMU offers: try again",
			       source ? "destination" : "source");
	if (!plan_all(wish, source, destination, &plan, err))
		return false;
	*ret = plan;
	return true;
}

bool transfer_wish_check(const struct transfer_wish *wish, struct faults *faults)
{
	if (!wish->has_multifd || !wish->xbzrle)
		return true;
	faults_add(faults, "/xbzrle",
		   "QEMU uses xbzrle on a single connection only: leave out this or multifd");
	return false;
}

/* ---- for QEMU ------------------------------------------------------------------ */

struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan,
					       const struct transfer_features *features)
{
	struct json_object *args = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->capability_count; i++) {
		const struct transfer_capability *capability = &plan->capabilities[i];
		struct json_object *item;

		if (!capability->on && features &&
		    !transfer_features_have(features, capability->name))
			continue;
		item = json_object_new_object();
		json_add_str(item, "capability", capability->name);
		json_add_bool(item, "state", capability->on);
		json_object_array_add(list, item);
	}
	json_object_object_add(args, "capabilities", list);
	return args;
}

void transfer_plan_add_parameters(const struct transfer_plan *plan, struct json_object *args)
{
	for (size_t i = 0; i < plan->parameter_count; i++) {
		const struct transfer_parameter *parameter = &plan->parameters[i];

		if (parameter->word[0])
			json_add_str(args, parameter->name, parameter->word);
		else
			json_add_uint(args, parameter->name, parameter->number);
	}
}

static bool is_on(const struct transfer_plan *plan, const char *capability)
{
	for (size_t i = 0; i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, capability) == 0)
			return plan->capabilities[i].on;
	}
	return false;
}

/* One more than multifd-channels: that of the device state.  QEMU's default is 2 channels. */
uint64_t transfer_plan_connections(const struct transfer_plan *plan)
{
	if (!plan || !is_on(plan, "multifd"))
		return 1;
	for (size_t i = 0; i < plan->parameter_count; i++) {
		if (strcmp(plan->parameters[i].name, MULTIFD_CHANNELS) == 0)
			return plan->parameters[i].number + 1;
	}
	return 3;
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
	if (strcmp(channel->name, TRANSFER_CHANNEL_RAM) != 0)
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

static bool check_capability(const struct transfer_capability *capability, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcmp(capabilities[i].name, capability->name) == 0)
			return true;
	}
	return !capability->on ||
	       err_set(err, ERR_INVALID,
		       "this version of migrd does not know the capability '%s' that it turns on",
		       capability->name);
}

static bool check_parameter(const struct transfer_parameter *parameter, struct err *err)
{
	const char *word = parameter->word;

	if (strcmp(parameter->name, MULTIFD_CHANNELS) == 0 && !word[0] && parameter->number > 0 &&
	    parameter->number <= TRANSFER_MULTIFD_MAX)
		return true;
	for (size_t i = 0; compression_names[i]; i++) {
		if (strcmp(parameter->name, MULTIFD_COMPRESSION) == 0 &&
		    strcmp(word, compression_names[i]) == 0)
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
	       check_channels(ret, err) && check_settings(ret, err);
}

/* ---- as JSON ----------------------------------------------------------------- */

const struct json_field transfer_features_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, capabilities, capability_count),
	  .help = "Names of the migration capabilities that this host's QEMU has." },
	{ .key = "connections",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_features, connections),
	  .help = "Most connections of one channel; not given: one." },
	{ .key = "cpus",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct transfer_features, cpus),
	  .help = "CPUs of this host." },
	{ 0 },
};

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
	  .names = compression_names,
	  .help = "Compression of memory; default: none." },
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
	  .fields = parameter_fields,
	  .help = "Parameters that both QEMUs are told, with reasons." },
	{ .key = "channels",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct transfer_plan, channels, channel_count),
	  .fields = transfer_channel_fields,
	  .help = "Channels of the data stream." },
	{ 0 },
};
