/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/query.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "http/internal.h"

static const struct http_query_key *find_key(const struct http_query_key *keys, const char *name)
{
	for (; keys && keys->name; keys++) {
		if (strcmp(keys->name, name) == 0)
			return keys;
	}
	return NULL;
}

static bool is_twice(const struct http_pairs *query, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(query->list[i].key, query->list[index].key) == 0)
			return true;
	}
	return false;
}

/* Digits only: strtoull() would also take blanks, signs and an overflow. */
static bool parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
	size_t len = strlen(text);

	if (len == 0 || len > 19 || strspn(text, "0123456789") != len)
		return false;
	*ret = strtoull(text, NULL, 10);
	return *ret <= max;
}

static void join(struct strbuf *sb, const char *word)
{
	strbuf_addf(sb, "%s'%s'", sb->len ? ", " : "", word);
}

/* ---- lists of names ---------------------------------------------------- */

/* REPLY has a member of this name. */
static bool has_member(const struct json_field *reply, const char *name, size_t len)
{
	bool found = false;

	for (; reply && reply->key && !found; reply++)
		found = reply->type == JSON_PART
				? has_member(reply->fields, name, len)
				: strlen(reply->key) == len && strncmp(reply->key, name, len) == 0;
	return found;
}

static void join_members(struct strbuf *words, const struct json_field *reply)
{
	for (; reply && reply->key; reply++) {
		if (reply->type == JSON_PART)
			join_members(words, reply->fields);
		else
			join(words, reply->key);
	}
}

static bool is_one_of(const char *const *names, const char *name, size_t len)
{
	for (; *names; names++)
		if (strlen(*names) == len && strncmp(*names, name, len) == 0)
			return true;
	return false;
}

static bool are_all_known(const struct http_query_key *key, const struct json_field *reply,
			  const char *value)
{
	for (;; value++) {
		size_t len = strcspn(value, ",");

		if (!(key->names ? is_one_of(key->names, value, len)
				 : has_member(reply, value, len)))
			return false;
		value += len;
		if (!*value)
			return true;
	}
}

static void check_names(const struct http_query_key *key, const struct json_field *reply,
			const char *value, const char *pointer, struct faults *faults)
{
	struct strbuf words = STRBUF_INIT;

	if (are_all_known(key, reply, value))
		return;
	for (const char *const *name = key->names; name && *name; name++)
		join(&words, *name);
	if (!key->names)
		join_members(&words, reply);
	faults_add(faults, pointer, "must be some of %s, with commas between them",
		   strbuf_str(&words));
	strbuf_fini(&words);
}

/* ---- values ---------------------------------------------------------------- */

static void check_value(const struct http_query_key *key, const struct json_field *reply,
			const char *value, const char *pointer, struct faults *faults)
{
	struct strbuf words = STRBUF_INIT;
	uint64_t number;

	switch (key->type) {
	case HTTP_QUERY_TEXT:
		if (!*value)
			faults_add(faults, pointer, "must not be empty");
		return;
	case HTTP_QUERY_UINT:
		if (!parse_uint(value, key->max, &number) || number < key->min)
			faults_add(faults, pointer, "must be a number from %" PRIu64 " to %" PRIu64,
				   key->min, key->max);
		return;
	case HTTP_QUERY_ENUM:
		for (const char *const *name = key->names; *name; name++) {
			if (strcmp(*name, value) == 0) {
				strbuf_fini(&words);
				return;
			}
			join(&words, *name);
		}
		faults_add(faults, pointer, "must be %s", strbuf_str(&words));
		strbuf_fini(&words);
		return;
	case HTTP_QUERY_SET:
	case HTTP_QUERY_FIELDS:
		check_names(key, reply, value, pointer, faults);
		return;
	}
}

static void unknown_key(const struct http_query_key *keys, const char *pointer,
			struct faults *faults)
{
	struct strbuf words = STRBUF_INIT;

	for (; keys && keys->name; keys++)
		join(&words, keys->name);
	if (strcmp(pointer, "?dry_run") == 0)
		faults_add(faults, pointer,
			   "this request has no dry run: it can only be done, or not be sent");
	else if (words.len)
		faults_add(faults, pointer, "unknown; this path takes %s", strbuf_str(&words));
	else
		faults_add(faults, pointer, "unknown; this path takes no query");
	strbuf_fini(&words);
}

bool http_query_check(const struct http_query_key *keys, const struct json_field *reply,
		      const struct http_pairs *query, struct faults *faults)
{
	size_t before = faults->count;

	for (size_t i = 0; i < query->count; i++) {
		const struct http_query_key *key = find_key(keys, query->list[i].key);
		char pointer[64];

		snprintf(pointer, sizeof(pointer), "?%.48s", query->list[i].key);
		if (!key)
			unknown_key(keys, pointer, faults);
		else if (is_twice(query, i))
			faults_add(faults, pointer, "stands twice");
		else
			check_value(key, reply, query->list[i].value, pointer, faults);
	}
	return faults->count == before;
}

uint64_t http_query_uint(const struct http_request *req, const char *name)
{
	const struct http_query_key *key = find_key(req->route->query, name);
	const char *text = http_query(req, name);

	assert(key && key->type == HTTP_QUERY_UINT);
	return text ? strtoull(text, NULL, 10) : key->fallback;
}
