/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/content.h -- a digest of a file that is only read.  Thread: a worker. */
#ifndef MIGRD_PREFLIGHT_CONTENT_H
#define MIGRD_PREFLIGHT_CONTENT_H

#include "wire/evidence.h"

/* A file up to this size is read whole; of a larger file only samples are read. */
#define CONTENT_WHOLE_BYTES  (UINT64_C(64) << 20)
#define CONTENT_SAMPLE_BYTES 65536
#define CONTENT_SAMPLES      256

/* Sets `digest' and `sampled' of FILE, whose size is set, from PATH.  The samples are spread
 * evenly from the first byte to the last. */
void content_digest_blocking(const char *path, struct evidence_file *file);

#endif
