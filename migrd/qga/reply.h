/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qga/reply.h -- what a guest agent answered, in the words of our API.
 *
 * Only members that we know are taken over, of their right types and up to
 * limits: an answer in which such a member is wrong is refused as a whole, since
 * half a list would pass for all of it.  Strings are the guest's own words.
 *
 * Thread: any.  Errors: AGENT.  Source: QEMU qga/qapi-schema.json.
 */
#ifndef MIGRD_QGA_REPLY_H
#define MIGRD_QGA_REPLY_H

#include "base/err.h"
#include "base/json.h"

#define QGA_LIST_MAX    256  /* file systems, interfaces, commands */
#define QGA_SUBLIST_MAX 64   /* disks of one file system, addresses of one interface */
#define QGA_STRING_MAX  1024 /* bytes */

/* RESULT is borrowed, and NULL for a command that succeeds in silence.  A new
 * object, the caller's; NULL and ERR. */
typedef struct json_object *qga_reply_decode_fn(struct json_object *result, struct err *err);

qga_reply_decode_fn qga_reply_nothing; /* {} */
qga_reply_decode_fn qga_reply_info;    /* {"version", "commands": ["guest-ping", ...]} */
qga_reply_decode_fn qga_reply_count;   /* {"file_systems": N} */
/* {"items": [{"name", "mount_point", "type", "used_bytes", "total_bytes", "devices": []}]} */
qga_reply_decode_fn qga_reply_fs_list;
/* {"items": [{"name", "mac", "addresses": [{"address", "prefix"}]}]} */
qga_reply_decode_fn qga_reply_network;

#endif
