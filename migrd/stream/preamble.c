/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/preamble.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD       "MIGRD2 "
#define WORD_OF_V1 "MIGRD1 "
#define KEY_LABEL  "migrd data port"

#define DIGEST_BYTES (STREAM_PROOF_SIZE / 2)

/* ---- the proof ------------------------------------------------------- */

static void hmac_hex(const char *key, const char *text, char ret_hex[STREAM_PROOF_SIZE])
{
	unsigned char digest[DIGEST_BYTES];
	int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, strlen(key), text, strlen(text), digest);

	if (rc < 0)
		abort(); /* no memory, or a GnuTLS without SHA-256, which has no TLS 1.3 */
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

void stream_preamble_key(const char *token, char ret_key[STREAM_PROOF_SIZE])
{
	hmac_hex(token, KEY_LABEL, ret_key);
}

/* Prints all of the line before the proof. */
static void print_head(const struct stream_preamble *preamble, char ret[STREAM_PREAMBLE_MAX])
{
	snprintf(ret, STREAM_PREAMBLE_MAX, WORD "%s %s %" PRIu32 " ", preamble->move_id,
		 preamble->channel, preamble->attempt);
}

void stream_preamble_prove(struct stream_preamble *preamble, const char *key)
{
	char head[STREAM_PREAMBLE_MAX];

	print_head(preamble, head);
	hmac_hex(key, head, preamble->proof);
}

bool stream_preamble_is_proved(const struct stream_preamble *preamble, const char *key)
{
	struct stream_preamble right = *preamble;

	stream_preamble_prove(&right, key);
	return id_token_equal(right.proof, preamble->proof);
}

/* ---- attempts ----------------------------------------------------------- */

#define WINDOW 64

bool stream_attempts_take(struct stream_attempts *attempts, uint32_t attempt)
{
	if (attempt > attempts->highest) {
		uint32_t by = attempt - attempts->highest;

		attempts->taken = by < WINDOW ? attempts->taken << by : 0;
		attempts->highest = attempt;
	}
	const uint32_t below = attempts->highest - attempt;
	const uint64_t bit = below < WINDOW ? UINT64_C(1) << below : 0;

	if (!bit || (attempts->taken & bit))
		return false;
	attempts->taken |= bit;
	return true;
}

/* ---- the line -------------------------------------------------------- */

size_t stream_preamble_print(const struct stream_preamble *preamble,
			     char ret_line[STREAM_PREAMBLE_MAX])
{
	char head[STREAM_PREAMBLE_MAX];

	print_head(preamble, head);
	return (size_t)snprintf(ret_line, STREAM_PREAMBLE_MAX, "%.94s%s\n", head, preamble->proof);
}

/* Takes the next word of *TEXT, which must end at a blank or, with IS_LAST, at the end. */
static bool take_word(const char **text, char *ret, size_t size, bool is_last)
{
	size_t len = strcspn(*text, " ");
	bool ends_right = is_last ? (*text)[len] == '\0' : (*text)[len] == ' ';

	if (len == 0 || len >= size || !ends_right)
		return false;
	memcpy(ret, *text, len);
	ret[len] = '\0';
	*text += len + !is_last;
	return true;
}

/* Each number has one spelling only: no sign, no leading zero. */
static bool parse_attempt(const char *text, uint32_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (digits == 0 || digits > 9 || text[digits] || text[0] == '0')
		return false;
	value = strtoul(text, NULL, 10);
	*ret = (uint32_t)value;
	return true;
}

static bool parse_words(const char *text, struct stream_preamble *ret)
{
	char attempt[16];

	return take_word(&text, ret->move_id, sizeof(ret->move_id), false) &&
	       take_word(&text, ret->channel, sizeof(ret->channel), false) &&
	       take_word(&text, attempt, sizeof(attempt), false) &&
	       take_word(&text, ret->proof, sizeof(ret->proof), true) &&
	       id_uuid_is_valid(ret->move_id) && transfer_channel_name_is_valid(ret->channel) &&
	       parse_attempt(attempt, &ret->attempt) && id_token_is_valid(ret->proof);
}

bool stream_preamble_parse(const char *line, size_t len, struct stream_preamble *ret,
			   const char **ret_why)
{
	struct stream_preamble preamble = { .attempt = 0 };
	char text[STREAM_PREAMBLE_MAX];

	*ret_why = "no preamble";
	if (len >= sizeof(text) || memchr(line, '\0', len))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	if (strncmp(text, WORD_OF_V1, strlen(WORD_OF_V1)) == 0)
		*ret_why = "the preamble of an older migrd, which proves nothing";
	if (strncmp(text, WORD, strlen(WORD)) != 0 || !parse_words(text + strlen(WORD), &preamble))
		return false;
	*ret = preamble;
	return true;
}
