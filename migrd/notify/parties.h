/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify/parties.h -- the parties of this host that are told of moves.
 *
 * One set is what the configuration and the files of secrets said when they were read; it does not
 * change.  A reload makes another.  Thread: any.
 */
#ifndef MIGRD_NOTIFY_PARTIES_H
#define MIGRD_NOTIFY_PARTIES_H

#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "tls/trust.h"

/* Standard Webhooks 1.0, "Signature scheme": at least 24 bytes, and 64 at most. */
#define NOTIFY_KEY_MIN    24
#define NOTIFY_KEY_MAX    64
#define NOTIFY_KEYS_MAX   2 /* the present one, and one that is going out of use */
#define NOTIFY_LABEL_SIZE 512

struct notify_key {
	unsigned char bytes[NOTIFY_KEY_MAX];
	size_t len;
};

struct notify_party {
	char name[ID_NAME_SIZE];
	char *url;
	struct tls_trust *trust; /* who may vouch for it; NULL without a url */
	char *command;       /* of a program inside the guest, with its arguments; NULL: none, then
			      * there is a url */
	struct notify_key keys[NOTIFY_KEYS_MAX];
	size_t key_count;
	uint32_t timeout_ms;
	uint64_t may_delay_s; /* 0: it is only told */
	bool before, after;
	char selector[NOTIFY_LABEL_SIZE]; /* labels (wire/labels.h); "": all VMs */
};

/* LINE: `whsec_' and the base64 of NOTIFY_KEY_MIN to NOTIFY_KEY_MAX bytes.  False: it is not, or
 * PARTY has NOTIFY_KEYS_MAX. */
bool notify_party_add_key(struct notify_party *party, const char *line);

struct notify_parties;

struct notify_parties *notify_parties_new(void);
void notify_parties_free(struct notify_parties *parties); /* accepts NULL; wipes the keys */

/* What the configuration says of a party. */
struct notify_setting {
	const char *section; /* of which kind it is; NULL: "notify" */
	const char *name, *url, *secret_file, *ca_file, *command, *label; /* or NULL */
	uint64_t timeout_ms, may_delay_s;
	bool before, after;
};
/* Reads the authorities that may vouch for the party; those of the system once for all parties of
 * the set.  Reads the secret: one line or two, each `whsec_' and the base64 of a key, in a regular
 * file that only its owner may read.  Small files, but it may wait for a disk, and the system's
 * authorities take a tenth of a second.  INVALID: ERR names the party and the file, and never what
 * is in the secret. */
bool notify_parties_add_blocking(struct notify_parties *parties,
				 const struct notify_setting *setting, struct err *err);

/* The next in the order of the configuration; AFTER NULL: the first.  NULL: that was the last. */
const struct notify_party *notify_parties_next(const struct notify_parties *parties,
					       const struct notify_party *after);
const struct notify_party *notify_parties_find(const struct notify_parties *parties,
					       const char *name); /* or NULL */

#endif
