/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/test_pki.h -- good and bad certificates for tests, made by GnuTLS in
 * the test's own process.  Any failure aborts. */
#ifndef MIGRD_TESTS_LIB_TEST_PKI_H
#define MIGRD_TESTS_LIB_TEST_PKI_H

#include <stdbool.h>

struct test_ca;

/* Writes DIR/NAME.pem. */
struct test_ca *test_ca_new(const char *dir, const char *name);
void test_ca_free(struct test_ca *ca);

struct test_cert {
	const char *file;         /* DIR/FILE.pem and DIR/FILE-key.pem */
	const char *dns_names[4]; /* subject alternative names, ended by NULL */
	int from_days, to_days;   /* validity, relative to now; both 0: -1 to 1 */
	bool is_client_only;      /* no serverAuth */
	bool is_server_only;      /* no clientAuth */
	bool is_encipher_only;    /* key usage without digitalSignature */
	unsigned rsa_bits;        /* of its key; 0: it is one of 256 bits for ECDSA */
};

void test_ca_issue(struct test_ca *ca, const struct test_cert *cert);

/* Makes what most tests need, in DIR: ca.pem; a, b, c: hosts of that CA (X.pem and
 * X-key.pem); stranger-ca.pem; stranger-a, stranger-b: hosts a and b of the stranger's
 * CA; expired-a; user: operator "user". */
void test_pki_make(const char *dir);

#endif
