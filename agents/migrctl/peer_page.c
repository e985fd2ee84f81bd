/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/peer_page.h"

#include "base/id.h"
#include "base/mem.h"

static const struct table_field peer_fields[] = {
	{ "id", "id", TABLE_TEXT },
	{ "API address", "address", TABLE_TEXT },
	{ "answers", "answers", TABLE_TEXT },
	{ "silent because", "silent_because", TABLE_TEXT },
	{ "told by", "by", TABLE_TEXT },
	{ "at", "at", TABLE_TEXT },
	{ "told its guests at", "told_at", TABLE_TEXT },
	{ "stopped VMs then", "told_stopped", TABLE_NUMBER },
	{ "guests", "guests", TABLE_COUNT },
	{ "guests left out", "left_out", TABLE_NUMBER },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field guest_fields[] = {
	{ "VM", "vm", TABLE_TEXT },       { "WHERE", "where", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT }, { "SAID BY", "by", TABLE_TEXT },
	{ "AT", "at", TABLE_TEXT },       { "MOVE", "move", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static void print_words(struct json_object *guest)
{
	char name[TABLE_CELL_SIZE], text[TABLE_WORDS_SIZE];

	printf("\n%s:\n  %s\n", table_text(guest, "vm", name), table_words(guest, "what", text));
	printf("  may be done: %s\n", table_words(guest, "may", text));
	if (json_get_str(guest, "must_not"))
		printf("  must not be done: %s\n", table_words(guest, "must_not", text));
}

static void print_page(struct json_object *peer)
{
	struct json_object *guests = table_member(peer, "guests");
	char text[TABLE_WORDS_SIZE];

	if (!json_get_str(peer, "told_at"))
		json_object_object_del(peer, "told_stopped"); /* 0 would say that it has none */
	table_print_object(stdout, peer, peer_fields);
	printf("\n%s\n", table_words(peer, "advice", text));
	if (json_count(guests) == 0) {
		puts("\nno guest is known that it has, had or was to have");
		return;
	}
	table_print_rows(stdout, peer, "guests", guest_fields);
	for (size_t i = 0; i < json_count(guests); i++)
		print_words(json_object_array_get_idx(guests, i));
}

bool peer_page_print(struct cli_call *call, struct client *client, const char *id, struct err *err)
{
	CLEANUP(free_charp) char *path = xasprintf("/v1/peers/%s", id);
	CLEANUP(json_putp) struct json_object *peer = NULL;

	if (!id_host_is_valid(id))
		return err_set(err, ERR_INVALID,
			       "'%s' is no host id: 'migrctl host list' shows them", id);
	if (!client_get(client, path, &peer, err))
		return false;
	if (migrctl_wants_json(call))
		migrctl_print_data(call, peer);
	else
		print_page(peer);
	return true;
}
