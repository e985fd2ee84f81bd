/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/table.h -- prints answers of the API: as tables for people (libsmartcols
 * inside), or as JSON.
 *
 * A table of fields says which members are shown, under which title and how.
 * Foreign text is made harmless for terminals.  Thread: any.
 */
#ifndef MIGRD_LIB_TABLE_H
#define MIGRD_LIB_TABLE_H

#include <stdio.h>

#include "base/json.h"

enum table_kind {
	TABLE_TEXT,
	TABLE_NUMBER, /* aligned to the right */
	TABLE_BYTES,
	TABLE_RATE, /* bytes per second; 0 is no limit */
	TABLE_MIB,
	TABLE_MS,
	TABLE_MS_ERROR, /* NAME_ms, and by how much it may be wrong, which is in NAME_error_ms */
	TABLE_SECONDS,
	TABLE_MBIT,       /* Mbit/s, shown as bytes per second, as all other rates are */
	TABLE_PAGES_RATE, /* pages of 4 KiB per second, likewise */
	TABLE_PERCENT,
	TABLE_COUNT, /* how many elements */
};

struct table_field {
	const char *title; /* NULL ends a table */
	const char *path;  /* "job.state" */
	enum table_kind kind;
};

#define TABLE_CELL_SIZE  512
#define TABLE_WORDS_SIZE 2048

/* true and false are shown as yes and no, and an array of texts as "a, b". */

/* The member at a path, NULL if a step is missing or null; borrowed. */
struct json_object *table_member(struct json_object *obj, const char *path);
/* The member as plain text; "": it is missing. */
const char *table_text(struct json_object *obj, const char *path, char ret_text[TABLE_CELL_SIZE]);

/* The same, with room for a sentence or two. */
const char *table_words(struct json_object *obj, const char *path, char ret_text[TABLE_WORDS_SIZE]);

/* The member of FIELD as its kind shows it; "-": it is missing. */
const char *table_cell(struct json_object *obj, const struct table_field *field,
		       char ret_text[TABLE_CELL_SIZE]);

/* {"items":[...]}: a line each, under a line of titles. */
void table_print_list(FILE *out, struct json_object *list, const struct table_field *fields);
/* The same of the array at PATH, after an empty line; nothing if that is empty or not there. */
void table_print_rows(FILE *out, struct json_object *obj, const char *path,
		      const struct table_field *fields);
/* A line for each member that is there and not empty. */
void table_print_object(FILE *out, struct json_object *obj, const struct table_field *fields);
void table_print_json(FILE *out, struct json_object *obj);

#endif
