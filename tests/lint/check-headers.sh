#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each header includes all that it needs: it compiles alone, with the project's flags.
# LINT_CC is the compiler with these flags; make sets it.
src=${srcdir:-.}
status=0

if test -z "$LINT_CC"; then
	echo "LINT_CC is not set: run this by 'make check'" >&2
	exit 77
fi
for header in $(cd "$src" && find migrd agents tests -name '*.h' 2>/dev/null | LC_ALL=C sort); do
	# shellcheck disable=SC2086  # words are wanted
	if ! printf '#include "%s"\n' "$header" |
		$LINT_CC -Wno-unused-function -Wno-unused-variable -fsyntax-only -x c -; then
		echo "$src/$header: does not compile alone" >&2
		status=1
	fi
done
exit $status
