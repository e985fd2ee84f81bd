/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/fake_monitor.h -- a scripted QEMU monitor for tests.
 *
 * It greets only when told to.  It answers qmp_capabilities with {}, and other
 * commands as fake_monitor_on() says; a command without such a rule is kept and not
 * answered before fake_monitor_reply().  A test can send anything at any time, in
 * pieces cut at random places from a seed.
 *
 * Thread: loop.  It asserts, since tests are its only user.
 */
#ifndef MIGRD_TESTS_FAKE_MONITOR_H
#define MIGRD_TESTS_FAKE_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/loop.h"

struct fake_monitor;

/* *RET_FD is the client's end of a socket pair; the caller owns it. */
struct fake_monitor *fake_monitor_new(struct loop *loop, int *ret_fd);
/* Takes ownership of FD, a listening socket.  Serves one client at a time, as QEMU
 * does, and greets it (with oob) when it is accepted. */
struct fake_monitor *fake_monitor_listen(struct loop *loop, int fd);
void fake_monitor_free(struct fake_monitor *fm);

/* ---- output ---- */
void fake_monitor_greet(struct fake_monitor *fm, bool oob);
void fake_monitor_event(struct fake_monitor *fm, const char *name, const char *data_json);
void fake_monitor_send(struct fake_monitor *fm, const char *text);
void fake_monitor_send_bytes(struct fake_monitor *fm, const void *data, size_t len);
/* From now on all output is cut into pieces; SEED 0: no longer. */
void fake_monitor_split(struct fake_monitor *fm, unsigned seed);
void fake_monitor_close(struct fake_monitor *fm);
bool fake_monitor_is_connected(const struct fake_monitor *fm);

/* ---- answers ---- */
/* RETURN_JSON: the value of "return"; NULL: COMMAND is not answered. */
void fake_monitor_on(struct fake_monitor *fm, const char *command, const char *return_json);
void fake_monitor_on_error(struct fake_monitor *fm, const char *command, const char *text);
/* Calls FN(DATA) when COMMAND has arrived, after its answer if it gets one. */
void fake_monitor_on_call(struct fake_monitor *fm, const char *command, loop_fn *fn, void *data);
/* Stops reading, as QEMU does when it has too many commands. */
void fake_monitor_suspend(struct fake_monitor *fm, bool is_suspended);

/* ---- input ---- */
size_t fake_monitor_heard(const struct fake_monitor *fm);
size_t fake_monitor_heard_of(const struct fake_monitor *fm, const char *command);
/* The Nth message, whole; borrowed. */
struct json_object *fake_monitor_message(const struct fake_monitor *fm, size_t n);
/* The newest COMMAND heard, borrowed; NULL: none. */
struct json_object *fake_monitor_last(const struct fake_monitor *fm, const char *command);
/* Answers the newest COMMAND heard, also one that was answered before. */
void fake_monitor_reply(struct fake_monitor *fm, const char *command, const char *return_json);
void fake_monitor_reply_error(struct fake_monitor *fm, const char *command, const char *text);

#endif
