/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga/reply.h"

#include <string.h>

static struct json_object *refuse(struct json_object *unfinished, struct err *err, const char *what)
{
	json_object_put(unfinished);
	err_set(err, ERR_AGENT, "the guest agent's answer makes no sense: %s", what);
	return NULL;
}

/* ---- members --------------------------------------------------------------- */

/* False: the member has another type, is over its limit, or is absent though
 * required. A member that is absent or null is not added. */
static bool copy_string(struct json_object *from, const char *from_key, struct json_object *to,
			const char *to_key, bool is_required)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(from, from_key, &member);
	if (!member)
		return !is_required;
	if (!json_object_is_type(member, json_type_string) ||
	    json_object_get_string_len(member) > QGA_STRING_MAX)
		return false;
	json_add_str(to, to_key, json_object_get_string(member));
	return true;
}

static bool copy_count(struct json_object *from, const char *from_key, struct json_object *to,
		       const char *to_key)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(from, from_key, &member);
	if (!member)
		return true;
	if (!json_object_is_type(member, json_type_int) || json_object_get_int64(member) < 0)
		return false;
	json_add_uint(to, to_key, json_object_get_uint64(member));
	return true;
}

/* Decodes one element into an object; false: the whole answer is refused. */
typedef bool element_fn(struct json_object *element, struct json_object *list);

/* Decodes the array KEY of FROM (FROM itself, if KEY is NULL) into TO's TO_KEY. */
static bool copy_list(struct json_object *from, const char *key, struct json_object *to,
		      const char *to_key, size_t max, element_fn *fn)
{
	struct json_object *array = from, *list = json_object_new_array();

	json_object_object_add(to, to_key, list);
	if (key) {
		array = NULL;
		json_object_object_get_ex(from, key, &array);
		if (!array)
			return true;
	}
	if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) > max)
		return false;
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *element = json_object_array_get_idx(array, i);

		if (!json_object_is_type(element, json_type_object) || !fn(element, list))
			return false;
	}
	return true;
}

static struct json_object *append_object(struct json_object *list)
{
	struct json_object *obj = json_object_new_object();

	json_object_array_add(list, obj);
	return obj;
}

/* ---- answers ---------------------------------------------------------------- */

struct json_object *qga_reply_nothing(struct json_object *result, struct err *err)
{
	(void)result;
	(void)err;
	return json_object_new_object();
}

struct json_object *qga_reply_count(struct json_object *result, struct err *err)
{
	struct json_object *obj;

	if (!json_object_is_type(result, json_type_int) || json_object_get_int64(result) < 0)
		return refuse(NULL, err, "a number is wanted");
	obj = json_object_new_object();
	json_add_uint(obj, "file_systems", json_object_get_uint64(result));
	return obj;
}

static bool add_command(struct json_object *command, struct json_object *list)
{
	const char *name = json_get_str(command, "name");

	if (!name || strlen(name) > QGA_STRING_MAX)
		return false;
	if (json_get_bool(command, "enabled", false))
		json_object_array_add(list, json_object_new_string(name));
	return true;
}

struct json_object *qga_reply_info(struct json_object *result, struct err *err)
{
	struct json_object *obj = json_object_new_object();

	if (json_object_is_type(result, json_type_object) &&
	    copy_string(result, "version", obj, "version", true) &&
	    copy_list(result, "supported_commands", obj, "commands", QGA_LIST_MAX, add_command))
		return obj;
	return refuse(obj, err, "a version and a list of commands are wanted");
}

/* "dev" is new in QEMU 3.0; without it the disk has no name that we could show. */
static bool add_device(struct json_object *disk, struct json_object *list)
{
	const char *dev = json_get_str(disk, "dev");

	if (dev && strlen(dev) > QGA_STRING_MAX)
		return false;
	if (dev)
		json_object_array_add(list, json_object_new_string(dev));
	return true;
}

static bool add_file_system(struct json_object *fs, struct json_object *list)
{
	struct json_object *obj = append_object(list);

	return copy_string(fs, "name", obj, "name", true) &&
	       copy_string(fs, "mountpoint", obj, "mount_point", true) &&
	       copy_string(fs, "type", obj, "type", true) &&
	       copy_count(fs, "used-bytes", obj, "used_bytes") &&
	       copy_count(fs, "total-bytes", obj, "total_bytes") &&
	       copy_list(fs, "disk", obj, "devices", QGA_SUBLIST_MAX, add_device);
}

struct json_object *qga_reply_fs_list(struct json_object *result, struct err *err)
{
	struct json_object *obj = json_object_new_object();

	if (copy_list(result, NULL, obj, "items", QGA_LIST_MAX, add_file_system))
		return obj;
	return refuse(obj, err, "a list of file systems is wanted");
}

static bool add_address(struct json_object *address, struct json_object *list)
{
	struct json_object *obj = append_object(list);

	return copy_string(address, "ip-address", obj, "address", true) &&
	       copy_count(address, "prefix", obj, "prefix");
}

static bool add_interface(struct json_object *interface, struct json_object *list)
{
	struct json_object *obj = append_object(list);

	return copy_string(interface, "name", obj, "name", true) &&
	       copy_string(interface, "hardware-address", obj, "mac", false) &&
	       copy_list(interface, "ip-addresses", obj, "addresses", QGA_SUBLIST_MAX, add_address);
}

struct json_object *qga_reply_network(struct json_object *result, struct err *err)
{
	struct json_object *obj = json_object_new_object();

	if (copy_list(result, NULL, obj, "items", QGA_LIST_MAX, add_interface))
		return obj;
	return refuse(obj, err, "a list of interfaces is wanted");
}
