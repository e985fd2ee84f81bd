/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/id.h -- ids and names.  Thread: any. */
#ifndef MIGRD_BASE_ID_H
#define MIGRD_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_UUID_SIZE 37 /* text with its NUL */
/* What two QEMUs of one VM have each of its own is named by the uuid, and by the uuid and this
 * (qemu_place()). */
#define ID_SECOND_SUFFIX ".2"
#define ID_NAME_SIZE 64
#define ID_TOKEN_SIZE 65

/* UUIDv7 (RFC 9562): time-ordered; within a process each is greater than the one before. */
void id_uuid_new(char ret_uuid[ID_UUID_SIZE]);
/* Lower-case hexadecimal 8-4-4-4-12, any version. */
bool id_uuid_is_valid(const char *s);

/* VM and policy names: 1 to 63 of [A-Za-z0-9._-], the first alphanumeric: such
 * a name cannot leave its directory or be taken for an option. */
bool id_name_is_valid(const char *s);
/* Host ids are DNS labels: 1 to 63 of [a-z0-9-], no '-' at either end. */
bool id_host_is_valid(const char *s);
/* LIST: ids with commas and blanks between them; NULL has none. */
bool id_list_has(const char *list, const char *id);

/* 256 random bits in hexadecimal: one-time tokens. */
void id_token_new(char ret_token[ID_TOKEN_SIZE]);
bool id_token_is_valid(const char *s);
/* Takes the same time wherever two tokens differ, so that a caller cannot guess one by timing. */
bool id_token_equal(const char *a, const char *b);

#endif
