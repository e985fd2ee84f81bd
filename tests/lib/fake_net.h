/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_net.h -- net/apply.h and net/tap.h without a network.  The trace gets
 * "net IFNAME <last byte of the address>+<further addresses>", or "net IFNAME nothing",
 * and "tap IFNAME BRIDGE" ("-": none is named) for each look at a tap. */
#ifndef MIGRD_TESTS_LIB_FAKE_NET_H
#define MIGRD_TESTS_LIB_FAKE_NET_H

#include <stdbool.h>

extern bool fake_net_fails;
extern const char *fake_net_bad_tap; /* name of a tap that is down; NULL: none */

#endif
