/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/test_pki.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"

#define DAY_S 86400

struct test_ca {
	char *dir;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	unsigned char serial;
};

static void must(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "test_pki: %s\n", gnutls_strerror(rc));
		abort();
	}
}

static void write_text(const char *dir, const char *name, const char *suffix,
		       const gnutls_datum_t *text)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s%s.pem", dir, name, suffix);
	struct err err;

	if (!file_write(path, text->data, text->size, 0600, &err)) {
		fprintf(stderr, "test_pki: %s\n", err.msg);
		abort();
	}
}

static void write_crt(const char *dir, const char *name, gnutls_x509_crt_t crt)
{
	gnutls_datum_t text;

	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text));
	write_text(dir, name, "", &text);
	gnutls_free(text.data);
}

static void write_key(const char *dir, const char *name, gnutls_x509_privkey_t key)
{
	gnutls_datum_t text;

	must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text));
	write_text(dir, name, "-key", &text);
	gnutls_free(text.data);
}

static gnutls_x509_privkey_t new_key(unsigned rsa_bits)
{
	gnutls_x509_privkey_t key;

	must(gnutls_x509_privkey_init(&key));
	if (rsa_bits)
		must(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, rsa_bits, 0));
	else
		must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						  0));
	return key;
}

static gnutls_x509_crt_t new_crt(const char *name, gnutls_x509_privkey_t key, unsigned char serial,
				 int from_days, int to_days)
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);

	must(gnutls_x509_crt_init(&crt));
	must(gnutls_x509_crt_set_version(crt, 3));
	must(gnutls_x509_crt_set_serial(crt, &serial, 1));
	must(gnutls_x509_crt_set_activation_time(crt, now + (time_t)from_days * DAY_S));
	must(gnutls_x509_crt_set_expiration_time(crt, now + (time_t)to_days * DAY_S));
	must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					   (unsigned)strlen(name)));
	must(gnutls_x509_crt_set_key(crt, key));
	return crt;
}

struct test_ca *test_ca_new(const char *dir, const char *name)
{
	struct test_ca *ca = xnew(struct test_ca);

	ca->dir = xstrdup(dir);
	ca->key = new_key(0);
	ca->serial = 1;
	ca->crt = new_crt(name, ca->key, ca->serial, -2, 2);
	must(gnutls_x509_crt_set_basic_constraints(ca->crt, 1, 0));
	must(gnutls_x509_crt_set_key_usage(ca->crt, GNUTLS_KEY_KEY_CERT_SIGN));
	must(gnutls_x509_crt_sign2(ca->crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0));
	write_crt(dir, name, ca->crt);
	return ca;
}

void test_ca_free(struct test_ca *ca)
{
	gnutls_x509_crt_deinit(ca->crt);
	gnutls_x509_privkey_deinit(ca->key);
	free(ca->dir);
	free(ca);
}

static void add_names(gnutls_x509_crt_t crt, const struct test_cert *cert)
{
	for (size_t i = 0; i < ARRAY_LEN(cert->dns_names) && cert->dns_names[i]; i++)
		must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
							  cert->dns_names[i],
							  (unsigned)strlen(cert->dns_names[i]),
							  GNUTLS_FSAN_APPEND));
}

static void add_usage(gnutls_x509_crt_t crt, const struct test_cert *cert)
{
	must(gnutls_x509_crt_set_key_usage(crt, cert->is_encipher_only
							? GNUTLS_KEY_KEY_ENCIPHERMENT
							: GNUTLS_KEY_DIGITAL_SIGNATURE));
	if (!cert->is_client_only)
		must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0));
	if (!cert->is_server_only)
		must(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0));
}

void test_ca_issue(struct test_ca *ca, const struct test_cert *cert)
{
	bool has_times = cert->from_days || cert->to_days;
	gnutls_x509_privkey_t key = new_key(cert->rsa_bits);
	gnutls_x509_crt_t crt =
		new_crt(cert->file, key, ++ca->serial, has_times ? cert->from_days : -1,
			has_times ? cert->to_days : 1);

	must(gnutls_x509_crt_set_basic_constraints(crt, 0, -1));
	add_names(crt, cert);
	add_usage(crt, cert);
	must(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0));
	write_crt(ca->dir, cert->file, crt);
	write_key(ca->dir, cert->file, key);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

void test_pki_make(const char *dir)
{
	static const struct test_cert ours[] = {
		{ .file = "a", .dns_names = { "a.host.migrd" } },
		{ .file = "b", .dns_names = { "b.host.migrd" } },
		{ .file = "c", .dns_names = { "c.host.migrd" } },
		{ .file = "expired-a",
		  .dns_names = { "a.host.migrd" },
		  .from_days = -2,
		  .to_days = -1 },
		{ .file = "user",
		  .dns_names = { "user.operator.user.migrd" },
		  .is_client_only = true },
	};
	static const struct test_cert strangers[] = {
		{ .file = "stranger-a", .dns_names = { "a.host.migrd" } },
		{ .file = "stranger-b", .dns_names = { "b.host.migrd" } },
	};
	struct test_ca *ca = test_ca_new(dir, "ca");
	struct test_ca *stranger = test_ca_new(dir, "stranger-ca");

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		test_ca_issue(ca, &ours[i]);
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
		test_ca_issue(stranger, &strangers[i]);
	test_ca_free(ca);
	test_ca_free(stranger);
}
