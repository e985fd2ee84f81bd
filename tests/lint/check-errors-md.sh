#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# schema/errors.md must agree with the table of error codes.
srcdir=${srcdir:-.}
sh "$srcdir/schema/errors.sh" "$srcdir/migrd/base/err.h" | diff "$srcdir/schema/errors.md" - || {
	echo "stale: sh schema/errors.sh migrd/base/err.h >schema/errors.md"
	exit 1
}
