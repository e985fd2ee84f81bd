/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_net.h -- net/apply.h and net/tap.h without a network.  The trace gets
 * "net IFNAME <last byte of the address>+<further addresses>", or "net IFNAME nothing",
 * and "tap IFNAME BRIDGE" ("-": none is named) for each look at a tap. */
#ifndef MIGRD_TESTS_LIB_FAKE_NET_H
#define MIGRD_TESTS_LIB_FAKE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* net/frames.h: each interface can be listened at, and these frames have come there (512: so many
 * that some were lost). */
void fake_frames_add(uint64_t at_us, bool is_announcement);
#define FAKE_FRAMES_FULL 512
extern uint32_t fake_frames_ipv4; /* of the sender of each frame, in network order */
extern uint32_t
	fake_frames_pinged; /* so many were sent to the guest, the last one to this address */
extern size_t fake_frames_pings;
extern size_t fake_frames_open;         /* so many are listened at */
extern const char *fake_frames_refused; /* why none can be; NULL: it can */

extern bool fake_net_fails;
extern const char *fake_net_bad_tap; /* name of a tap that is down; NULL: none */

#endif
