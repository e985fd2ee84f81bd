/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/transfer_plan_priv.h -- what the files of the transfer plan share. */
#ifndef MIGRD_WIRE_TRANSFER_PLAN_PRIV_H
#define MIGRD_WIRE_TRANSFER_PLAN_PRIV_H

#include "wire/transfer_plan.h"

#define MULTIFD_CHANNELS    "multifd-channels"
#define MULTIFD_COMPRESSION "multifd-compression"

/* By enum transfer_compression; NULL ends them. */
extern const char *const transfer_compression_names[];

/* A row of the table of capabilities has NAME. */
bool transfer_capability_is_known(const char *name);
/* FEATURES, which may be NULL, name the argument of migrate-set-parameters. */
bool transfer_features_have_parameter(const struct transfer_features *features, const char *name);
/* COMPRESSION is one that QEMU was built with: `multifd-compression=NAME' is among the names of
 * parameters.  True also where no such name is, as of an older coordinator. */
bool transfer_features_compress(const struct transfer_features *features, int compression);
/* QEMU is told the capability as a parameter.  FEATURES may be NULL. */
bool transfer_capability_is_parameter(const struct transfer_features *features,
				      const char *capability);

#endif
