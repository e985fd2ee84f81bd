/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/hello.h -- POST /peer/v1/hello: which protocol version two coordinators
 * speak.
 *
 * It is asked before anything else, so it alone needs no Migrd-Protocol header
 * and must stay readable for ever.  It is answered by the highest version that
 * both speak, or by a protocol-mismatch problem (426) that says in words which
 * side is older.
 *
 * Thread: loop.
 */
#ifndef MIGRD_API_HELLO_H
#define MIGRD_API_HELLO_H

#include "http/http.h"
#include "wire/transfer_plan.h"

/* Answers REQ for the host HOST_ID, whose QEMU offers FEATURES (NULL: not known yet), and whose
 * budget would leave LET_COME bytes a second to one more move to it (0: it has none); call it from
 * the route's handler. */
void hello_answer(struct http_request *req, const char *host_id,
		  const struct transfer_features *features, uint64_t let_come);

#endif
