/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/labels.h -- labels of a VM, and what of them a policy selects.
 *
 * Key and value have the syntax of Kubernetes (labels and selectors): a key is NAME or
 * PREFIX/NAME, a name 1 to 63 of A-Z a-z 0-9 . _ - with a letter or digit at both ends, a prefix
 * a DNS name of at most 253, a value "" or as a name.
 *
 * Labels are kept as the text of a JSON object of strings; "": none.  Thread: any (pure).
 */
#ifndef MIGRD_WIRE_LABELS_H
#define MIGRD_WIRE_LABELS_H

#include "base/json.h"

/* Of a value, for schemas. */
#define LABEL_VALUE_PATTERN "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"

#define LABELS_MAX  32
#define LABELS_SIZE 12800 /* of as many of the longest */

/* A fault at POINTER/KEY for each that is none.  WITH_NULL: null, which removes a label, is
 * taken too. */
bool labels_check(struct json_object *obj, const char *pointer, bool with_null,
		  struct faults *faults);
/* LABELS after CHANGES, of which null removes a label; LIMIT: there would be too many.  LABELS is
 * unchanged then. */
bool labels_change(char labels[LABELS_SIZE], struct json_object *changes, struct err *err);
size_t labels_count(const char *labels);
/* LABELS has all of SELECTOR, which is not empty. */
bool labels_match(const char *labels, const char *selector);

#endif
