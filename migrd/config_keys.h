/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config_keys.h -- the rows of the configuration.  For config*.c. */
#ifndef MIGRD_CONFIG_KEYS_H
#define MIGRD_CONFIG_KEYS_H

#include "config.h"

enum config_type {
	CONFIG_TYPE_HOST_ID,
	CONFIG_TYPE_PATH,    /* relative: to the directory of the main file */
	CONFIG_TYPE_PROGRAM, /* the same, or a bare name for PATH */
	CONFIG_TYPE_LISTEN,  /* HOST:PORT, port 0 lets the kernel choose */
	CONFIG_TYPE_ADDRESS, /* HOST:PORT */
	CONFIG_TYPE_DIRS,    /* DIR:DIR, absolute; read by storage/place.h */
	CONFIG_TYPE_MAP,     /* FROM:TO FROM:TO, absolute; likewise */
	CONFIG_TYPE_UINT,
	CONFIG_TYPE_LEVEL,
	CONFIG_TYPE_URL,      /* https://HOST[:PORT]/PATH */
	CONFIG_TYPE_WHEN,     /* before, after, or before,after */
	CONFIG_TYPE_COMMAND,  /* an absolute path and arguments, with blanks between them */
	CONFIG_TYPE_LABEL,    /* KEY=VALUE, as wire/labels.h has them */
	CONFIG_TYPE_LABELS,   /* the same with commas between them */
	CONFIG_TYPE_NAME,     /* as id_name_is_valid() */
	CONFIG_TYPE_SHUTDOWN, /* off, limit or wait */
	CONFIG_TYPE_HOSTS,    /* host ids with commas between them */
	CONFIG_TYPE_YES,      /* yes or no; an int, 1 or 0 */
};

struct config_key {
	const char *section, *key;
	enum config_type type;
	size_t offset;             /* in its struct; char *, uint64_t or int by type */
	uint64_t min, max;         /* UINT: value; others: bytes, 0 for no limit */
	const char *fallback;      /* as if written in the file; NULL: none, or by code */
	const char *fallback_text; /* for the manual, when it is by code */
	const char *unit;
	const char *help;
	bool or_zero; /* UINT: 0 is allowed too */
	bool is_live; /* SIGHUP takes it over; a text: nobody keeps it */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;
extern const struct config_key config_peer_address; /* of [peer ID] */
/* A kind of sections with names; their structs begin with the name. */
struct config_named {
	const char *prefix; /* of the section: "notify " */
	const char *what;   /* what a name is one of: "party" */
	const struct config_key *keys;
	size_t key_count, max; /* max: sections */
	size_t item_size;
	size_t list_offset, count_offset; /* in struct config */
};
#define CONFIG_NAMED_KINDS    2
#define CONFIG_NAMED_MAX      16 /* of each kind */
#define CONFIG_NAMED_KEYS_MAX 8
extern const struct config_named config_named[CONFIG_NAMED_KINDS];

const char *config_type_name(enum config_type type);
bool config_type_is_text(enum config_type type); /* the value is a char * */

/* Checks VALUE and stores it at OUT (a char *, uint64_t or int by KEY->type; an
 * old text is freed).  BASE_DIR is for relative paths.  On failure *RET_WHY
 * (freed by the caller) says what is wrong and what would be right. */
bool config_value_set(const struct config_key *key, const char *value, const char *base_dir,
		      void *out, char **ret_why);

#endif
