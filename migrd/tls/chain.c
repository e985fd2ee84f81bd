/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/chain.h"

#include <gnutls/x509.h>
#include <string.h>

#include "base/mem.h"

/* More is no chain of ours: `migrctl pki' makes one of one. */
#define CHAIN_MAX 8

struct tls_chain {
	gnutls_datum_t list[CHAIN_MAX];
	unsigned count;
};

struct tls_chain *tls_chain_of_peer(gnutls_session_t session)
{
	unsigned count = 0;
	const gnutls_datum_t *from = gnutls_certificate_get_peers(session, &count);
	struct tls_chain *chain;

	if (!from || count == 0)
		return NULL;
	chain = xnew(struct tls_chain);
	for (unsigned i = 0; i < count && i < CHAIN_MAX; i++) {
		chain->list[i].data = xrealloc(NULL, from[i].size);
		memcpy(chain->list[i].data, from[i].data, from[i].size);
		chain->list[i].size = from[i].size;
		chain->count++;
	}
	return chain;
}

void tls_chain_free(struct tls_chain *chain)
{
	if (!chain)
		return;
	for (unsigned i = 0; i < chain->count; i++)
		free(chain->list[i].data);
	free(chain);
}

/* How many of the first could be read. */
static unsigned import(const struct tls_chain *chain, gnutls_x509_crt_t ret_list[CHAIN_MAX])
{
	unsigned count = 0;

	for (; count < chain->count; count++) {
		if (gnutls_x509_crt_init(&ret_list[count]) < 0)
			break;
		if (gnutls_x509_crt_import(ret_list[count], &chain->list[count],
					   GNUTLS_X509_FMT_DER) >= 0)
			continue;
		gnutls_x509_crt_deinit(ret_list[count]);
		break;
	}
	return count;
}

bool tls_chain_is_good(const struct tls_chain *chain, const struct tls_live *live)
{
	static const char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st data = { .type = GNUTLS_DT_KEY_PURPOSE_OID };
	gnutls_x509_trust_list_t trusted = NULL;
	gnutls_x509_crt_t list[CHAIN_MAX];
	unsigned count = import(chain, list), status = GNUTLS_CERT_INVALID;

	data.data = (unsigned char *)(uintptr_t)purpose;
	gnutls_certificate_get_trust_list(live->cred, &trusted);
	if (count == 0 || gnutls_x509_trust_list_verify_crt2(trusted, list, count, &data, 1, 0,
							     &status, NULL) < 0)
		status = GNUTLS_CERT_INVALID;
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	return status == 0;
}
