/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/labels.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN   63
#define PREFIX_MAX_LEN 253

static const char key_words[] =
	"no label: NAME or PREFIX/NAME, a name being 1 to 63 of A-Z a-z 0-9 "
	". _ - with a letter or digit at both ends, a prefix a DNS name";
static const char value_words[] =
	"no value of a label: empty, or 1 to 63 of A-Z a-z 0-9 . _ - with "
	"a letter or digit at both ends";

/* Not isalnum(), which depends on the locale. */
static bool is_alnum(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text, size_t len)
{
	if (len < 1 || len > NAME_MAX_LEN || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return true;
}

/* One of the words between the dots. */
static bool is_dns_word(const char *text, size_t len)
{
	if (!is_name(text, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((text[i] >= 'A' && text[i] <= 'Z') || text[i] == '.' || text[i] == '_')
			return false;
	}
	return true;
}

static bool is_prefix(const char *text, size_t len)
{
	size_t at = 0;

	if (len > PREFIX_MAX_LEN)
		return false;
	for (;;) {
		size_t word = strcspn(text + at, "./");

		if (!is_dns_word(text + at, word))
			return false;
		at += word;
		if (at >= len)
			return true;
		at++;
	}
}

static bool is_key(const char *key)
{
	const char *slash = strchr(key, '/');

	if (!slash)
		return is_name(key, strlen(key));
	return is_prefix(key, (size_t)(slash - key)) && is_name(slash + 1, strlen(slash + 1));
}

/* RFC 6901: ~ and / of a key are ~0 and ~1.  A key that does not fit is cut. */
static void point_at(char *ret, size_t size, const char *pointer, const char *key)
{
	size_t len = (size_t)snprintf(ret, size, "%s/", pointer);

	for (; *key && len + 3 < size; key++) {
		if (*key == '~' || *key == '/') {
			ret[len++] = '~';
			ret[len++] = *key == '~' ? '0' : '1';
		} else {
			ret[len++] = *key;
		}
	}
	ret[len < size ? len : size - 1] = '\0';
}

static const char *fault_of(const char *key, struct json_object *value, bool with_null)
{
	const char *text;

	if (!is_key(key))
		return key_words;
	if (!value)
		return with_null ? NULL : value_words;
	if (!json_object_is_type(value, json_type_string))
		return "the value of a label is a string";
	text = json_object_get_string(value);
	return !text[0] || is_name(text, strlen(text)) ? NULL : value_words;
}

bool labels_check(struct json_object *obj, const char *pointer, bool with_null,
		  struct faults *faults)
{
	size_t former = faults->count;
	char at[sizeof(faults->list[0].pointer)];

	if (!json_object_is_type(obj, json_type_object)) {
		faults_add(faults, pointer, "an object of strings is wanted");
		return false;
	}
	json_object_object_foreach(obj, key, value)
	{
		const char *fault = fault_of(key, value, with_null);

		point_at(at, sizeof(at), pointer, key);
		if (fault)
			faults_add(faults, at, "%s", fault);
	}
	if (!with_null && json_object_object_length(obj) > LABELS_MAX)
		faults_add(faults, pointer, "%d labels, and %d are the most",
			   json_object_object_length(obj), LABELS_MAX);
	return faults->count == former;
}

bool labels_change(char labels[LABELS_SIZE], struct json_object *changes, struct err *err)
{
	struct json_object *obj = labels[0] ? json_read_back(labels) : json_object_new_object();
	int count;

	json_object_object_foreach(changes, key, value)
	{
		if (value)
			json_object_object_add(obj, key, json_object_get(value));
		else
			json_object_object_del(obj, key);
	}
	count = json_object_object_length(obj);
	if (count <= LABELS_MAX)
		snprintf(labels, LABELS_SIZE, "%s", count ? json_text(obj, NULL) : "");
	json_object_put(obj);
	return count <= LABELS_MAX ||
	       err_set(err, ERR_LIMIT, "it would have %d labels, and %d are the most: remove some",
		       count, LABELS_MAX);
}

size_t labels_count(const char *labels)
{
	struct json_object *obj = labels[0] ? json_read_back(labels) : NULL;
	size_t count = obj ? (size_t)json_object_object_length(obj) : 0;

	json_object_put(obj);
	return count;
}

static bool has_all(struct json_object *labels, struct json_object *selector)
{
	json_object_object_foreach(selector, key, wanted)
	{
		const char *value = json_get_str(labels, key);

		if (!value || strcmp(value, json_object_get_string(wanted)) != 0)
			return false;
	}
	return true;
}

bool labels_match(const char *labels, const char *selector)
{
	bool can = labels[0] && selector[0];
	struct json_object *has = can ? json_read_back(labels) : NULL;
	struct json_object *wants = can ? json_read_back(selector) : NULL;
	bool does = has && wants && json_object_object_length(wants) > 0 && has_all(has, wants);

	json_object_put(has);
	json_object_put(wants);
	return does;
}
