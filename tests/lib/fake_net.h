/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_net.h -- net/apply.h over no network.  The trace says
 * "net IFNAME <last byte of the address>+<further addresses>", or "net IFNAME nothing". */
#ifndef MIGRD_TESTS_LIB_FAKE_NET_H
#define MIGRD_TESTS_LIB_FAKE_NET_H

#include <stdbool.h>

extern bool fake_net_fails;

#endif
