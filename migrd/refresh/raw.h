/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refresh/raw.h -- raw arguments of a definition that forbid a refresh, since both QEMUs would have
 * what one can have: sockets that listen, files that are emptied, devices of the host.
 * Pure; thread: any. */
#ifndef MIGRD_REFRESH_RAW_H
#define MIGRD_REFRESH_RAW_H

#include "base/reasons.h"
#include "wire/extra_arg.h"

/* OPTION: with its '-' or "--"; VALUE: the argument behind it, or NULL.  Why two QEMUs cannot have
 * it, behind its name, a constant; NULL: nothing is known against it. */
const char *refresh_raw_conflict(const char *option, const char *value);
/* Adds a reason for each of DEF. */
void refresh_check_raw(const struct vm_def *def, struct reasons *reasons);

#endif
