/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_channel.h"

#include <string.h>

static const char *const side_names[] = { "source", "destination", NULL };

bool transfer_channel_name_is_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len < TRANSFER_CHANNEL_SIZE && name[len] == '\0' &&
	       strcmp(name, TRANSFER_CHANNEL_RESERVED) != 0;
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "must be 1 to 15 of a-z, 0-9 and '-', and not '" TRANSFER_CHANNEL_RESERVED "'";
	return transfer_channel_name_is_valid(value);
}

const struct json_field transfer_channel_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct transfer_channel, name),
	  .check = check_name,
	  .pattern = "^[a-z0-9-]{1,15}$",
	  .help = "Name of a channel of the data stream." },
	{ .key = "connections",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct transfer_channel, connections),
	  .min = 1,
	  .max = TRANSFER_CONNECTION_MAX,
	  .help = "Connections that QEMU makes on it." },
	{ .key = "speaks_first",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct transfer_channel, speaks_first),
	  .names = side_names,
	  .help = "Whose QEMU sends first on a new connection." },
	{ .key = "may_reconnect",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_channel, may_reconnect),
	  .help = "Whether the hosts connect again after their connection was lost, and QEMU "
		  "waits." },
	{ .key = "without_lease",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct transfer_channel, without_lease),
	  .help = "Whether its data also goes out while the source's coordinator has no lease." },
	{ 0 },
};
