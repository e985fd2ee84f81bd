/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/offers.h -- what a QEMU offers for migrations, by its own answers.
 *
 * Thread: any.  Source: QEMU qapi/migration.json, qapi/introspect.json.
 */
#ifndef MIGRD_QEMU_OFFERS_H
#define MIGRD_QEMU_OFFERS_H

#include "qmp/conn.h"
#include "wire/transfer_plan.h"

/* Reads an answer to query-migrate-capabilities; anything else gives no capabilities. */
void offers_read_capabilities(struct json_object *answer, struct transfer_features *ret);
/* What follows from VERSION alone.  A source before 8.0 that sends what the guest waits for over a
 * connection of its own puts pages into the wrong memory block
 * (findings/postcopy-preempt-before-8.0-mixes-up-memory-blocks.sh).  One before 10.0 may lose its
 * images by a cancel (qemu_may_lack_images()). */
void offers_read_version(const struct qmp_version *version, struct transfer_features *ret);
/* Reads an answer to query-qmp-schema: which parameters there are, and in which form this
 * QEMU is best spoken to. */
void offers_read_schema(struct json_object *answer, struct transfer_features *ret);
/* REPLY, whole, to the wish to set postcopy-ram in a QEMU that waits for a guest: QEMU then asks
 * the kernel for userfaultfd, and says why it gets none. */
void offers_read_postcopy(struct json_object *reply, struct transfer_features *ret);
/* REPLY, whole, to the wish to set background-snapshot: QEMU then asks the kernel for the
 * write-protection of userfaultfd. */
void offers_read_background_snapshot(struct json_object *reply, struct transfer_features *ret);
/* REPLY, whole, to the wish to set multifd too, of a QEMU of VERSION: before 8.1 there is no check,
 * and 10.1 is the first that can do it: 7.2 takes both, and its destination aborts. */
void offers_read_postcopy_multifd(struct json_object *reply, const struct qmp_version *version,
				  struct transfer_features *ret);

#endif
