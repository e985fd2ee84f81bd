/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/trust.h -- authorities that may vouch for others than migrd's hosts and users, read once.
 *
 * A libcurl with GnuTLS reads them anew for each connection, on the thread that it runs on: it
 * caches them from 8.9 on (CURLOPT_CA_CACHE_TIMEOUT, curl/curl pull request 13795), and takes their
 * bytes from 8.18 on (CURLOPT_CAINFO_BLOB, 19612).  A set does not change; each user holds a
 * reference.  Thread: any.
 */
#ifndef MIGRD_TLS_TRUST_H
#define MIGRD_TLS_TRUST_H

#include <stdbool.h>

#include "base/err.h"

struct tls_trust;

/* CA_FILE is PEM; NULL: what GnuTLS's system trusts, which may be nobody.  INVALID: there is no
 * certificate in CA_FILE. */
struct tls_trust *tls_trust_read_blocking(const char *ca_file, struct err *err);
struct tls_trust *tls_trust_ref(struct tls_trust *trust);
void tls_trust_unref(struct tls_trust *trust); /* accepts NULL */

/* SESSION, a gnutls_session_t after its handshake as a client, is with the server HOST: a name, or
 * an address as text.  Its chain leads to one of TRUST, all of it is valid now, and its certificate
 * is HOST's and one of a server.  UNAUTHORIZED: not so. */
bool tls_trust_knows(const struct tls_trust *trust, void *session, const char *host,
		     struct err *err);

#endif
