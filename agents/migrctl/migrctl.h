/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/migrctl.h -- what the commands of migrctl share. */
#ifndef MIGRD_MIGRCTL_MIGRCTL_H
#define MIGRD_MIGRCTL_MIGRCTL_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"
#include "agents/lib/table.h"
#include "base/strbuf.h"

/* The options that every command has. */
struct migrctl_globals {
	const char *context;
	const char *socket;
	const char *host;
	const char *host_id;
	const char *cert, *key, *ca;
	const char *output;
};

/* A client as the options of the command line, the environment and the contexts want it
 * (migrctl/reach.h); NULL: *err is set. */
struct client *migrctl_client(struct cli_call *call, struct err *err);
/* The answer is wanted as data: -o json, yaml or name.  migrctl_print_data() prints it so. */
bool migrctl_wants_json(const struct cli_call *call);

static inline void migrctl_client_freep(struct client **client)
{
	client_free(*client);
}

/* Prints OBJ as -o wants it: JSON, YAML, or names alone: `name' of it or of each of its items, else
 * `id'.  As JSON where -o wants text. */
void migrctl_print_data(const struct cli_call *call, struct json_object *obj);
/* Likewise, or by FIELDS. */
void migrctl_print_list(const struct cli_call *call, struct json_object *list,
			const struct table_field *fields);
void migrctl_print_object(const struct cli_call *call, struct json_object *obj,
			  const struct table_field *fields);
/* A list, by FIELDS and for -o wide by MORE too. */
void migrctl_print_wide(const struct cli_call *call, struct json_object *list,
			const struct table_field *fields, const struct table_field *more);
/* Prints `warnings' of an answer to standard error, if it has some. */
void migrctl_print_warnings(struct json_object *obj);
/* GET PATH?QUERY, all pages, and print. */
bool migrctl_list(struct cli_call *call, const char *path, const char *query,
		  const struct table_field *fields, struct err *err);
/* The same, with MORE for -o wide. */
bool migrctl_list_wide(struct cli_call *call, const char *path, const char *query,
		       const struct table_field *fields, const struct table_field *more,
		       struct err *err);
/* GET PATH and the command's first word, and print. */
bool migrctl_show(struct cli_call *call, const char *path, const struct table_field *fields,
		  struct err *err);

/* TEXT "a,b" as a list of words; one that is no name, such as the one behind a last comma, is
 * refused by the daemon, which says why. */
struct json_object *migrctl_words(const char *text);
/* Reads a whole file of JSON for a request's body; "-" is standard input. */
bool migrctl_read_file(const char *path, struct strbuf *text, struct err *err);

#endif
