/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/readyz.h -- what GET /readyz answers from.  Thread: loop. */
#ifndef MIGRD_API_READYZ_H
#define MIGRD_API_READYZ_H

#include "api/selfcheck.h"

struct api;
struct readiness;

/* ENV's strings are borrowed. */
struct readiness *readiness_new(struct api *api, const struct selfcheck_env *env);
/* Answers the requests that wait.  Call it before the store of API is closed.  Accepts NULL. */
void readiness_free(struct readiness *readiness);

#endif
