/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/http_pki.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define DAY_S (24L * 3600)

static void must(int rc)
{
	if (rc < 0)
		abort();
}

static void write_pem(const char *path, const gnutls_datum_t *pem)
{
	struct err err = { 0 };

	if (!file_write(path, pem->data, pem->size, 0600, &err))
		abort();
}

static void sign(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t issuer_key)
{
	static unsigned char serial;

	serial++;
	must(gnutls_x509_crt_set_version(crt, 3));
	must(gnutls_x509_crt_set_serial(crt, &serial, 1));
	must(gnutls_x509_crt_sign2(crt, issuer, issuer_key, GNUTLS_DIG_SHA256, 0));
}

static gnutls_x509_privkey_t new_key(void)
{
	gnutls_x509_privkey_t key;

	must(gnutls_x509_privkey_init(&key));
	must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	return key;
}

static gnutls_x509_crt_t new_crt(gnutls_x509_privkey_t key, const char *cn, bool is_expired)
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);

	must(gnutls_x509_crt_init(&crt));
	must(gnutls_x509_crt_set_key(crt, key));
	must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
					   (unsigned)strlen(cn)));
	must(gnutls_x509_crt_set_activation_time(crt, now - 10 * DAY_S));
	must(gnutls_x509_crt_set_expiration_time(crt, is_expired ? now - DAY_S : now + DAY_S));
	return crt;
}

/* ---- files ------------------------------------------------------------- */

static void save_crt(const char *path, gnutls_x509_crt_t crt)
{
	gnutls_datum_t pem;

	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
	write_pem(path, &pem);
	gnutls_free(pem.data);
}

static void save_key(const char *path, gnutls_x509_privkey_t key)
{
	gnutls_datum_t pem;

	must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem));
	write_pem(path, &pem);
	gnutls_free(pem.data);
}

static char *path_of(const struct http_pki *pki, const char *name, const char *suffix)
{
	static char buffers[4][192];
	static unsigned next;
	char *path = buffers[next++ % 4];

	snprintf(path, sizeof(buffers[0]), "%s/%s%s", pki->dir, name, suffix);
	return path;
}

const char *http_pki_cert(const struct http_pki *pki, const char *name)
{
	return path_of(pki, name, ".pem");
}

const char *http_pki_key(const struct http_pki *pki, const char *name)
{
	return path_of(pki, name, "-key.pem");
}

static void new_ca(const struct http_pki *pki, const char *name)
{
	gnutls_x509_privkey_t key = new_key();
	gnutls_x509_crt_t crt = new_crt(key, name, false);

	must(gnutls_x509_crt_set_basic_constraints(crt, 1, 0));
	must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	sign(crt, crt, key);
	save_crt(http_pki_cert(pki, name), crt);
	save_key(http_pki_key(pki, name), key);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

static void load_ca(const struct http_pki *pki, const char *name, gnutls_x509_crt_t *ret_crt,
		    gnutls_x509_privkey_t *ret_key)
{
	gnutls_datum_t cert, key;

	must(gnutls_load_file(http_pki_cert(pki, name), &cert));
	must(gnutls_load_file(http_pki_key(pki, name), &key));
	must(gnutls_x509_crt_init(ret_crt));
	must(gnutls_x509_crt_import(*ret_crt, &cert, GNUTLS_X509_FMT_PEM));
	must(gnutls_x509_privkey_init(ret_key));
	must(gnutls_x509_privkey_import(*ret_key, &key, GNUTLS_X509_FMT_PEM));
	gnutls_free(cert.data);
	gnutls_free(key.data);
}

void http_pki_init(struct http_pki *pki)
{
	snprintf(pki->dir, sizeof(pki->dir), "/tmp/migrd-http-XXXXXX");
	if (!mkdtemp(pki->dir))
		abort();
	new_ca(pki, "ca");
	new_ca(pki, "stranger-ca");
	snprintf(pki->ca, sizeof(pki->ca), "%s", http_pki_cert(pki, "ca"));
}

void http_pki_fini(struct http_pki *pki)
{
	struct err err = { 0 };

	dir_remove(pki->dir, &err);
}

void http_pki_issue(const struct http_pki *pki, const char *name, const char *dns_name,
		    unsigned flags)
{
	gnutls_x509_privkey_t key = new_key(), ca_key;
	gnutls_x509_crt_t crt = new_crt(key, name, flags & HTTP_PKI_EXPIRED), ca;

	load_ca(pki, flags & HTTP_PKI_STRANGER ? "stranger-ca" : "ca", &ca, &ca_key);
	must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, dns_name,
						  (unsigned)strlen(dns_name), GNUTLS_FSAN_SET));
	must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0));
	if (!(flags & HTTP_PKI_SERVER_ONLY))
		must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0));
	sign(crt, ca, ca_key);
	save_crt(http_pki_cert(pki, name), crt);
	save_key(http_pki_key(pki, name), key);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crt_deinit(ca);
	gnutls_x509_privkey_deinit(key);
	gnutls_x509_privkey_deinit(ca_key);
}
