/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a plan from what is asked for and what both hosts offer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "wire/transfer_plan_priv.h"

/* ---- what there is to decide ----------------------------------------------- */

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
	return basis->wish->has_postcopy && !basis->wish->has_multifd && basis->source->preempt;
}

static bool asks_disks(const struct transfer_basis *basis)
{
	return basis->disk_count > 0;
}

/* QEMU is told a parameter of its own in a plan only if the destination's coordinator knows such.
 */
static bool takes_switchover_bandwidth(const struct transfer_basis *basis)
{
	return transfer_features_have_parameter(basis->source, TRANSFER_SWITCHOVER_BANDWIDTH) &&
	       basis->destination && basis->destination->parameter_count;
}

/* QEMU stops the guest when it expects to send all in the allowed downtime, bitmaps too, at the
 * rate of the last moment.  A guest that changes little has next to none, so that it would never
 * be stopped (findings/bitmaps-keep-an-idle-guest-from-its-switchover.sh): only where QEMU is told
 * the rate do bitmaps go, and only such as need little of that time.  NULL: they go. */
static const char *why_bitmaps_stay(const struct transfer_basis *basis)
{
	if (!basis->bitmap_count)
		return "no image that is copied keeps bitmaps that can be sent";
	if (!basis->destination || !basis->destination->bitmaps)
		return "the destination's migrd does not take them: upgrade it";
	if (!basis->source || !transfer_features_have(basis->source, TRANSFER_DIRTY_BITMAPS) ||
	    !transfer_features_have(basis->destination, TRANSFER_DIRTY_BITMAPS))
		return "one of the two QEMUs cannot send them";
	if (!takes_switchover_bandwidth(basis))
		return "the source's QEMU cannot be told how fast they go while the guest stands "
		       "still, as 8.2 can: it might never stop the guest";
	if (!basis->link_bytes_per_s)
		return "no move without a limit has shown how fast the link is";
	if (transfer_bitmaps_ms(basis->bitmap_bytes, basis->link_bytes_per_s) >
	    basis->first_limit_ms)
		return "they are too large for the link and an eighth of downtime_limit_ms: raise "
		       "that";
	return NULL;
}

static bool asks_bitmaps(const struct transfer_basis *basis)
{
	return !why_bitmaps_stay(basis);
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
	const char *why, *why_not; /* WHY_NOT NULL: why_bitmaps_stay() tells */
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
	  "only for post-copy without multifd, if both QEMUs have it and the source's is 8.0 or "
	  "later, "
	  "as an older one mixes up parts of memory" },
	{ "switchover-ack", IF_BOTH, NULL,
	  "the guest is not stopped before the destination's devices are ready for their state",
	  "one of the two QEMUs does not have it" },
	{ "pause-before-switchover", ASKED, asks_disks,
	  "QEMU waits, once the guest stands still, until the copies of its disks have ended",
	  "no disk is copied" },
	{ TRANSFER_DIRTY_BITMAPS, IF_BOTH, asks_bitmaps,
	  "what backups have noted of the disks that are copied goes along", NULL },
	{ "zero-copy-send", NEVER, NULL, NULL,
	  "QEMU sends to a UNIX socket, to which the kernel always copies" },
};

#define THROTTLE_INITIAL "cpu-throttle-initial"
#define THROTTLE_MAX     "max-cpu-throttle"

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
bool transfer_capability_is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcmp(capabilities[i].name, name) == 0)
			return true;
	}
	return false;
}

/* ---- the plan ------------------------------------------------------------ */

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
	const char *why = wanted ? row->why : row->why_not ? row->why_not : why_bitmaps_stay(basis);

	snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	snprintf(ret->why, sizeof(ret->why), "%s", why);
	ret->on = wanted && !lacking;
	if (wanted && lacking)
		add_reason(reasons, "the %s's QEMU has no migration capability '%s'%s", lacking,
			   row->name,
			   row->use == NEEDED
				   ? ", which every move needs: install a QEMU there that has it"
				   : ": install a QEMU there that has it, or do not ask for what "
				     "needs it");
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

static void check_compression(const struct transfer_basis *basis, struct strbuf *reasons)
{
	const int wanted = basis->wish->multifd.compression;
	bool source_does = transfer_features_compress(basis->source, wanted);

	if (!source_does || !transfer_features_compress(basis->destination, wanted))
		add_reason(reasons,
			   "the %s's QEMU was built without the compression '%s': ask for another, "
			   "or for none",
			   source_does ? "destination" : "source",
			   transfer_compression_names[wanted]);
}

static void plan_multifd(const struct transfer_basis *basis, struct transfer_plan *plan,
			 struct strbuf *reasons)
{
	uint64_t most = basis->destination->connections ? basis->destination->connections : 1;
	uint64_t wanted = plan_channels(basis, plan)->number + 1; /* with the device state */
	struct transfer_parameter *compression =
		add_parameter(plan, MULTIFD_COMPRESSION, "as asked for");

	snprintf(compression->word, sizeof(compression->word), "%s",
		 transfer_compression_names[basis->wish->multifd.compression]);
	check_compression(basis, reasons);
	if (wanted > most)
		add_reason(reasons,
			   "%llu connections of a channel are too many for the destination's "
			   "coordinator (%llu): upgrade it",
			   (unsigned long long)wanted, (unsigned long long)most);
}

/* Under a limit QEMU takes the limited rate for that of the last pass too, which has none: it
 * would wait for the guest to leave less memory than it could send in the allowed downtime.  With
 * bitmaps it would wait for ever: why_bitmaps_stay().
 * QEMU is told in each move, as it keeps the value of an earlier one.  A coordinator that tells
 * no parameters would refuse the plan. */
static void plan_switchover(const struct transfer_basis *basis, struct transfer_plan *plan)
{
	bool has_bitmaps = transfer_plan_has(plan, TRANSFER_DIRTY_BITMAPS);
	bool is_limited = basis->limit_bytes_per_s > 0;
	bool is_wanted = is_limited && basis->link_bytes_per_s > basis->limit_bytes_per_s;
	struct transfer_parameter *parameter;

	if (!takes_switchover_bandwidth(basis))
		return;
	parameter = add_parameter(
		plan, TRANSFER_SWITCHOVER_BANDWIDTH, "%s",
		is_wanted     ? "the limit ends when the guest stands still, and the last move to "
				"that host got so much"
		: has_bitmaps ? "QEMU has to know when the bitmaps can be sent, and the last move "
				"to that host got so much"
		: is_limited  ? "no move without a limit has shown that the link is faster"
			      : "without a limit QEMU measures it");
	parameter->number = is_wanted || has_bitmaps ? basis->link_bytes_per_s : 0;
	parameter->only_source = true;
}

/* QEMU is told in each such move, as it keeps the values of an earlier one; it takes no maximum
 * below the initial value.  See plan_switchover() for the older coordinator. */
static void plan_throttle(const struct transfer_basis *basis, struct transfer_plan *plan)
{
	uint64_t most = basis->throttle_max_percent;
	struct transfer_parameter *parameter;

	if (!transfer_features_have_parameter(basis->source, THROTTLE_MAX) || !basis->destination ||
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
		add_reason(reasons,
			   "the destination's QEMU takes no post-copy: %s: let the user of migrd "
			   "there use userfaultfd (/dev/userfaultfd, or the sysctl "
			   "vm.unprivileged_userfaultfd), or leave out postcopy",
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
