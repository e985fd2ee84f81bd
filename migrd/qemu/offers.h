/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/offers.h -- what a QEMU offers for migrations, by its own answers.
 *
 * Thread: any.  Source: QEMU qapi/migration.json, qapi/introspect.json.
 */
#ifndef MIGRD_QEMU_OFFERS_H
#define MIGRD_QEMU_OFFERS_H

#include "wire/transfer_plan.h"

/* Reads an answer to query-migrate-capabilities; anything else gives no capabilities. */
void offers_read_capabilities(struct json_object *answer, struct transfer_features *ret);
/* Reads an answer to query-qmp-schema: which parameters there are, and in which form this
 * QEMU is best spoken to. */
void offers_read_schema(struct json_object *answer, struct transfer_features *ret);

#endif
