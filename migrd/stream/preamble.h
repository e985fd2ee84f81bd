/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/preamble.h -- the plain first line of a data connection, and its proof.
 *
 *   MIGRD2 <move-id> <channel> <attempt> <proof>\n
 *
 * Every user can read the id of a move, so it opens nothing.  The proof is HMAC-SHA256
 * (RFC 2104) over all before it, in lower-case hexadecimal; its key is made of the
 * move's one-time token, which only the two coordinators and their streams know.
 * Attempts are counted from 1, over all connections of a move, and the data port takes
 * each number once, so a line that somebody has overheard is of no use.
 *
 * Thread: any.
 */
#ifndef MIGRD_STREAM_PREAMBLE_H
#define MIGRD_STREAM_PREAMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "stream/proto.h"

#define STREAM_PREAMBLE_MAX 160
#define STREAM_PROOF_SIZE   65 /* 256 bits in hexadecimal */

struct stream_preamble {
	char move_id[ID_UUID_SIZE];
	char channel[TRANSFER_CHANNEL_SIZE];
	uint32_t attempt;
	char proof[STREAM_PROOF_SIZE];
};

/* Derives the key of the proofs from the token.  The token cannot be found from the
 * key, so the key may be kept in the records of a move. */
void stream_preamble_key(const char *token, char ret_key[STREAM_PROOF_SIZE]);
/* Fills in the proof. */
void stream_preamble_prove(struct stream_preamble *preamble, const char *key);
bool stream_preamble_is_proved(const struct stream_preamble *preamble, const char *key);

/* The numbers of attempts of a move that were taken.  Connections that are made at the
 * same time may come in any order, so a number below the highest is taken too, once,
 * down to 63 below it (the anti-replay window of RFC 4303, 3.4.3). */
struct stream_attempts {
	uint32_t highest;
	uint64_t taken; /* bit N: highest - N */
};
/* False: ATTEMPT was taken before, or may have been. */
bool stream_attempts_take(struct stream_attempts *attempts, uint32_t attempt);

/* Writes the line with its newline; returns its length. */
size_t stream_preamble_print(const struct stream_preamble *preamble,
			     char ret_line[STREAM_PREAMBLE_MAX]);
/* LINE is without its newline and need not end in a NUL.  False: *RET_WHY, a
 * constant, says what it is instead. */
bool stream_preamble_parse(const char *line, size_t len, struct stream_preamble *ret,
			   const char **ret_why);

#endif
