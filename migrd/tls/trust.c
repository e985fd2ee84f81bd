/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/trust.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHAIN_MAX 16 /* certificates that a server may send */
/* Keys as strong as a session of GnuTLS's priority NORMAL wants them; a list by itself takes any.
 */
#define STRENGTH GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_LOW)

struct tls_trust {
	gnutls_x509_trust_list_t list;
	unsigned refs;
};

struct tls_trust *tls_trust_read_blocking(const char *ca_file, struct err *err)
{
	struct tls_trust *trust = xnew(struct tls_trust);
	int count;

	trust->refs = 1;
	if (gnutls_x509_trust_list_init(&trust->list, 0) < 0)
		abort(); /* out of memory */
	count = ca_file ? gnutls_x509_trust_list_add_trust_file(trust->list, ca_file, NULL,
								GNUTLS_X509_FMT_PEM, 0, 0)
			: gnutls_x509_trust_list_add_system_trust(trust->list, 0, 0);
	if (count > 0 || !ca_file)
		return trust;
	err_set(err, ERR_INVALID, "'%s' has no certificate of an authority (PEM)%s%s", ca_file,
		count < 0 ? ": " : "", count < 0 ? gnutls_strerror(count) : "");
	tls_trust_unref(trust);
	return NULL;
}

struct tls_trust *tls_trust_ref(struct tls_trust *trust)
{
	__atomic_add_fetch(&trust->refs, 1, __ATOMIC_RELAXED);
	return trust;
}

void tls_trust_unref(struct tls_trust *trust)
{
	if (!trust || __atomic_sub_fetch(&trust->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	gnutls_x509_trust_list_deinit(trust->list, 1);
	free(trust);
}

struct chain {
	gnutls_x509_crt_t certs[CHAIN_MAX];
	unsigned count;
};

static void chain_fini(struct chain *chain)
{
	while (chain->count)
		gnutls_x509_crt_deinit(chain->certs[--chain->count]);
}

static bool chain_read(struct chain *chain, gnutls_session_t session)
{
	unsigned count = 0;
	const gnutls_datum_t *sent = gnutls_certificate_type_get(session) == GNUTLS_CRT_X509
					     ? gnutls_certificate_get_peers(session, &count)
					     : NULL;

	if (!sent || !count || count > CHAIN_MAX)
		return false;
	while (chain->count < count) {
		gnutls_x509_crt_t *cert = &chain->certs[chain->count];

		if (gnutls_x509_crt_init(cert) < 0)
			return false;
		chain->count++;
		if (gnutls_x509_crt_import(*cert, &sent[chain->count - 1], GNUTLS_X509_FMT_DER) < 0)
			return false;
	}
	return true;
}

/* GnuTLS says "The certificate is NOT trusted. The certificate issuer is unknown. ". */
static bool refuse(const char *host, unsigned status, struct err *err)
{
	gnutls_datum_t text = { 0 };
	const char *words = "it cannot be read";
	size_t len;

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) >= 0)
		words = (const char *)text.data;
	len = strlen(words);
	while (len && strchr(" .", words[len - 1]))
		len--;
	err_set(err, ERR_UNAUTHORIZED, "its certificate does not prove that it is '%s': %.*s", host,
		(int)len, words);
	gnutls_free(text.data);
	return false;
}

bool tls_trust_knows(const struct tls_trust *trust, void *session, const char *host,
		     struct err *err)
{
	/* GnuTLS takes the text of an address as a name, too. */
	gnutls_typed_vdata_st wanted[] = {
		{ .type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)(uintptr_t)host },
		{ .type = GNUTLS_DT_KEY_PURPOSE_OID,
		  .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER },
	};
	struct chain chain = { .count = 0 };
	unsigned status = GNUTLS_CERT_INVALID;
	bool ok;

	ok = chain_read(&chain, session) &&
	     gnutls_x509_trust_list_verify_crt2(trust->list, chain.certs, chain.count, wanted,
						ARRAY_LEN(wanted), STRENGTH, &status, NULL) >= 0 &&
	     !status;
	chain_fini(&chain);
	return ok || refuse(host, status, err);
}
