/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/pki/cert.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define SECONDS_PER_DAY   86400
#define CLOCK_SKEW_S      3600
#define SUBJECT_KEY_BYTES 20 /* RFC 7093 2: the leftmost 160 bits of SHA-256 */
#define ORGANIZATION      "migrd"

struct pki_ca {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

static void crt_deinitp(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void key_deinitp(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

void pki_pem_fini(struct pki_pem *pem)
{
	if (pem->key)
		gnutls_memset(pem->key, 0, strlen(pem->key));
	free(pem->key);
	free(pem->cert);
	memset(pem, 0, sizeof(*pem));
}

static bool tls_err(struct err *err, const char *what, int rc)
{
	return err_set(err, ERR_INTERNAL, "%s: %s", what, gnutls_strerror(rc));
}

/* ---- the parts of a certificate --------------------------------------- */

static bool new_key(gnutls_x509_privkey_t *ret_key, struct err *err)
{
	CLEANUP(key_deinitp) gnutls_x509_privkey_t key = NULL;
	int rc = gnutls_x509_privkey_init(&key);

	if (rc >= 0)
		rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						  0);
	if (rc < 0)
		return tls_err(err, "cannot make a private key", rc);
	*ret_key = TAKE_PTR(key);
	return true;
}

/* The leading 1 keeps the number positive without taking a random bit. */
static int set_serial(gnutls_x509_crt_t crt)
{
	unsigned char serial[1 + 16] = { 1 };
	int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial + 1, sizeof(serial) - 1);

	return rc < 0 ? rc : gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_subject_key_id(gnutls_x509_crt_t crt)
{
	unsigned char id[32];
	size_t size = sizeof(id);
	int rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id, &size);

	return rc < 0 ? rc : gnutls_x509_crt_set_subject_key_id(crt, id, SUBJECT_KEY_BYTES);
}

static int set_authority_key_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	unsigned char id[64];
	size_t size = sizeof(id);
	int rc = gnutls_x509_crt_get_subject_key_id(issuer, id, &size, NULL);

	return rc < 0 ? rc : gnutls_x509_crt_set_authority_key_id(crt, id, size);
}

static int set_name_part(gnutls_x509_crt_t crt, const char *oid, const char *value)
{
	return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, value, (unsigned)strlen(value));
}

static int set_subject(gnutls_x509_crt_t crt, const char *unit, const char *common_name)
{
	int rc = set_name_part(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, ORGANIZATION);

	if (rc >= 0)
		rc = set_name_part(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, unit);
	if (rc >= 0)
		rc = set_name_part(crt, GNUTLS_OID_X520_COMMON_NAME, common_name);
	return rc;
}

static int set_times(gnutls_x509_crt_t crt, time_t expires_at)
{
	int rc = gnutls_x509_crt_set_activation_time(crt, clock_wall_s() - CLOCK_SKEW_S);

	return rc < 0 ? rc : gnutls_x509_crt_set_expiration_time(crt, expires_at);
}

static int set_ip_address(gnutls_x509_crt_t crt, const char *ip_address)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	unsigned size = 4;

	if (inet_pton(AF_INET, ip_address, bytes) != 1) {
		size = 16;
		if (inet_pton(AF_INET6, ip_address, bytes) != 1)
			return GNUTLS_E_INVALID_REQUEST;
	}
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, bytes, size,
						    GNUTLS_FSAN_APPEND);
}

static int set_leaf_names(gnutls_x509_crt_t crt, const struct pki_leaf *leaf)
{
	int rc = set_subject(crt, leaf->unit, leaf->common_name);

	if (rc >= 0)
		rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, leaf->dns_name,
							  (unsigned)strlen(leaf->dns_name),
							  GNUTLS_FSAN_SET);
	if (rc >= 0 && leaf->ip_address)
		rc = set_ip_address(crt, leaf->ip_address);
	return rc;
}

static int set_leaf_usage(gnutls_x509_crt_t crt, bool is_server)
{
	int rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);

	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	if (rc >= 0 && is_server)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	return rc;
}

/* A certificate with what all have: version, serial number, key and key id. */
static int start_crt(gnutls_x509_crt_t *ret_crt, gnutls_x509_privkey_t key)
{
	int rc = gnutls_x509_crt_init(ret_crt);

	if (rc >= 0)
		rc = gnutls_x509_crt_set_version(*ret_crt, 3);
	if (rc >= 0)
		rc = set_serial(*ret_crt);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key(*ret_crt, key);
	if (rc >= 0)
		rc = set_subject_key_id(*ret_crt);
	return rc;
}

/* ---- export ----------------------------------------------------------- */

static char *take_datum(gnutls_datum_t *datum)
{
	char *text = xstrndup((const char *)datum->data, datum->size);

	gnutls_memset(datum->data, 0, datum->size);
	gnutls_free(datum->data);
	return text;
}

static bool export_pem(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct pki_pem *ret,
		       struct err *err)
{
	gnutls_datum_t cert_text = { NULL, 0 }, key_text = { NULL, 0 };
	int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_text);

	if (rc < 0)
		return tls_err(err, "cannot write the certificate", rc);
	rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
					       &key_text);
	if (rc < 0) {
		gnutls_free(cert_text.data);
		return tls_err(err, "cannot write the private key", rc);
	}
	ret->cert = take_datum(&cert_text);
	ret->key = take_datum(&key_text);
	ret->expires_at = gnutls_x509_crt_get_expiration_time(crt);
	return true;
}

/* ---- the authority ---------------------------------------------------- */

/* Each CA gets another name.  If two had the same, a certificate of the former CA would be
 * reported as forged instead of as unknown. */
static int set_ca_subject(gnutls_x509_crt_t crt)
{
	unsigned char tag[4];
	char name[32];
	int rc = gnutls_rnd(GNUTLS_RND_NONCE, tag, sizeof(tag));

	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "migrd CA %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
	return set_subject(crt, "ca", name);
}

bool pki_cert_new_ca(unsigned days, struct pki_pem *ret, struct err *err)
{
	CLEANUP(key_deinitp) gnutls_x509_privkey_t key = NULL;
	CLEANUP(crt_deinitp) gnutls_x509_crt_t crt = NULL;
	int rc;

	if (!new_key(&key, err))
		return false;
	rc = start_crt(&crt, key);
	if (rc >= 0)
		rc = set_ca_subject(crt);
	if (rc >= 0)
		rc = set_times(crt, clock_wall_s() + (time_t)days * SECONDS_PER_DAY);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(crt,
						   GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	if (rc < 0)
		return tls_err(err, "cannot make the CA certificate", rc);
	return export_pem(crt, key, ret, err);
}

static bool check_key_match(const struct pki_ca *ca, struct err *err)
{
	unsigned char of_crt[32], of_key[32];
	size_t crt_size = sizeof(of_crt), key_size = sizeof(of_key);
	int rc = gnutls_x509_crt_get_key_id(ca->crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_size);

	if (rc >= 0)
		rc = gnutls_x509_privkey_get_key_id(ca->key, GNUTLS_KEYID_USE_SHA256, of_key,
						    &key_size);
	if (rc < 0)
		return tls_err(err, "cannot compare the CA's key and certificate", rc);
	if (crt_size != key_size || memcmp(of_crt, of_key, crt_size) != 0)
		return err_set(err, ERR_INVALID, "the CA's key does not belong to its certificate");
	return true;
}

static bool check_ca(const struct pki_ca *ca, struct err *err)
{
	unsigned is_critical;

	if (gnutls_x509_crt_get_ca_status(ca->crt, &is_critical) != 1)
		return err_set(err, ERR_INVALID, "the certificate is not one of a CA");
	if (gnutls_x509_crt_get_expiration_time(ca->crt) <= clock_wall_s())
		return err_set(err, ERR_INVALID, "the CA has expired: make a new one");
	return check_key_match(ca, err);
}

void pki_ca_free(struct pki_ca *ca)
{
	if (!ca)
		return;
	crt_deinitp(&ca->crt);
	key_deinitp(&ca->key);
	free(ca);
}

static void ca_freep(struct pki_ca **ca)
{
	pki_ca_free(*ca);
}

/* GnuTLS only reads the text, but its type lacks the `const' that the cast removes. */
static gnutls_datum_t text_datum(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)text, (unsigned)strlen(text) };
}

struct pki_ca *pki_ca_new(const char *cert_pem, const char *key_pem, struct err *err)
{
	CLEANUP(ca_freep) struct pki_ca *ca = xnew(struct pki_ca);
	gnutls_datum_t cert_text = text_datum(cert_pem), key_text = text_datum(key_pem);
	int rc = gnutls_x509_crt_init(&ca->crt);

	if (rc >= 0)
		rc = gnutls_x509_crt_import(ca->crt, &cert_text, GNUTLS_X509_FMT_PEM);
	if (rc < 0) {
		err_set(err, ERR_INVALID, "the CA's certificate: %s", gnutls_strerror(rc));
		return NULL;
	}
	rc = gnutls_x509_privkey_init(&ca->key);
	if (rc >= 0)
		rc = gnutls_x509_privkey_import2(ca->key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc < 0) {
		err_set(err, ERR_INVALID, "the CA's key: %s", gnutls_strerror(rc));
		return NULL;
	}
	return check_ca(ca, err) ? TAKE_PTR(ca) : NULL;
}

/* ---- leaves ----------------------------------------------------------- */

static time_t leaf_end(const struct pki_ca *ca, unsigned days)
{
	time_t ca_end = gnutls_x509_crt_get_expiration_time(ca->crt);
	time_t end = clock_wall_s() + (time_t)days * SECONDS_PER_DAY;

	return end < ca_end ? end : ca_end;
}

bool pki_cert_new(const struct pki_ca *ca, const struct pki_leaf *leaf, struct pki_pem *ret,
		  struct err *err)
{
	CLEANUP(key_deinitp) gnutls_x509_privkey_t key = NULL;
	CLEANUP(crt_deinitp) gnutls_x509_crt_t crt = NULL;
	int rc;

	if (!new_key(&key, err))
		return false;
	rc = start_crt(&crt, key);
	if (rc >= 0)
		rc = set_leaf_names(crt, leaf);
	if (rc >= 0)
		rc = set_times(crt, leaf_end(ca, leaf->days));
	if (rc >= 0)
		rc = set_leaf_usage(crt, leaf->is_server);
	if (rc >= 0)
		rc = set_authority_key_id(crt, ca->crt);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0);
	if (rc < 0)
		return tls_err(err, "cannot make the certificate", rc);
	return export_pem(crt, key, ret, err);
}
