#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make install' installs the programs, every manual page, the documents and the examples; a
# package needs for its build what packages/debian.txt says.
cd "${srcdir:-.}" || exit 1
source=$(pwd)
cd "$OLDPWD" || exit 1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
status=0

"${MAKE:-make}" -s -C "${builddir:-.}" install DESTDIR="$root" >"$root/log" 2>&1 || {
	cat "$root/log"
	exit 1
}
for name in migrd migrctl migrd-plan migrd-stream migrd-output migrd-hook README.md ARCHITECTURE.md api.md errors.md \
	guest.json linux-cloud.json witness $(cd "$source/man" && ls -- *.[1-9]); do
	[ -n "$(find "$root" -name "$name" -type f)" ] ||
		{ echo "'make install' leaves out $name"; status=1; }
done
for package in $(sed -n 's/^build: //p' "$source/packages/debian.txt" | tr ' ' '\n' | grep -e '-dev$'); do
	[ "$package" = libc6-dev ] || grep -qx " $package," "$source/debian/control" ||
		{ echo "debian/control: the package is not built with $package"; status=1; }
done
exit $status
