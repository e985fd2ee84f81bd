/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/http_pki.h -- good and bad certificates in a directory of their own,
 * for servers and their clients. Aborts on any failure. */
#ifndef MIGRD_TESTS_LIB_HTTP_PKI_H
#define MIGRD_TESTS_LIB_HTTP_PKI_H

#include "tests/lib/test_pki.h"

struct http_pki {
	char dir[64];
	char ca_file[80];
	struct test_ca *ca, *stranger_ca;
};

enum http_pki_flags {
	HTTP_PKI_GOOD = 0,
	HTTP_PKI_EXPIRED = 1,
	HTTP_PKI_STRANGER = 2,    /* signed by another CA */
	HTTP_PKI_SERVER_ONLY = 4, /* not for clients */
};

void http_pki_init(struct http_pki *pki);
void http_pki_fini(struct http_pki *pki);
/* Writes NAME.pem and NAME-key.pem for DNS_NAME. */
void http_pki_issue(const struct http_pki *pki, const char *name, const char *dns_name,
		    unsigned flags);
/* The path is in a static buffer, which the next three calls do not overwrite. */
const char *http_pki_cert(const struct http_pki *pki, const char *name);
const char *http_pki_key(const struct http_pki *pki, const char *name);

#endif
