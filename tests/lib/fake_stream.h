/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_stream.h -- stream/proc.h with a fake process. */
#ifndef MIGRD_TESTS_LIB_FAKE_STREAM_H
#define MIGRD_TESTS_LIB_FAKE_STREAM_H

#include "stream/probe.h"
#include "stream/proc.h"

extern bool fake_stream_start_fails;
extern uint32_t fake_stream_lease_ms; /* the last lease that was set */
extern uint64_t fake_stream_bytes_per_s; /* the last limit that was set */

/* What the next probe finds, and how many were made; of those from outside, how many were let in.
 */
extern struct stream_probe_result fake_probe_result;
extern struct stream_probe_wish fake_probe_wish; /* of the last */
extern unsigned fake_probes, fake_probes_served;

void fake_stream_init(struct loop *loop);
void fake_stream_fini(void); /* every object must be gone */
bool fake_stream_is_alive(void);
void fake_stream_becomes(enum stream_channel_state state);
void fake_stream_fails(const char *why);
/* BYTES have been received in total; the process tells it when it is asked next. */
void fake_stream_received(uint64_t bytes);
void fake_stream_dies(void);

#endif
