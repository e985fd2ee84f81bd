/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pki/cert.h -- a private certificate authority, in memory (GnuTLS inside).
 *
 * Keys are EC P-256, signatures ECDSA with SHA-256, serial numbers 128 random
 * bits (RFC 5280 4.1.2.2 allows 160).  A leaf carries its migrd name as DNS
 * subject alternative name, see tls/identity.h.  Every certificate is valid
 * from an hour ago on, so that hosts whose clocks differ a little accept it.
 *
 * Thread: any.  Errors: INVALID (what was loaded is no CA), INTERNAL (GnuTLS).
 */
#ifndef MIGRD_PKI_CERT_H
#define MIGRD_PKI_CERT_H

#include <stdbool.h>
#include <time.h>

#include "base/err.h"

#define PKI_CA_DAYS   3650
#define PKI_LEAF_DAYS 365
#define PKI_DAYS_MAX  36500

/* A certificate with its private key, both PEM text. */
struct pki_pem {
	char *cert;
	char *key; /* PKCS #8, not encrypted */
	time_t expires_at;
};

void pki_pem_fini(struct pki_pem *pem); /* wipes the key */

/* Self-signed; signs leaves only (path length 0). */
bool pki_cert_new_ca(unsigned days, struct pki_pem *ret, struct err *err);

struct pki_ca;

/* Checks that the key belongs to the certificate, that this is a CA, and that it
 * has not expired. */
struct pki_ca *pki_ca_new(const char *cert_pem, const char *key_pem, struct err *err);
void pki_ca_free(struct pki_ca *ca);

struct pki_leaf {
	const char *common_name; /* for people; at most 64 bytes */
	const char *unit;        /* "host" or "user", for people too */
	const char *dns_name;
	const char *ip_address; /* numeric, NULL: none */
	bool is_server;         /* serverAuth in addition to clientAuth */
	unsigned days;          /* no longer than the CA is valid */
};

bool pki_cert_new(const struct pki_ca *ca, const struct pki_leaf *leaf, struct pki_pem *ret,
		  struct err *err);

#endif
