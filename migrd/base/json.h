/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json.h -- JSON in and out by tables.
 *
 * One table per object says key, type, bounds and where the value is; it decodes,
 * encodes, and prints the JSON Schema, so document and code cannot drift.
 * Decoding collects every fault with its JSON pointer (RFC 6901) instead of
 * stopping at the first.
 *
 * Texts are read by json_parse.c; json-c has the tree and writes it.  Thread: any.
 */
#ifndef MIGRD_BASE_JSON_H
#define MIGRD_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* ---- faults ---------------------------------------------------------- */

#define FAULT_MAX 64

struct fault {
	char pointer[160]; /* JSON pointer, or FILE:LINE for the configuration */
	char detail[640];
};

/* All faults of one input.  Those beyond FAULT_MAX are only counted. */
struct faults {
	size_t count;
	struct fault *list; /* as long as it must be: most inputs have none */
	size_t size;
};

struct faults *faults_new(void);
void faults_free(struct faults *faults);
void faults_add(struct faults *faults, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "N faults: /a: ...; /b: ..." as an INVALID error (cut to fit); false. */
bool faults_to_err(const struct faults *faults, struct err *err);

/* ---- text to tree ---------------------------------------------------- */

struct json_limits {
	size_t max_bytes;
	unsigned max_depth;
	size_t max_values; /* in all objects and arrays together; 0: any number */
};
extern const struct json_limits json_limits_default; /* 1 MiB, 16 deep, 10,000 values */

/* Strict JSON: whole input used, valid UTF-8, no duplicate key, no NaN, no
 * embedded NUL in a string or key, integers in int64 or uint64 range.  On
 * failure returns NULL, with one or more faults (also for each duplicate key).
 * The caller owns the tree (json_object_put, or CLEANUP(json_putp)). */
struct json_object *json_parse(const void *data, size_t len, const struct json_limits *limits,
			       struct faults *faults);

/* Reads a text that this program wrote: of a record, or kept in memory.  NULL if TEXT is
 * NULL or no JSON.  The caller owns the tree. */
struct json_object *json_read_back(const char *text);

static inline void json_putp(struct json_object **obj)
{
	json_object_put(*obj);
}

/* ---- tree to struct -------------------------------------------------- */

/* Not json_type: that is a name of json-c. */
enum json_field_type {
	JSON_STRING,  /* char[size] inside the struct */
	JSON_TEXT,    /* char *, allocated; freed by json_release() */
	JSON_BOOL,    /* bool */
	JSON_INT,     /* int64_t */
	JSON_UINT,    /* uint64_t */
	JSON_NUMBER,  /* double; an integer is taken too */
	JSON_ENUM,    /* int, an index into `names' */
	JSON_OBJECT,  /* a struct, by `fields' */
	JSON_ARRAY,   /* element structs of `size' bytes, at most `max', by `fields';
		       * count in size_t at `count_offset' */
	JSON_STRINGS, /* array of char[size], at most `max'; count likewise */
	JSON_ANY,     /* struct json_object *, a new reference; json_release() */
	JSON_SCALARS, /* char[size]: an object of strings, integers and booleans, kept as
		       * its JSON text */
	JSON_PART,    /* a struct whose members, by `fields', stand in the object itself;
		       * its key is "" */
	/* The types below are only encoded; json_release() leaves them alone. */
	JSON_BORROWED, /* const char * */
	JSON_TIME,     /* int64_t, milliseconds since 1970: RFC 3339; 0: null */
	JSON_LIST,     /* const pointer to elements of `size' bytes, by `fields' (NULL: each
			* is a const char *); count in size_t at `count_offset' */
};

/* Checks a value that bounds cannot describe; false: *RET_WHY is the fault in words. */
typedef bool json_check_fn(const char *value, const char **ret_why);

struct json_field {
	const char *key; /* NULL ends a table */
	enum json_field_type type;
	bool required;
	bool nullable; /* null is read as absent, and written for a value not present, or 0 */
	size_t offset;
	size_t size;         /* STRING(S), SCALARS: bytes with the end; ARRAY, LIST: of an
	                      * element */
	size_t count_offset; /* ARRAY, STRINGS, LIST */
	size_t present_offset; /* bool set when the key was there; 0: not wanted */
	int64_t min, max;      /* INT, UINT, NUMBER: value; STRING, TEXT: length; arrays: count;
				* both 0: the type's own range */
	const char *const *names;        /* ENUM: ended by NULL */
	unsigned digits;                 /* NUMBER, written: after the point; 0: all */
	const struct json_field *fields; /* OBJECT, ARRAY, LIST, PART; of ANY for the schema */
	json_check_fn *check;            /* STRING, TEXT, STRINGS */
	const char *pattern;             /* for the schema: what `check' accepts */
	bool is_passing; /* of a reply: changes by itself; If-Match does not compare it */
	const char *format;              /* the same, as a name of JSON Schema: "date-time" */
	const char *help;                /* one sentence, unit included */
};

/* Offset and size of a member; of an array or list, with its count and limit. */
#define JSON_MEMBER(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define JSON_MEMBERS(type, member, count)                                           \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]),   \
	.max = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]),        \
	.count_offset = offsetof(type, count)

/* Rows of a reply.  The key is the member's name, the type follows from the member's type;
 * further initializers may be added.  A SHOWN row is always sent; a SHOWN_IF row if it is not
 * zero or, with a present_offset, if that bool is true. */
#define JSON_TYPE_OF(owner, member)             \
	_Generic(((owner *)0)->member,          \
		bool: JSON_BOOL,                \
		int64_t: JSON_INT,              \
		uint64_t: JSON_UINT,            \
		double: JSON_NUMBER,            \
		char *: JSON_STRING,            \
		const char *: JSON_BORROWED,    \
		struct json_object *: JSON_ANY)
#define JSON_ROW(owner, member_, type_, help_, ...) \
	{ .key = #member_, .type = type_, JSON_MEMBER(owner, member_), .help = help_, __VA_ARGS__ }
#define JSON_SHOWN_IF(owner, member, help, ...) \
	JSON_ROW(owner, member, JSON_TYPE_OF(owner, member), help, __VA_ARGS__)
#define JSON_SHOWN(owner, member, ...) JSON_SHOWN_IF(owner, member, __VA_ARGS__, .required = true)
#define JSON_SHOWN_TIME_IF(owner, member, ...) JSON_ROW(owner, member, JSON_TIME, __VA_ARGS__, )
#define JSON_SHOWN_TIME(owner, member, ...) \
	JSON_ROW(owner, member, JSON_TIME, __VA_ARGS__, .required = true)
#define JSON_SHOWN_OBJECT_IF(owner, member, table, ...) \
	JSON_ROW(owner, member, JSON_OBJECT, __VA_ARGS__, .fields = table)
#define JSON_SHOWN_OBJECT(owner, member, table, ...) \
	JSON_SHOWN_OBJECT_IF(owner, member, table, __VA_ARGS__, .required = true)
/* TABLE NULL: a list of texts. */
#define JSON_SHOWN_LIST(owner, member_, count, table, help_, ...)                      \
	{                                                                              \
		.key = #member_, .type = JSON_LIST, .offset = offsetof(owner, member_), \
		.size = sizeof(*((owner *)0)->member_),                                \
		.count_offset = offsetof(owner, count), .fields = table, .help = help_, __VA_ARGS__ \
	}
#define JSON_PART_OF(owner, member, table)                                             \
	{                                                                              \
		.key = "", .type = JSON_PART, JSON_MEMBER(owner, member), .fields = table \
	}

/* Fills OUT (zeroed or defaulted by the caller; what is absent is left alone).
 * Unknown keys, wrong types, bounds, missing keys: a fault each, at POINTER
 * plus the place.  True when it added none. */
bool json_decode(struct json_object *obj, const struct json_field *fields, void *out,
		 const char *pointer, struct faults *faults);
/* Frees what JSON_TEXT and JSON_ANY fields hold; not for a reply that has borrowed its ANY. */
void json_release(const struct json_field *fields, void *out);

/* json_decode() with all faults as one error: for small inputs of our own programs
 * and peers.  IGNORE_UNKNOWN: keys of a newer version are skipped. */
enum json_decode_flags { JSON_STRICT = 0, JSON_IGNORE_UNKNOWN = 1 };
bool json_decode_object(struct json_object *obj, const struct json_field *fields, void *out,
			enum json_decode_flags flags, struct err *err);

/* The JSON Schema (2020-12) of a table; the caller owns it.  The schema of a reply
 * allows other keys too: a reader must ignore the keys that it does not know. */
enum json_schema_use { JSON_SCHEMA_REQUEST, JSON_SCHEMA_REPLY };
struct json_object *json_schema(const struct json_field *fields, enum json_schema_use use,
				const char *title, const char *description);
/* The inverse of json_decode(): a new object; absent optional members are
 * left out when they are zero, "" or empty and have no present_offset.  Text that is no
 * UTF-8 is repaired. */
struct json_object *json_encode(const struct json_field *fields, const void *in);

/* ---- building -------------------------------------------------------- */

/* A NULL text and the time 0 give NULL, which is JSON's null. */
struct json_object *json_new_str(const char *value);
struct json_object *json_new_time(int64_t wall_ms); /* RFC 3339 */
void json_add_str(struct json_object *obj, const char *key, const char *value); /* NULL: null */
void json_add_int(struct json_object *obj, const char *key, int64_t value);
void json_add_uint(struct json_object *obj, const char *key, uint64_t value);
void json_add_bool(struct json_object *obj, const char *key, bool value);
/* These read a tree of any shape: NULL or FALLBACK when OBJ is no object, or KEY is
 * missing or of another type. */
const char *json_get_str(struct json_object *obj, const char *key);
int64_t json_get_int(struct json_object *obj, const char *key, int64_t fallback);
bool json_get_bool(struct json_object *obj, const char *key, bool fallback);
struct json_object *json_get_obj(struct json_object *obj, const char *key);
/* The number of items in an array; 0 for anything else, NULL too. */
size_t json_count(struct json_object *array);
/* OBJ on one line, as it is sent; borrowed until OBJ changes or goes.  RET_LEN may be NULL. */
const char *json_text(struct json_object *obj, size_t *ret_len);

#endif
