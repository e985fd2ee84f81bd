/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls/chain.h -- a copy of the certificates that a client has shown, to be judged again after its
 * session has gone to another thread.  It does not change.  Thread: any. */
#ifndef MIGRD_TLS_CHAIN_H
#define MIGRD_TLS_CHAIN_H

#include "tls/live.h"

struct tls_chain;

/* Of an established session; NULL: it has shown none. */
struct tls_chain *tls_chain_of_peer(gnutls_session_t session);
void tls_chain_free(struct tls_chain *chain); /* accepts NULL */
/* The authorities of LIVE vouch for it as a client's, and all of it is valid now. */
bool tls_chain_is_good(const struct tls_chain *chain, const struct tls_live *live);

#endif
