/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/greeting.h"

#include "base/mem.h"

static const struct stranger {
	const char *start;
	const char *text;
} strangers[] = {
	{ "QEMU ", "this is QEMU's human monitor: make it a QMP one with mode=control" },
	{ "HTTP/", "this is an HTTP server" },
	{ "<", "this is an HTTP server" },
	{ "RFB ", "this is a VNC server" },
	{ "SSH-", "this is an SSH server" },
	{ "NBDMAGIC", "this is an NBD server" },
	{ "220 ", "this is a mail or FTP server" },
};

static bool has_oob(struct json_object *caps)
{
	for (size_t i = 0; i < json_object_array_length(caps); i++) {
		struct json_object *cap = json_object_array_get_idx(caps, i);

		if (json_object_is_type(cap, json_type_string) &&
		    strcmp(json_object_get_string(cap), "oob") == 0)
			return true;
	}
	return false;
}

static int get_number(struct json_object *obj, const char *key)
{
	int64_t v = json_get_int(obj, key, -1);

	return v >= 0 && v <= 1000000 ? (int)v : -1;
}

bool qmp_greeting_decode(struct json_object *body, struct qmp_version *ret_version, bool *ret_oob,
			 struct err *err)
{
	struct json_object *version = json_get_obj(body, "version");
	struct json_object *qemu = version ? json_get_obj(version, "qemu") : NULL;
	struct json_object *caps = NULL;
	struct qmp_version v = { 0 };
	const char *package;

	if (!qemu || !json_object_object_get_ex(body, "capabilities", &caps) ||
	    !json_object_is_type(caps, json_type_array))
		return err_set(err, ERR_INVALID,
			       "the greeting lacks QEMU's version or its capabilities");
	v.major = get_number(qemu, "major");
	v.minor = get_number(qemu, "minor");
	v.micro = get_number(qemu, "micro");
	if (v.major < 0 || v.minor < 0 || v.micro < 0)
		return err_set(err, ERR_INVALID, "the greeting's version is not a version");
	package = json_get_str(version, "package");
	snprintf(v.package, sizeof(v.package), "%s", package ? package : "");
	*ret_version = v;
	*ret_oob = has_oob(caps);
	return true;
}

static size_t skip_blanks(const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && memchr(" \t\r\n", bytes[i], 4))
		i++;
	return i;
}

bool qmp_greeting_is_possible(const char *bytes, size_t len)
{
	size_t i = skip_blanks(bytes, len);

	return i == len || bytes[i] == '{';
}

bool qmp_greeting_refuse(const char *bytes, size_t len, struct err *err)
{
	size_t i = skip_blanks(bytes, len), n;
	char said[33];

	for (size_t k = 0; k < ARRAY_LEN(strangers); k++) {
		n = strlen(strangers[k].start);
		if (len - i >= n && memcmp(bytes + i, strangers[k].start, n) == 0)
			return err_set(err, ERR_INVALID, "not a QMP monitor: %s",
				       strangers[k].text);
	}
	for (n = 0; n < sizeof(said) - 1 && i + n < len; n++)
		said[n] = bytes[i + n] >= ' ' && bytes[i + n] <= '~' ? bytes[i + n] : '?';
	said[n] = '\0';
	return err_set(err, ERR_INVALID, "not a QMP monitor: it began with '%s'", said);
}
