/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/fake_monitor.h -- a scripted QEMU monitor for tests.
 *
 * It greets only when told, answers qmp_capabilities with {} and every other
 * command as it was told with fake_monitor_on(); what it was told nothing about
 * is kept and not answered, until fake_monitor_reply() does.  It can say anything
 * at any time, in pieces cut at seeded random places.
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

/* *RET_FD is the client's end of a socket pair, the caller's to give away. */
struct fake_monitor *fake_monitor_new(struct loop *loop, int *ret_fd);
/* FD is a connected socket that it owns from here on. */
struct fake_monitor *fake_monitor_new_fd(struct loop *loop, int fd);
/* FD is a listening socket that it owns from here on.  One client at a time, as
 * QEMU: it is greeted (with oob) when it is accepted. */
struct fake_monitor *fake_monitor_listen(struct loop *loop, int fd);
void fake_monitor_free(struct fake_monitor *fm);

/* ---- what it says ---- */
void fake_monitor_greet(struct fake_monitor *fm, bool oob);
void fake_monitor_event(struct fake_monitor *fm, const char *name, const char *data_json);
void fake_monitor_send(struct fake_monitor *fm, const char *text);
void fake_monitor_send_bytes(struct fake_monitor *fm, const void *data, size_t len);
/* From here on every send is cut into pieces; SEED 0: no longer. */
void fake_monitor_split(struct fake_monitor *fm, unsigned seed);
void fake_monitor_close(struct fake_monitor *fm);
bool fake_monitor_is_connected(const struct fake_monitor *fm);

/* ---- what it answers ---- */
/* "return" as JSON text; NULL: it does not answer. */
void fake_monitor_on(struct fake_monitor *fm, const char *command, const char *return_json);
void fake_monitor_on_error(struct fake_monitor *fm, const char *command, const char *text);
/* Calls FN(DATA) when COMMAND has arrived, after it was answered if it is to be. */
void fake_monitor_on_call(struct fake_monitor *fm, const char *command, loop_fn *fn, void *data);
/* Stops reading, as QEMU does when it has too many commands. */
void fake_monitor_suspend(struct fake_monitor *fm, bool is_suspended);

/* ---- what it heard ---- */
size_t fake_monitor_heard(const struct fake_monitor *fm);
size_t fake_monitor_heard_of(const struct fake_monitor *fm, const char *command);
/* The Nth message, whole; borrowed. */
struct json_object *fake_monitor_message(const struct fake_monitor *fm, size_t n);
/* The name of the Nth command. */
const char *fake_monitor_command(const struct fake_monitor *fm, size_t n);
/* The newest COMMAND that was heard, NULL if none; borrowed. */
struct json_object *fake_monitor_last(const struct fake_monitor *fm, const char *command);
/* Answers the newest COMMAND heard (again, if need be). */
void fake_monitor_reply(struct fake_monitor *fm, const char *command, const char *return_json);
void fake_monitor_reply_error(struct fake_monitor *fm, const char *command, const char *text);

#endif
