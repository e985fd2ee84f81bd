/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify/agent.h -- a party inside the guest: a program that the guest's agent runs.
 *
 * It gets the notice on its standard input, and says what a webhook would answer on its standard
 * output: pure.  Source: QEMU qga/qapi-schema.json, guest-exec and guest-exec-status.
 * Thread: any.
 */
#ifndef MIGRD_NOTIFY_AGENT_H
#define MIGRD_NOTIFY_AGENT_H

#include "base/json.h"
#include "notify/answer.h"
#include "notify/parties.h"

#define NOTIFY_AGENT_RUN    "guest-exec"
#define NOTIFY_AGENT_STATUS "guest-exec-status"

/* The caller owns both. */
struct json_object *notify_agent_run_args(const struct notify_party *party, const char *body);
struct json_object *notify_agent_status_args(int64_t pid);
/* What the agent answered to NOTIFY_AGENT_RUN: the pid; AGENT: that makes no sense. */
bool notify_agent_pid(struct json_object *result, int64_t *ret, struct err *err);
/* And to NOTIFY_AGENT_STATUS: the program has ended, or nobody can tell. */
bool notify_agent_has_ended(struct json_object *result);
/* It has ended: with status 0; or RET says how. */
bool notify_agent_ended_well(struct json_object *result, struct notify_judged *ret);
/* The same, and what it wrote, as notify_judge(). */
struct notify_judged notify_agent_judge(struct json_object *result, uint64_t left_s);

#endif
