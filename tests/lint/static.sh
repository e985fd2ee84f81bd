#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/lint/static.sh -- runs clang-tidy on every source file, with the checks of
# .clang-tidy, and with the warnings of clang that gcc's builds have.  Not part of `make check': it
# takes minutes.
#
#     tests/lint/static.sh [BUILD] [FILE...]   BUILD: configured, for its config.h (default: .)
set -eu
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-.}" && pwd)
[ $# = 0 ] || shift
[ -f "$build/config.h" ] || { echo "static.sh: '$build' is not configured" >&2; exit 2; }
cd "$source_dir"

files() {
	if [ $# -gt 0 ]; then printf '%s\n' "$@"; else find migrd agents tests -name '*.c' | sort; fi
}

libraries="libuv json-c sqlite3 gnutls libmicrohttpd libcurl inih libnl-route-3.0 smartcols libedit ncursesw check"
# These flags must match CPPFLAGS in Makefile.am.
flags="-std=gnu17 -Imigrd -I. -Itests/lib -include $build/config.h -include migrd/base/banned.h
	-DMIGRD_SYSCONFDIR=\"/etc\" -DMIGRD_LIBEXECDIR=\"/usr/libexec\" -DMIGRD_LOCALSTATEDIR=\"/var\"
	-DMIGRD_RUNSTATEDIR=\"/run\" -DENABLE_FAULT_INJECTION=1
	$(pkg-config --cflags $libraries)"
# What clang does not know is gcc's alone.
warnings=$(sed -n 's/^WARN_CFLAGS = //p' "$build/Makefile" | tr ' ' '\n' | grep '^-W' |
	grep -vx -e -Werror -e -Wimplicit-fallthrough=5)
files "$@" | xargs -P "$(nproc)" -n 1 sh -c 'flags=$1; shift; clang-tidy --quiet "$@" -- $flags' sh "$flags $(echo $warnings)"
