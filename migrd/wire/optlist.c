/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/optlist.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const struct json_limits limits = { .max_bytes = OPTLIST_MAX_BYTES, .max_depth = 8 };

/* Takes ownership of KEY and VALUE. */
static bool add(struct optlist *list, char *key, char *value, struct err *err)
{
	if (list->count == OPTLIST_MAX) {
		free(key);
		free(value);
		return err_set(err, ERR_LIMIT, "it has more than %d keys", OPTLIST_MAX);
	}
	if (!list->opts)
		list->opts = xcalloc(OPTLIST_MAX, sizeof(*list->opts));
	list->opts[list->count++] = (struct opt){ key, value };
	return true;
}

void optlist_fini(struct optlist *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->opts[i].key);
		free(list->opts[i].value);
	}
	free(list->opts);
	*list = (struct optlist)OPTLIST_INIT;
}

/* ---- text ------------------------------------------------------------ */

/* The value up to a comma that is not doubled; moves *AT behind that comma. */
static char *take_value(const char **at)
{
	struct strbuf sb = STRBUF_INIT;
	const char *p = *at;

	for (; *p && (*p != ',' || p[1] == ','); p += *p == ',' ? 2 : 1)
		strbuf_add(&sb, p, 1);
	*at = *p ? p + 1 : p;
	return sb.data ? strbuf_take(&sb) : xstrdup("");
}

static bool parse_one(const char **at, const char *implied, struct optlist *list, struct err *err)
{
	size_t len = strcspn(*at, "=,");
	const char *key = *at;

	if (key[len] == '=') {
		*at += len + 1;
		if (len == 0)
			return err_set(err, ERR_INVALID, "a key is empty");
		return add(list, xstrndup(key, len), take_value(at), err);
	}
	if (implied)
		return add(list, xstrdup(implied), take_value(at), err);
	if (len == 0)
		return err_set(err, ERR_INVALID, "a key is empty");
	*at += len + (key[len] == ',');
	return add(list, xstrndup(key, len), NULL, err);
}

static bool parse_text(const char *text, const char *implied, struct optlist *list, struct err *err)
{
	while (*text) {
		if (!parse_one(&text, implied, list, err))
			return false;
		implied = NULL;
	}
	return true;
}

/* ---- JSON ------------------------------------------------------------ */

static bool add_json(struct optlist *list, const char *key, struct json_object *value,
		     struct err *err);

static char *join(const char *prefix, const char *key)
{
	return prefix[0] ? xasprintf("%s.%s", prefix, key) : xstrdup(key);
}

static bool add_members(struct optlist *list, const char *prefix, struct json_object *obj,
			struct err *err)
{
	bool ok = true;

	json_object_object_foreach(obj, key, value)
	{
		CLEANUP(free_charp) char *name = join(prefix, key);

		ok = ok && add_json(list, name, value, err);
	}
	return ok;
}

static bool add_elements(struct optlist *list, const char *prefix, struct json_object *array,
			 struct err *err)
{
	bool ok = true;

	for (size_t i = 0; ok && i < json_object_array_length(array); i++) {
		CLEANUP(free_charp) char *name = xasprintf("%s.%zu", prefix, i);

		ok = add_json(list, name, json_object_array_get_idx(array, i), err);
	}
	return ok;
}

static bool add_json(struct optlist *list, const char *key, struct json_object *value,
		     struct err *err)
{
	switch (json_object_get_type(value)) {
	case json_type_object:
		return add_members(list, key, value, err);
	case json_type_array:
		return add_elements(list, key, value, err);
	case json_type_boolean:
		return add(list, xstrdup(key),
			   xstrdup(json_object_get_boolean(value) ? "on" : "off"), err);
	case json_type_null:
	case json_type_double:
	case json_type_int:
	case json_type_string:
		break;
	}
	if (!value)
		return list->skips_null || err_set(err, ERR_INVALID, "'%.40s' is null", key);
	return add(list, xstrdup(key), xstrdup(json_object_get_string(value)), err);
}

static bool parse_json(const char *text, struct optlist *list, struct err *err)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(text, strlen(text), &limits, faults);
	bool ok = obj && json_object_is_type(obj, json_type_object);

	if (ok)
		ok = add_members(list, "", obj, err);
	else
		err_set(err, ERR_INVALID, "it begins as JSON and is none");
	faults_free(faults);
	return ok;
}

static bool parse(const char *text, const char *implied, bool skips_null, struct optlist *ret,
		  struct err *err)
{
	struct optlist list = { .skips_null = skips_null };
	bool ok;

	if (strlen(text) > OPTLIST_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "it has more than %d bytes", OPTLIST_MAX_BYTES);
	ok = *text == '{' ? parse_json(text, &list, err) : parse_text(text, implied, &list, err);
	if (ok)
		*ret = list;
	else
		optlist_fini(&list);
	return ok;
}

bool optlist_parse(const char *text, const char *implied, struct optlist *ret, struct err *err)
{
	return parse(text, implied, false, ret, err);
}

bool optlist_look(const char *text, const char *implied, struct optlist *ret, struct err *err)
{
	return parse(text, implied, true, ret, err);
}

/* ---- use ------------------------------------------------------------- */

static struct opt *find(const struct optlist *list, const char *key)
{
	for (size_t i = list->count; i > 0; i--) {
		if (strcmp(list->opts[i - 1].key, key) == 0)
			return &list->opts[i - 1];
	}
	return NULL;
}

const char *optlist_get(const struct optlist *list, const char *key)
{
	const struct opt *opt = find(list, key);

	if (!opt)
		return NULL;
	return opt->value ? opt->value : "on";
}

bool optlist_is(const struct optlist *list, const char *key, const char *value,
		const char *if_absent)
{
	const char *found = optlist_get(list, key);

	return strcmp(found ? found : if_absent, value) == 0;
}

void optlist_remove(struct optlist *list, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct opt opt = list->opts[i];

		if (strcmp(opt.key, key) == 0) {
			free(opt.key);
			free(opt.value);
		} else {
			list->opts[kept++] = opt;
		}
	}
	list->count = kept;
}

void optlist_set(struct optlist *list, const char *key, const char *value)
{
	/* A list that was full when parsed needs room for what migrd adds. */
	if (!list->opts || list->count >= OPTLIST_MAX)
		list->opts =
			xrealloc(list->opts, (list->count + OPTLIST_MAX) * sizeof(*list->opts));
	optlist_remove(list, key);
	list->opts[list->count++] = (struct opt){ xstrdup(key), xstrdup(value) };
}

static bool is_one_of(const char *key, const char *const *known)
{
	for (; *known; known++) {
		if (strcmp(key, *known) == 0)
			return true;
	}
	return false;
}

const char *optlist_stranger(const struct optlist *list, const char *const *known)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!is_one_of(list->opts[i].key, known))
			return list->opts[i].key;
	}
	return NULL;
}

char *optlist_format(const struct optlist *list)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < list->count; i++) {
		const struct opt *opt = &list->opts[i];

		strbuf_addf(&sb, "%s%s%s", i ? "," : "", opt->key, opt->value ? "=" : "");
		for (const char *p = opt->value; p && *p; p++)
			strbuf_add(&sb, *p == ',' ? ",," : p, *p == ',' ? 2 : 1);
	}
	return sb.data ? strbuf_take(&sb) : xstrdup("");
}
