/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_stream.h -- stream/proc.h over a process that a test plays. */
#ifndef MIGRD_TESTS_LIB_FAKE_STREAM_H
#define MIGRD_TESTS_LIB_FAKE_STREAM_H

#include "stream/proc.h"

extern bool fake_stream_start_fails;
extern uint32_t fake_stream_lease_ms; /* the last that was set */

void fake_stream_init(struct loop *loop);
void fake_stream_fini(void); /* every object must be gone */
bool fake_stream_is_alive(void);
void fake_stream_becomes(enum stream_channel_state state);
/* So many bytes have come in all; told when it is asked next. */
void fake_stream_received(uint64_t bytes);
void fake_stream_dies(void);

#endif
