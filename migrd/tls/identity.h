/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/identity.h -- who a certificate speaks for.
 *
 * A migrd certificate carries exactly one name of ours, as a DNS subject
 * alternative name (so that every TLS library checks it by itself):
 *     <id>.host.migrd            a coordinator
 *     <name>.<role>.user.migrd   a person or program; role viewer|operator|admin
 *
 * Thread: any.
 */
#ifndef MIGRD_TLS_IDENTITY_H
#define MIGRD_TLS_IDENTITY_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#define TLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3"

enum tls_kind { TLS_KIND_HOST, TLS_KIND_VIEWER, TLS_KIND_OPERATOR, TLS_KIND_ADMIN };

struct tls_identity {
	enum tls_kind kind;
	char name[ID_NAME_SIZE];
};

/* "b" -> "b.host.migrd" */
void tls_host_dns_name(const char *host_id, char *ret_name, size_t size);
/* The inverse, for users too; UNAUTHORIZED for what is no name of ours. */
bool tls_identity_parse(const char *dns_name, struct tls_identity *ret, struct err *err);
/* The identity in the peer's leaf certificate, in an established session whose
 * chain GnuTLS has verified; UNAUTHORIZED if it carries none, or more than one. */
bool tls_peer_identity(gnutls_session_t session, struct tls_identity *ret, struct err *err);
/* Loads CA, certificate and key into credentials that verify the other side's
 * chain, unless the session brings its own check
 * (gnutls_session_set_verify_cert2()).  A server still has to ask for a certificate
 * (GNUTLS_CERT_REQUIRE). */
bool tls_credentials(const char *ca_file, const char *cert_file, const char *key_file,
		     gnutls_certificate_credentials_t *ret, struct err *err);
/* Reads the DNS name in a certificate file, and checks the file against its CA and key,
 * so that a wrong set-up is found at start: ERR names the file and what is wrong. */
bool tls_check_files(const char *ca_file, const char *cert_file, const char *key_file,
		     struct tls_identity *ret, struct err *err);
/* The same without a check of the time: an expired certificate passes, and one that is not
 * valid yet.  RET_TIMES: when all of them are valid, in seconds since 1970. */
struct tls_times {
	int64_t from_s, to_s;
};
bool tls_check_files_any_time(const char *ca_file, const char *cert_file, const char *key_file,
			      struct tls_identity *ret, struct tls_times *ret_times,
			      struct err *err);
/* When the first of the peer's certificates in an established session expires; INT64_MAX if
 * none can be read. */
int64_t tls_peer_ends_s(gnutls_session_t session);

#endif
