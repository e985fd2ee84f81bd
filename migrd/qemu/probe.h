/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/probe.h -- asks the QEMU program of this host what it offers.
 *
 * A version number does not tell: distributions backport features, and leave some out.
 * So a QEMU without a machine is started in the same sandbox as every other, asked
 * once, and ended (about 0.1 s).  The answer is kept as long as the program's file is
 * the same (device, inode, size, time of change); after an upgrade the new QEMU is
 * asked at the next start of a VM.  Thread: loop.  Source: QEMU qapi/misc.json,
 * query-command-line-options, qapi/introspect.json.
 */
#ifndef MIGRD_QEMU_PROBE_H
#define MIGRD_QEMU_PROBE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "cmdline/features.h"
#include "qmp/conn.h"

struct probe;

/* BINARY must outlive it.  Nothing is started before the first question. */
struct probe *probe_new(struct loop *loop, const char *binary);
void probe_free(struct probe *probe); /* pending probe_fn are not called any more */
const char *probe_binary(const struct probe *probe);

/* NULL: the present program file was not asked yet. */
const struct qemu_features *probe_known(const struct probe *probe);
/* FN is called once, later on the loop: FEATURES (borrowed) or ERR, which says why the
 * program cannot be asked. Not called after probe_forget(DATA). */
typedef void probe_fn(void *data, const struct qemu_features *features, const struct err *err);
void probe_ask(struct probe *probe, probe_fn *fn, void *data);
void probe_forget(struct probe *probe, const void *data);
/* Version of the program that was asked last; all 0: none was. */
const struct qmp_version *probe_version(const struct probe *probe);
/* That program has machine type NAME. */
bool probe_has_machine(const struct probe *probe, const char *name);

#endif
