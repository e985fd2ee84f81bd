/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/place.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"

struct text {
	const char *data;
	size_t len;
};

/* Takes the next word off TEXT (NULL: none); words are parted by any of SEPARATORS. */
static bool next_word(const char **text, const char *separators, struct text *ret)
{
	if (!*text)
		return false;
	*text += strspn(*text, separators);
	*ret = (struct text){ *text, strcspn(*text, separators) };
	*text += ret->len;
	return ret->len > 0;
}

/* ---- the map ------------------------------------------------------------------- */

struct pair {
	struct text from, to;
};

static bool next_pair(const char **map, struct pair *ret)
{
	struct text word;
	const char *colon;

	if (!next_word(map, " \t", &word))
		return false;
	colon = memchr(word.data, ':', word.len);
	if (!colon)
		return false;
	ret->from = (struct text){ word.data, (size_t)(colon - word.data) };
	ret->to = (struct text){ colon + 1, word.len - ret->from.len - 1 };
	return true;
}

/* The pair with the longest FROM that is PATH or above it; without one, a pair of nothing. */
static struct pair find_pair(const char *map, const char *path)
{
	struct pair pair, best = { 0 };

	while (next_pair(&map, &pair)) {
		if (pair.from.len > best.from.len &&
		    path_below(path, pair.from.data, pair.from.len))
			best = pair;
	}
	return best;
}

static bool map_path(const char *map, const char *path, char ret[VM_DEF_PATH_SIZE])
{
	struct pair pair = find_pair(map, path);
	const char *rest = pair.from.len ? path_below(path, pair.from.data, pair.from.len) : path;
	size_t to_len = pair.to.len > 1 ? pair.to.len : 0; /* "/" comes with the rest */

	return snprintf(ret, VM_DEF_PATH_SIZE, "%.*s%s", (int)to_len, to_len ? pair.to.data : "",
			rest) < VM_DEF_PATH_SIZE;
}

/* ---- the directories ------------------------------------------------------------- */

bool storage_any_dir(const struct storage_rules *rules, storage_dir_fn *fn, void *data)
{
	const char *dirs = rules->dirs;
	struct text dir;

	while (next_word(&dirs, ":", &dir)) {
		if (fn(data, dir.data, dir.len))
			return true;
	}
	return false;
}

static bool is_above(void *data, const char *dir, size_t len)
{
	const char *rest = path_below(data, dir, len);

	return rest && *rest;
}

/* ---- both -------------------------------------------------------------------------- */

static bool check_path(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	if (!path_is_plain(path, strlen(path)))
		return err_set(err, ERR_INVALID,
			       "'%s' is no path for an image: an absolute one without an empty, "
			       "'.' "
			       "or '..' component is wanted",
			       path);
	if (strlen(slash + 1) > STORAGE_NAME_MAX)
		return err_set(err, ERR_INVALID,
			       "'%s' has a name of more than %d bytes: rename the image", path,
			       STORAGE_NAME_MAX);
	return true;
}

static bool map_by(const char *map, const char *name, const char *path, char ret[VM_DEF_PATH_SIZE],
		   struct err *err)
{
	return map_path(map, path, ret) ||
	       err_set(err, ERR_INVALID,
		       "'%s' is too long where %s of [storage] puts it: at most %d bytes are "
		       "possible",
		       path, name, VM_DEF_PATH_SIZE - 1);
}

bool storage_place(const struct storage_rules *rules, const char *path, char ret[VM_DEF_PATH_SIZE],
		   struct err *err)
{
	char place[VM_DEF_PATH_SIZE];

	if (!check_path(path, err) || !map_by(rules->map, "the map", path, place, err) ||
	    !check_path(place, err))
		return false;
	if (!storage_any_dir(rules, is_above, place))
		return err_set(err, ERR_CONFLICT,
			       "'%s' is below none of the directories in which images may be made "
			       "here ('%s'): add one to 'dirs' of [storage], or put the path below "
			       "one by 'map'",
			       place, rules->dirs ? rules->dirs : "");
	memcpy(ret, place, sizeof(place));
	return true;
}

bool storage_place_firmware(const struct storage_rules *rules, const char *path,
			    char ret[VM_DEF_PATH_SIZE], struct err *err)
{
	char place[VM_DEF_PATH_SIZE];

	if (!map_by(rules->firmware_map, "firmware_map", path, place, err))
		return false;
	memcpy(ret, place, sizeof(place));
	return true;
}

bool storage_place_base(const struct storage_rules *rules, const char *path,
			char ret[VM_DEF_PATH_SIZE], struct err *err)
{
	char place[VM_DEF_PATH_SIZE];

	if (!map_by(rules->map, "the map", path, place, err))
		return false;
	memcpy(ret, place, sizeof(place));
	return true;
}
