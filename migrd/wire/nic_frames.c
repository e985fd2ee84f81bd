/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/nic_frames.h"

/* So that a double, as which JSON may be read, holds it: until the year 2255. */
#define TIME_MAX_US (INT64_C(1) << 53)

#define TIME_FIELD(name, help_)                                                        \
	{                                                                              \
		.key = #name, .type = JSON_UINT, JSON_MEMBER(struct nic_frames, name), \
		.max = TIME_MAX_US, .help = help_,                                     \
	}

const char *const nic_ping_names[] = { "off", "sent", "no-address", "macvtap", NULL };

const struct json_field nic_address_fields[] = {
	{ .key = "nic",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct nic_address, nic),
	  .help = "Id of the NIC." },
	{ .key = "ipv4",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct nic_address, ipv4),
	  .help = "Address that the guest was seen to have." },
	{ 0 },
};

static const struct json_field nic_fields[] = {
	{ .key = "nic",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct nic_frames, nic),
	  .help = "Id of the NIC in the definition, or of the option that makes it." },
	TIME_FIELD(last_us,
		   "Last frame of the guest before its stop, in microseconds since 1970 by "
		   "this host's clock."),
	TIME_FIELD(late_us, "By how much a later one that was missed can have been later, in "
			    "microseconds."),
	TIME_FIELD(pause_us, "Longest pause between two frames until then, in microseconds."),
	TIME_FIELD(first_us, "First frame of the guest that ran on, in microseconds since 1970 by "
			     "this host's clock."),
	TIME_FIELD(own_us, "First of them that is no announcement (RARP), in microseconds since "
			   "1970 by this host's clock."),
	{ .key = "ping",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct nic_frames, ping),
	  .names = nic_ping_names,
	  .help = "Whether the guest was asked for answers, and if not, why." },
	{ .key = "note",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct nic_frames, note),
	  .help = "Reason why the frames cannot be seen." },
	{ 0 },
};

const struct json_field nic_frames_list_fields[] = {
	{ .key = "watching",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct nic_frames_list, is_watching),
	  .help = "The host still waits for frames." },
	{ .key = "note",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct nic_frames_list, note),
	  .help = "Reason why no NIC is watched." },
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct nic_frames_list, nics, count),
	  .fields = nic_fields,
	  .help = "What was seen, NIC by NIC." },
	{ 0 },
};
