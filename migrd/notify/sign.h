/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify/sign.h -- the signature of a webhook, as Standard Webhooks 1.0 describes it.
 * Thread: any. */
#ifndef MIGRD_NOTIFY_SIGN_H
#define MIGRD_NOTIFY_SIGN_H

#include "notify/parties.h"

#define NOTIFY_SIGNATURE_SIZE 128

/* The value of `webhook-signature': one of each of PARTY's keys, with blanks between them.  ID has
 * no '.', so that the signed text ID.TIMESTAMP.BODY has one meaning.  INTERNAL: GnuTLS refuses. */
bool notify_sign(const struct notify_party *party, const char *id, int64_t timestamp_s,
		 const char *body, char ret[NOTIFY_SIGNATURE_SIZE], struct err *err);

#endif
