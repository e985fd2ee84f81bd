/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/id.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define UUID_LEN  (ID_UUID_SIZE - 1)
#define TOKEN_LEN (ID_TOKEN_SIZE - 1)

static const char lower_hex[] = "0123456789abcdef";
static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char name_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
static const char host_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

/* Aborts without randomness: an id must be unique, and a token must not be guessable. */
static void random_bytes(void *data, size_t len)
{
	if (getrandom(data, len, 0) != (ssize_t)len)
		abort();
}

/* 48 bits of milliseconds, then a counter of 12 bits (RFC 9562, 6.2, method 1).
 * The counter starts at random in its lower half, and its overflow goes into the
 * milliseconds, so that the value only ever grows. */
static uint64_t next_stamp(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t last;
	uint16_t seed;
	uint64_t stamp;

	random_bytes(&seed, sizeof(seed));
	stamp = (uint64_t)clock_wall_ms() << 12 | (seed & 0x7FF);
	pthread_mutex_lock(&lock);
	if (stamp <= last)
		stamp = last + 1;
	last = stamp;
	pthread_mutex_unlock(&lock);
	return stamp;
}

void id_uuid_new(char ret_uuid[ID_UUID_SIZE])
{
	uint64_t stamp = next_stamp();
	uint64_t tail;

	random_bytes(&tail, sizeof(tail));
	tail = (tail & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000; /* variant 10 */
	snprintf(ret_uuid, ID_UUID_SIZE, "%08x-%04x-7%03x-%04x-%012llx",
		 (unsigned)(stamp >> 28 & 0xFFFFFFFF), (unsigned)(stamp >> 12 & 0xFFFF),
		 (unsigned)(stamp & 0xFFF), (unsigned)(tail >> 48),
		 (unsigned long long)(tail & 0xFFFFFFFFFFFF));
}

bool id_uuid_is_valid(const char *s)
{
	if (strnlen(s, ID_UUID_SIZE) != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? s[i] != '-' : !strchr(lower_hex, s[i]))
			return false;
	}
	return true;
}

bool id_name_is_valid(const char *s)
{
	size_t len = strnlen(s, ID_NAME_SIZE);

	return len > 0 && len < ID_NAME_SIZE && strspn(s, name_chars) == len && strchr(alnum, s[0]);
}

bool id_host_is_valid(const char *s)
{
	size_t len = strnlen(s, ID_NAME_SIZE);

	return len > 0 && len < ID_NAME_SIZE && strspn(s, host_chars) == len &&
	       strchr(lower_digits, s[0]) && strchr(lower_digits, s[len - 1]);
}

bool id_list_has(const char *list, const char *id)
{
	size_t len;

	for (const char *at = list; at && *at; at += len) {
		at += strspn(at, ", ");
		len = strcspn(at, ", ");
		if (len && len == strlen(id) && memcmp(at, id, len) == 0)
			return true;
	}
	return false;
}

void id_token_new(char ret_token[ID_TOKEN_SIZE])
{
	unsigned char bytes[TOKEN_LEN / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret_token[2 * i] = lower_hex[bytes[i] >> 4];
		ret_token[2 * i + 1] = lower_hex[bytes[i] & 0xF];
	}
	ret_token[TOKEN_LEN] = '\0';
}

bool id_token_is_valid(const char *s)
{
	return strnlen(s, ID_TOKEN_SIZE) == TOKEN_LEN && strspn(s, lower_hex) == TOKEN_LEN;
}

bool id_token_equal(const char *a, const char *b)
{
	volatile unsigned char differ = 0;

	if (!id_token_is_valid(a) || !id_token_is_valid(b))
		return false;
	for (size_t i = 0; i < TOKEN_LEN; i++)
		differ = differ | (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}
