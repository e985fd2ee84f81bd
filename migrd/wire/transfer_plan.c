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

static bool asks_multifd(const struct transfer_basis *basis)
{
	return basis->wish->has_multifd;
}

static bool asks_xbzrle(const struct transfer_basis *basis)
{
	return basis->wish->xbzrle;
}

static bool asks_auto_converge(const struct transfer_basis *basis)
{
	return basis->wish->auto_converge;
}

static bool asks_postcopy(const struct transfer_basis *basis)
{
	return basis->wish->has_postcopy;
}

/* With multifd, QEMU tells the connections apart by their first bytes, and that of a machine type
 * before 8.0 for preemption sends none (migration/migration.c, x-preempt-pre-7-2). */
static bool asks_preempt(const struct transfer_basis *basis)
{
	return basis->wish->has_postcopy && !basis->wish->has_multifd;
}

static bool asks_disks(const struct transfer_basis *basis)
{
	return basis->disk_count > 0;
}

static const struct capability_row {
	const char *name;
	enum {
		NEEDED,  /* by every move */
		ASKED,   /* if the user, or the guest, asks for it; then it is needed */
		IF_BOTH, /* if both QEMUs have it, and the user asks for what it belongs to */
		NEVER,
	} use;
	bool (*is_asked)(const struct transfer_basis *basis);
	const char *why, *why_not;
} capabilities[] = {
	{ "events", NEEDED, NULL, "MIGRATION and MIGRATION_PASS tell how far it is", NULL },
	{ "return-path", NEEDED, NULL,
	  "`completed' then means that the destination has loaded it all", NULL },
	{ "late-block-activate", NEEDED, NULL, "the first cont takes the disks, on whichever side",
	  NULL },
	{ "multifd", ASKED, asks_multifd, "memory goes over several connections at once",
	  "one connection was asked for" },
	{ "xbzrle", ASKED, asks_xbzrle,
	  "of a page that is sent again only the changed bytes go out", "it was not asked for" },
	{ "auto-converge", ASKED, asks_auto_converge,
	  "QEMU can slow the guest's CPUs down while it changes memory faster than it is sent",
	  "it was not asked for" },
	{ "postcopy-ram", ASKED, asks_postcopy,
	  "the guest may run on the destination before all its memory is there",
	  "it was not asked for" },
	{ "postcopy-preempt", IF_BOTH, asks_preempt,
	  "a page for which the guest waits has a connection of its own",
	  "only for post-copy without multifd, and if both QEMUs have it" },
	{ "switchover-ack", IF_BOTH, NULL,
	  "the guest is not stopped before the destination's devices are ready for their state",
	  "one of the two QEMUs does not have it" },
	{ "pause-before-switchover", ASKED, asks_disks,
	  "QEMU waits, once the guest stands still, until the copies of its disks have ended",
	  "no disk is copied" },
	{ "zero-copy-send", NEVER, NULL, NULL,
	  "QEMU sends to a UNIX socket, to which the kernel always copies" },
};

#define MULTIFD_CHANNELS    "multifd-channels"
#define MULTIFD_COMPRESSION "multifd-compression"
#define SWITCHOVER_BANDWIDTH "avail-switchover-bandwidth"
#define THROTTLE_INITIAL     "cpu-throttle-initial"
#define THROTTLE_MAX         "max-cpu-throttle"

/* QEMU's own defaults (migration/options.c). */
#define QEMU_THROTTLE_INITIAL 20
#define QEMU_THROTTLE_MAX     99
#define THROTTLE_LEAST        1 /* that QEMU takes for either */

/* What one connection carries at least, with its encryption, if the hosts have CPUs for it. */
#define CONNECTION_BYTES_PER_S UINT64_C(500000000)

__attribute__((format(printf, 3, 4))) static struct transfer_parameter *
add_parameter(struct transfer_plan *plan, const char *name, const char *why, ...)
{
	struct transfer_parameter *parameter = &plan->parameters[plan->parameter_count++];
	va_list ap;

	snprintf(parameter->name, sizeof(parameter->name), "%s", name);
	va_start(ap, why);
	vsnprintf(parameter->why, sizeof(parameter->why), why, ap);
	va_end(ap);
	return parameter;
}

/* ---- the plan ------------------------------------------------------------ */

void transfer_features_add_host(struct transfer_features *features)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	features->connections = TRANSFER_CONNECTION_MAX;
	features->cpus = cpus > 0 ? (uint64_t)cpus : 0;
	features->stopped = true;
}

static bool has_name(const char (*names)[TRANSFER_NAME_SIZE], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static bool has_parameter(const struct transfer_features *features, const char *name)
{
	return features && has_name(features->parameters, features->parameter_count, name);
}

bool transfer_features_have(const struct transfer_features *features, const char *capability)
{
	return has_name(features->capabilities, features->capability_count, capability) ||
	       has_parameter(features, capability);
}

/* QEMU is told the capability as a parameter. */
static bool is_parameter(const struct transfer_features *features, const char *capability)
{
	return features && features->form.capabilities_as_parameters &&
	       has_parameter(features, capability);
}

/* The side that is known to lack the capability, or NULL. */
static const char *lacking_side(const struct transfer_basis *basis, const char *name)
{
	if (basis->source && !transfer_features_have(basis->source, name))
		return "source";
	return basis->destination && !transfer_features_have(basis->destination, name)
		       ? "destination"
		       : NULL;
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

static bool is_wanted(const struct capability_row *row, const struct transfer_basis *basis,
		      bool both_have_it)
{
	switch (row->use) {
	case NEEDED:
		return true;
	case ASKED:
		return row->is_asked(basis);
	case IF_BOTH:
		return both_have_it && (!row->is_asked || row->is_asked(basis));
	case NEVER:
		break;
	}
	return false;
}

static void decide(const struct capability_row *row, const struct transfer_basis *basis,
		   struct transfer_capability *ret, struct strbuf *reasons)
{
	const char *lacking = lacking_side(basis, row->name);
	bool wanted = is_wanted(row, basis, basis->source && basis->destination && !lacking);

	snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	snprintf(ret->why, sizeof(ret->why), "%s", wanted ? row->why : row->why_not);
	ret->on = wanted && !lacking;
	if (wanted && lacking)
		add_reason(reasons, "the %s's QEMU has no migration capability '%s'%s", lacking,
			   row->name, row->use == NEEDED ? ", which every move needs" : "");
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Half of the CPUs of the smaller host, as the guests need the others, but 2 to 8, and no
 * more than fill the link. */
static struct transfer_parameter *plan_channels(const struct transfer_basis *basis,
						struct transfer_plan *plan)
{
	struct transfer_parameter *channels;
	uint64_t half = least(basis->source->cpus, basis->destination->cpus) / 2;
	uint64_t by_cpus = half < 2 ? 2 : least(half, 8);
	uint64_t by_link = basis->link_bytes_per_s / CONNECTION_BYTES_PER_S + 2;
	uint64_t asked = basis->wish->multifd.channels;

	if (asked) {
		channels = add_parameter(plan, MULTIFD_CHANNELS, "as asked for");
		channels->number = asked;
	} else if (basis->link_bytes_per_s && by_link < by_cpus) {
		channels = add_parameter(plan, MULTIFD_CHANNELS,
					 "enough for the link: the last move to that host got %llu "
					 "MB/s",
					 (unsigned long long)basis->link_bytes_per_s / 1000000);
		channels->number = by_link;
	} else {
		channels = add_parameter(plan, MULTIFD_CHANNELS,
					 "half of the CPUs of the smaller host");
		channels->number = by_cpus;
	}
	return channels;
}

static void plan_multifd(const struct transfer_basis *basis, struct transfer_plan *plan,
			 struct strbuf *reasons)
{
	uint64_t most = basis->destination->connections ? basis->destination->connections : 1;
	uint64_t wanted = plan_channels(basis, plan)->number + 1; /* with the device state */
	struct transfer_parameter *compression =
		add_parameter(plan, MULTIFD_COMPRESSION, "as asked for");

	snprintf(compression->word, sizeof(compression->word), "%s",
		 compression_names[basis->wish->multifd.compression]);
	if (wanted > most)
		add_reason(reasons,
			   "%llu connections of a channel are too many for the destination's "
			   "coordinator (%llu): upgrade it",
			   (unsigned long long)wanted, (unsigned long long)most);
}

/* Under a limit QEMU takes the limited rate for that of the last pass too, which has none: it
 * would wait for the guest to leave less memory than it could send in the allowed downtime.
 * QEMU is told in each move, as it keeps the value of an earlier one.  A coordinator that tells
 * no parameters would refuse the plan. */
static void plan_switchover(const struct transfer_basis *basis, struct transfer_plan *plan)
{
	bool is_limited = basis->limit_bytes_per_s > 0;
	bool is_wanted = is_limited && basis->link_bytes_per_s > basis->limit_bytes_per_s;
	struct transfer_parameter *parameter;

	if (!has_parameter(basis->source, SWITCHOVER_BANDWIDTH) || !basis->destination ||
	    !basis->destination->parameter_count)
		return;
	parameter = add_parameter(
		plan, SWITCHOVER_BANDWIDTH, "%s",
		is_wanted    ? "the limit ends when the guest stands still, and the last move to "
			       "that host got so much"
		: is_limited ? "no move without a limit has shown that the link is faster"
			     : "without a limit QEMU measures it");
	parameter->number = is_wanted ? basis->link_bytes_per_s : 0;
	parameter->only_source = true;
}

/* QEMU is told in each such move, as it keeps the values of an earlier one; it takes no maximum
 * below the initial value.  See plan_switchover() for the older coordinator. */
static void plan_throttle(const struct transfer_basis *basis, struct transfer_plan *plan)
{
	uint64_t most = basis->throttle_max_percent;
	struct transfer_parameter *parameter;

	if (!has_parameter(basis->source, THROTTLE_MAX) || !basis->destination ||
	    !basis->destination->parameter_count)
		return;
	parameter = add_parameter(plan, THROTTLE_INITIAL,
				  "QEMU slows the guest down by so much at "
				  "first");
	parameter->number = most ? THROTTLE_LEAST : QEMU_THROTTLE_INITIAL;
	parameter->only_source = true;
	if (most)
		parameter =
			add_parameter(plan, THROTTLE_MAX,
				      "the least that QEMU takes; when it is needed, the policy "
				      "raises it, up to %llu",
				      (unsigned long long)most);
	else
		parameter = add_parameter(plan, THROTTLE_MAX, "QEMU's own limit");
	parameter->number = most ? THROTTLE_LEAST : QEMU_THROTTLE_MAX;
	parameter->only_source = true;
}

static const char *side_without_multifd_postcopy(const struct transfer_basis *basis)
{
	return !basis->source->postcopy_multifd        ? "source"
	       : !basis->destination->postcopy_multifd ? "destination"
						       : NULL;
}

static void check_postcopy(const struct transfer_basis *basis, struct strbuf *reasons)
{
	const char *lacking = side_without_multifd_postcopy(basis);

	if (basis->destination->postcopy_refused[0])
		add_reason(reasons, "the destination's QEMU takes no post-copy: %s",
			   basis->destination->postcopy_refused);
	if (basis->wish->has_multifd && lacking)
		add_reason(reasons,
			   "the %s's QEMU cannot do post-copy over several connections, as QEMU "
			   "10.1 can: leave out postcopy or multifd",
			   lacking);
}

static void plan_disks(const struct transfer_basis *basis, struct transfer_plan *plan,
		       struct strbuf *reasons)
{
	struct transfer_channel *channel = &plan->channels[plan->channel_count++];

	*channel = (struct transfer_channel){ .name = TRANSFER_CHANNEL_DISKS,
					      .connections = basis->disk_count,
					      .speaks_first = TRANSFER_DESTINATION,
					      .without_lease = true };
	memcpy(plan->disks, basis->disks, basis->disk_count * sizeof(plan->disks[0]));
	plan->disk_count = basis->disk_count;
	if (basis->wish->has_postcopy)
		add_reason(reasons, "post-copy is not possible while local disks are copied: leave "
				    "out postcopy, or put the disks on shared storage");
}

/* An older coordinator would make a paused guest of it. */
static void check_stopped(const struct transfer_basis *basis, struct strbuf *reasons)
{
	if (!basis->destination->stopped)
		add_reason(reasons,
			   "the destination has an older migrd, which cannot take a stopped "
			   "VM: upgrade it, or start the VM first");
	if (basis->wish->has_postcopy)
		add_reason(reasons,
			   "post-copy is for a guest that runs, and the VM is stopped: leave "
			   "out postcopy");
}

bool transfer_wish_is_plain(const struct transfer_wish *wish)
{
	return !wish->has_multifd && !wish->xbzrle && !wish->auto_converge && !wish->has_postcopy;
}

/* QEMU itself can go on over another connection with post-copy only; and a copy of disks that has
 * run for hours is not begun again because a link was lost. */
static void plan_links(struct transfer_plan *plan)
{
	bool may_reconnect = transfer_plan_has_postcopy(plan) || transfer_plan_has_disks(plan);

	for (size_t i = 0; i < plan->channel_count; i++)
		plan->channels[i].may_reconnect = may_reconnect;
}

static bool plan_all(const struct transfer_basis *basis, struct transfer_plan *plan,
		     struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf reasons = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		decide(&capabilities[i], basis, &plan->capabilities[i], &reasons);
	plan->capability_count = ARRAY_LEN(capabilities);
	plan->channels[0] = (struct transfer_channel){ .name = TRANSFER_CHANNEL_RAM };
	plan->channel_count = 1;
	plan->has_parameters = true;
	if (basis->wish->has_multifd)
		plan_multifd(basis, plan, &reasons);
	if (basis->wish->has_postcopy)
		check_postcopy(basis, &reasons);
	if (basis->disk_count)
		plan_disks(basis, plan, &reasons);
	if (basis->stopped)
		check_stopped(basis, &reasons);
	plan_switchover(basis, plan);
	if (basis->wish->auto_converge)
		plan_throttle(basis, plan);
	plan->channels[0].connections = transfer_plan_connections(plan);
	plan_links(plan);
	return !reasons.len || err_set(err, ERR_QEMU, "%s", strbuf_str(&reasons));
}

bool transfer_plan_make(const struct transfer_basis *basis, struct transfer_plan *ret,
			struct err *err)
{
	struct transfer_plan plan = { 0 };

	if ((!transfer_wish_is_plain(basis->wish) || basis->disk_count || basis->stopped) &&
	    (!basis->source || !basis->destination))
		return err_set(err, ERR_UNAVAILABLE,
			       "the %s has not told yet what its QEMU offers: try again",
			       basis->source ? "destination" : "source");
	if (!plan_all(basis, &plan, err))
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

		if (is_told(capability, features) && !is_parameter(features, capability->name))
			add_capability(list, capability->name, capability->on);
	}
	for (size_t i = 0; features && i < features->capability_count; i++) {
		const char *name = features->capabilities[i];

		if (is_left_out(plan, name) && !is_parameter(features, name))
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

		if (is_parameter(features, capability->name))
			json_add_bool(args, capability->name, capability->on);
	}
	for (size_t i = 0; features && i < features->capability_count; i++) {
		const char *name = features->capabilities[i];

		if (is_left_out(plan, name) && is_parameter(features, name))
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

bool transfer_plan_has(const struct transfer_plan *plan, const char *capability)
{
	for (size_t i = 0; plan && i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, capability) == 0)
			return plan->capabilities[i].on;
	}
	return false;
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
		return err_set(err, ERR_INVALID, "disks are copied, and QEMU would not wait for "
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

	if (parameter->only_source)
		return true;
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
	       check_channels(ret, err) && check_disks(ret, err) && check_settings(ret, err);
}

/* ---- as JSON ----------------------------------------------------------------- */

const struct json_field transfer_features_fields[] = {
	{ .key = "capabilities",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, capabilities, capability_count),
	  .help = "Names of the migration capabilities that this host's QEMU has." },
	{ .key = "parameters",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct transfer_features, parameters, parameter_count),
	  .help = "Names of the migration parameters that this host's QEMU has." },
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
