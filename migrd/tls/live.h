/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/live.h -- the certificates in use, which may be replaced while connections
 * are open.
 *
 * A tls_live is one set of files as they were when it was read; it does not change.
 * Each user holds a reference; a new set is a new object.  It may be expired: a coordinator
 * with an old certificate still has its guests and its local socket.
 *
 * Thread: any.
 */
#ifndef MIGRD_TLS_LIVE_H
#define MIGRD_TLS_LIVE_H

#include "tls/identity.h"

struct tls_live {
	gnutls_certificate_credentials_t cred;
	struct tls_identity identity;
	struct tls_times times;
	unsigned refs; /* private */
};

/* Reads and checks the files; small ones, but it may wait for a disk. */
struct tls_live *tls_live_load_blocking(const char *ca_file, const char *cert_file,
					const char *key_file, struct err *err);
struct tls_live *tls_live_ref(struct tls_live *live);
void tls_live_unref(struct tls_live *live); /* accepts NULL */

/* False: it is not valid now; ERR says whether it has expired or is not valid yet, and what to
 * do. */
bool tls_live_is_valid(const struct tls_live *live, struct err *err);
/* Seconds until it expires; negative once it has. */
int64_t tls_live_seconds_left(const struct tls_live *live);
/* Days until it expires, rounded down; negative once it has. */
int64_t tls_live_days_left(const struct tls_live *live);

#endif
