/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/identity.h"

#include <gnutls/x509.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* Our certificate files have one to three certificates of under 2 KiB each. */
#define PEM_MAX_BYTES (256u << 10)
#define CHAIN_MAX     8

#define OUR_DOMAIN  ".migrd"
#define HOST_SUFFIX ".host.migrd"
#define USER_SUFFIX ".user.migrd"

static const struct {
	const char *label;
	enum tls_kind kind;
} user_roles[] = {
	{ "viewer", TLS_KIND_VIEWER },
	{ "operator", TLS_KIND_OPERATOR },
	{ "admin", TLS_KIND_ADMIN },
};

void tls_host_dns_name(const char *host_id, char *ret_name, size_t size)
{
	snprintf(ret_name, size, "%s" HOST_SUFFIX, host_id);
}

/* ---- names ----------------------------------------------------------- */

/* The length of NAME without SUFFIX, or 0. */
static size_t stem_len(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);

	if (len <= suffix_len || strcmp(name + len - suffix_len, suffix) != 0)
		return 0;
	return len - suffix_len;
}

static bool copy_name(const char *name, size_t len, struct tls_identity *ret)
{
	if (len == 0 || len >= sizeof(ret->name))
		return false;
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
	return true;
}

static bool parse_host(const char *dns_name, struct tls_identity *ret)
{
	ret->kind = TLS_KIND_HOST;
	return copy_name(dns_name, stem_len(dns_name, HOST_SUFFIX), ret) &&
	       id_host_is_valid(ret->name);
}

/* A user's name may hold dots: the role is the last label before the suffix. */
static bool parse_user(const char *dns_name, struct tls_identity *ret)
{
	size_t len = stem_len(dns_name, USER_SUFFIX);
	const char *dot = len ? memrchr(dns_name, '.', len) : NULL;
	size_t role_len;

	if (!dot)
		return false;
	role_len = len - (size_t)(dot + 1 - dns_name);
	for (size_t i = 0; i < ARRAY_LEN(user_roles); i++) {
		if (strlen(user_roles[i].label) != role_len ||
		    memcmp(user_roles[i].label, dot + 1, role_len) != 0)
			continue;
		ret->kind = user_roles[i].kind;
		return copy_name(dns_name, (size_t)(dot - dns_name), ret) &&
		       id_name_is_valid(ret->name);
	}
	return false;
}

bool tls_identity_parse(const char *dns_name, struct tls_identity *ret, struct err *err)
{
	struct tls_identity identity;

	memset(&identity, 0, sizeof(identity));
	if (!parse_host(dns_name, &identity) && !parse_user(dns_name, &identity))
		return err_set(err, ERR_UNAUTHORIZED,
			       "'%.200s' is no name of a host (ID.host.migrd) or a user "
			       "(NAME.viewer|operator|admin.user.migrd)",
			       dns_name);
	*ret = identity;
	return true;
}

static bool is_ours(const char *dns_name)
{
	size_t len = strlen(dns_name);

	return len >= strlen(OUR_DOMAIN) &&
	       strcasecmp(dns_name + len - strlen(OUR_DOMAIN), OUR_DOMAIN) == 0;
}

/* ---- a certificate --------------------------------------------------- */

static void crt_deinitp(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void freep_gnutls(char **p)
{
	gnutls_free(*p);
}

enum san { SAN_END, SAN_FOREIGN, SAN_OURS, SAN_BROKEN };

/* Entry INDEX of the subject alternative names; RET gets one of ours. */
static enum san crt_name_at(gnutls_x509_crt_t crt, unsigned index, char ret_name[256])
{
	size_t size = 256;
	unsigned type = 0;
	int rc = gnutls_x509_crt_get_subject_alt_name2(crt, index, ret_name, &size, &type, NULL);

	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return SAN_END;
	/* DNS allows 253 bytes: something longer, or with a NUL inside that
	 * would hide its end from us, was made to deceive. */
	if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return type == GNUTLS_SAN_DNSNAME ? SAN_BROKEN : SAN_FOREIGN;
	if (rc < 0)
		return SAN_BROKEN;
	if (type != GNUTLS_SAN_DNSNAME)
		return SAN_FOREIGN;
	if (size >= 256 || memchr(ret_name, '\0', size))
		return SAN_BROKEN;
	ret_name[size] = '\0';
	return is_ours(ret_name) ? SAN_OURS : SAN_FOREIGN;
}

static bool crt_identity(gnutls_x509_crt_t crt, struct tls_identity *ret, struct err *err)
{
	struct tls_identity found;
	bool is_found = false;
	enum san san;
	char name[256];

	for (unsigned i = 0; (san = crt_name_at(crt, i, name)) != SAN_END; i++) {
		if (san == SAN_FOREIGN)
			continue;
		if (san == SAN_BROKEN)
			return err_set(err, ERR_UNAUTHORIZED,
				       "the certificate's alternative name %u cannot be read", i);
		if (is_found)
			return err_set(err, ERR_UNAUTHORIZED,
				       "the certificate carries more than one migrd name");
		if (!tls_identity_parse(name, &found, err))
			return false;
		is_found = true;
	}
	if (!is_found)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the certificate carries no migrd name (ID.host.migrd as a DNS "
			       "subject alternative name)");
	*ret = found;
	return true;
}

bool tls_peer_identity(gnutls_session_t session, struct tls_identity *ret, struct err *err)
{
	CLEANUP(crt_deinitp) gnutls_x509_crt_t crt = NULL;
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	int rc;

	if (!chain || count == 0 ||
	    gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
		return err_set(err, ERR_UNAUTHORIZED, "the peer has shown no certificate");
	rc = gnutls_x509_crt_init(&crt);
	if (rc >= 0)
		rc = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER);
	if (rc < 0)
		return err_set(err, ERR_UNAUTHORIZED, "the peer's certificate cannot be read: %s",
			       gnutls_strerror(rc));
	return crt_identity(crt, ret, err);
}

/* ---- files ----------------------------------------------------------- */

struct pem {
	gnutls_datum_t text;
};

static void pem_wipe(struct pem *pem)
{
	if (pem->text.data)
		gnutls_memset(pem->text.data, 0, pem->text.size);
	free(pem->text.data);
}

static bool pem_read(const char *what, const char *path, struct pem *ret, struct err *err)
{
	char *data;
	size_t len;

	if (!file_read(path, PEM_MAX_BYTES, &data, &len, err))
		return err_wrap(err, "%s", what);
	ret->text.data = (unsigned char *)data;
	ret->text.size = (unsigned)len;
	return true;
}

/* GnuTLS calls this at the end of a handshake when the session has no check of its
 * own (gnutls_session_set_verify_cert()), so that a session whose check was
 * forgotten does not let anybody in. */
static int verify_chain(gnutls_session_t session)
{
	unsigned status = GNUTLS_CERT_INVALID;
	int rc = gnutls_certificate_verify_peers3(session, NULL, &status);

	return rc < 0 || status != 0 ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

static void credentials_freep(gnutls_certificate_credentials_t *cred)
{
	if (*cred)
		gnutls_certificate_free_credentials(*cred);
}

bool tls_credentials(const char *ca_file, const char *cert_file, const char *key_file,
		     gnutls_certificate_credentials_t *ret, struct err *err)
{
	CLEANUP(credentials_freep) gnutls_certificate_credentials_t cred = NULL;
	CLEANUP(pem_wipe) struct pem ca = { { NULL, 0 } };
	CLEANUP(pem_wipe) struct pem cert = { { NULL, 0 } };
	CLEANUP(pem_wipe) struct pem key = { { NULL, 0 } };
	int rc;

	if (!pem_read("CA certificate", ca_file, &ca, err) ||
	    !pem_read("certificate", cert_file, &cert, err) ||
	    !pem_read("private key", key_file, &key, err))
		return false;
	rc = gnutls_certificate_allocate_credentials(&cred);
	if (rc < 0)
		return err_set(err, ERR_INTERNAL, "cannot make TLS credentials: %s",
			       gnutls_strerror(rc));
	rc = gnutls_certificate_set_x509_trust_mem(cred, &ca.text, GNUTLS_X509_FMT_PEM);
	if (rc <= 0)
		return err_set(err, ERR_INVALID, "CA certificate '%s': %s", ca_file,
			       rc < 0 ? gnutls_strerror(rc) : "holds no certificate");
	rc = gnutls_certificate_set_x509_key_mem2(cred, &cert.text, &key.text, GNUTLS_X509_FMT_PEM,
						  NULL, 0);
	if (rc < 0)
		return err_set(err, ERR_INVALID, "certificate '%s' with private key '%s': %s",
			       cert_file, key_file, gnutls_strerror(rc));
	gnutls_certificate_set_verify_function(cred, verify_chain);
	*ret = TAKE_PTR(cred);
	return true;
}

/* ---- checks at start ------------------------------------------------- */

struct crt_list {
	gnutls_x509_crt_t *crts;
	unsigned count;
};

static void crt_list_fini(struct crt_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		gnutls_x509_crt_deinit(list->crts[i]);
	gnutls_free(list->crts);
}

static bool crt_list_load(const char *what, const char *path, struct crt_list *ret, struct err *err)
{
	CLEANUP(pem_wipe) struct pem pem = { { NULL, 0 } };
	int rc;

	if (!pem_read(what, path, &pem, err))
		return false;
	rc = gnutls_x509_crt_list_import2(&ret->crts, &ret->count, &pem.text, GNUTLS_X509_FMT_PEM,
					  0);
	if (rc < 0)
		return err_set(err, ERR_INVALID, "%s '%s' is not a PEM certificate: %s", what, path,
			       gnutls_strerror(rc));
	return true;
}

static void time_text(time_t t, char ret_text[32])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(ret_text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(ret_text, 32, "an unknown time");
}

static bool check_times(const char *what, const char *path, gnutls_x509_crt_t crt, struct err *err)
{
	time_t from = gnutls_x509_crt_get_activation_time(crt);
	time_t to = gnutls_x509_crt_get_expiration_time(crt);
	time_t now = clock_wall_s();
	char text[32];

	if (now < from) {
		time_text(from, text);
		return err_set(err, ERR_INVALID,
			       "%s '%s' is not valid before %s: is the clock right?", what, path,
			       text);
	}
	if (now > to) {
		time_text(to, text);
		return err_set(err, ERR_INVALID, "%s '%s' expired at %s: make a new one", what,
			       path, text);
	}
	return true;
}

static void x509_key_deinitp(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

static bool check_key(const char *cert_file, gnutls_x509_crt_t crt, const char *key_file,
		      struct err *err)
{
	CLEANUP(x509_key_deinitp) gnutls_x509_privkey_t key = NULL;
	CLEANUP(pem_wipe) struct pem pem = { { NULL, 0 } };
	unsigned char of_key[32], of_crt[32];
	size_t key_size = sizeof(of_key), crt_size = sizeof(of_crt);
	int rc;

	if (!pem_read("private key", key_file, &pem, err))
		return false;
	rc = gnutls_x509_privkey_init(&key);
	if (rc >= 0)
		rc = gnutls_x509_privkey_import2(key, &pem.text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc == GNUTLS_E_DECRYPTION_FAILED)
		return err_set(err, ERR_INVALID,
			       "private key '%s' is protected by a password: store it without one",
			       key_file);
	if (rc < 0)
		return err_set(err, ERR_INVALID, "private key '%s' is not a PEM private key: %s",
			       key_file, gnutls_strerror(rc));
	rc = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size);
	if (rc >= 0)
		rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_size);
	if (rc < 0)
		return err_set(err, ERR_INVALID, "private key '%s' and certificate '%s': %s",
			       key_file, cert_file, gnutls_strerror(rc));
	if (key_size != crt_size || memcmp(of_key, of_crt, key_size) != 0)
		return err_set(err, ERR_INVALID,
			       "private key '%s' does not belong to certificate '%s'", key_file,
			       cert_file);
	return true;
}

static bool check_usage(const char *path, gnutls_x509_crt_t crt, enum tls_kind kind,
			struct err *err)
{
	unsigned usage = 0, is_critical = 0;
	int rc = gnutls_x509_crt_get_key_usage(crt, &usage, &is_critical);

	if (rc < 0 && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return err_set(err, ERR_INVALID, "certificate '%s': its key usage: %s", path,
			       gnutls_strerror(rc));
	if (rc >= 0 && !(usage & GNUTLS_KEY_DIGITAL_SIGNATURE))
		return err_set(err, ERR_INVALID,
			       "certificate '%s' lacks the key usage digitalSignature", path);
	if (!gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0))
		return err_set(err, ERR_INVALID,
			       "certificate '%s' lacks the key purpose clientAuth", path);
	if (kind == TLS_KIND_HOST &&
	    !gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER, 0))
		return err_set(err, ERR_INVALID,
			       "certificate '%s' lacks the key purpose serverAuth", path);
	return true;
}

static void trust_deinitp(gnutls_x509_trust_list_t *trust)
{
	if (*trust)
		gnutls_x509_trust_list_deinit(*trust, 0);
}

static bool check_chain(const char *ca_file, const struct crt_list *ca, const char *cert_file,
			const struct crt_list *certs, unsigned flags, struct err *err)
{
	CLEANUP(trust_deinitp) gnutls_x509_trust_list_t trust = NULL;
	CLEANUP(freep_gnutls) char *why = NULL;
	gnutls_datum_t text = { NULL, 0 };
	unsigned status = GNUTLS_CERT_INVALID;
	int rc = gnutls_x509_trust_list_init(&trust, 0);

	if (rc >= 0)
		rc = gnutls_x509_trust_list_add_cas(trust, ca->crts, ca->count, 0);
	if (rc >= 0)
		rc = gnutls_x509_trust_list_verify_crt(trust, certs->crts, certs->count, flags,
						       &status, NULL);
	if (rc < 0)
		return err_set(err, ERR_INVALID, "certificate '%s': %s", cert_file,
			       gnutls_strerror(rc));
	if (status == 0)
		return true;
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE))
		return err_set(err, ERR_INVALID, "certificate '%s' was not signed by CA '%s'",
			       cert_file, ca_file);
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) >= 0)
		why = (char *)text.data;
	return err_set(err, ERR_INVALID, "certificate '%s' does not verify against CA '%s': %s",
		       cert_file, ca_file, why ? why : "for an unknown reason");
}

static bool check_all_times(const char *ca_file, const struct crt_list *ca, const char *cert_file,
			    const struct crt_list *certs, struct err *err)
{
	for (unsigned i = 0; i < ca->count; i++)
		if (!check_times("CA certificate", ca_file, ca->crts[i], err))
			return false;
	return check_times("certificate", cert_file, certs->crts[0], err);
}

/* The chain is valid while each certificate in it is; of several authorities, the one that is
 * valid longest counts. */
static struct tls_times times_of(const struct crt_list *ca, const struct crt_list *certs)
{
	struct tls_times times = { INT64_MIN, INT64_MIN };

	for (unsigned i = 0; i < ca->count; i++) {
		int64_t to_s = gnutls_x509_crt_get_expiration_time(ca->crts[i]);

		times.to_s = to_s > times.to_s ? to_s : times.to_s;
	}
	for (unsigned i = 0; i < certs->count; i++) {
		int64_t from_s = gnutls_x509_crt_get_activation_time(certs->crts[i]);
		int64_t to_s = gnutls_x509_crt_get_expiration_time(certs->crts[i]);

		times.from_s = from_s > times.from_s ? from_s : times.from_s;
		times.to_s = to_s < times.to_s ? to_s : times.to_s;
	}
	return times;
}

static bool check_files(const char *ca_file, const char *cert_file, const char *key_file,
			struct tls_identity *ret, struct tls_times *ret_times, struct err *err)
{
	CLEANUP(crt_list_fini) struct crt_list ca = { NULL, 0 };
	CLEANUP(crt_list_fini) struct crt_list certs = { NULL, 0 };
	unsigned flags = ret_times ? GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
					     GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS
				   : 0;
	struct tls_identity identity;

	if (!crt_list_load("CA certificate", ca_file, &ca, err) ||
	    !crt_list_load("certificate", cert_file, &certs, err))
		return false;
	if (certs.count > CHAIN_MAX)
		return err_set(err, ERR_INVALID,
			       "certificate '%s' holds %u certificates, at most %d", cert_file,
			       certs.count, CHAIN_MAX);
	if (!ret_times && !check_all_times(ca_file, &ca, cert_file, &certs, err))
		return false;
	if (!check_key(cert_file, certs.crts[0], key_file, err) ||
	    !check_chain(ca_file, &ca, cert_file, &certs, flags, err))
		return false;
	if (!crt_identity(certs.crts[0], &identity, err))
		return err_wrap(err, "certificate '%s'", cert_file);
	if (!check_usage(cert_file, certs.crts[0], identity.kind, err))
		return false;
	if (ret_times)
		*ret_times = times_of(&ca, &certs);
	*ret = identity;
	return true;
}

bool tls_check_files(const char *ca_file, const char *cert_file, const char *key_file,
		     struct tls_identity *ret, struct err *err)
{
	return check_files(ca_file, cert_file, key_file, ret, NULL, err);
}

bool tls_check_files_any_time(const char *ca_file, const char *cert_file, const char *key_file,
			      struct tls_identity *ret, struct tls_times *ret_times,
			      struct err *err)
{
	return check_files(ca_file, cert_file, key_file, ret, ret_times, err);
}

int64_t tls_peer_ends_s(gnutls_session_t session)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	int64_t ends_s = INT64_MAX;

	for (unsigned i = 0; chain && i < count; i++) {
		CLEANUP(crt_deinitp) gnutls_x509_crt_t crt = NULL;
		int64_t end_s;

		if (gnutls_x509_crt_init(&crt) < 0 ||
		    gnutls_x509_crt_import(crt, &chain[i], GNUTLS_X509_FMT_DER) < 0)
			continue;
		end_s = gnutls_x509_crt_get_expiration_time(crt);
		ends_s = end_s < ends_s ? end_s : ends_s;
	}
	return ends_s;
}
