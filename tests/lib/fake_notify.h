/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_notify.h -- fake notify/notify.h: the test plays the parties.
 *
 * A notice waits until the test answers it, or until its party's timeout_ms.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_NOTIFY_H
#define MIGRD_TESTS_LIB_FAKE_NOTIFY_H

#include "base/loop.h"
#include "notify/notify.h"

/* Without parties; DIR is for the file of a secret. */
struct notify *fake_notify_new(struct loop *loop, const char *dir);
/* As the configuration would; SETTING's secret_file is the fake's. */
void fake_notify_add(const struct notify_setting *setting);
/* The configuration has no party any more; those that are added count again. */
void fake_notify_clear(void);
size_t fake_notify_pending(const char *party);
/* `webhook-id' and body of the notice that PARTY was sent last; borrowed. */
const char *fake_notify_id(void);
const char *fake_notify_body(void);
/* Answers the oldest notice to PARTY; there must be one. */
void fake_notify_answer(const char *party, long status, const char *body);

#endif
