#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The files under schema/api must agree with the tables in the code.
# With --update: write them.
status=0
srcdir=${srcdir:-.} builddir=${builddir:-.}
print=$builddir/tests/lib/print_schema
names=$("$print") || exit 1
for name in $names; do
	file=$srcdir/schema/api/$name.json
	if [ "$1" = --update ]; then
		"$print" "$name" >"$file" || exit 1
	elif ! "$print" "$name" | cmp -s - "$file"; then
		echo "$file is stale: run 'make update-schema'"
		status=1
	fi
done
for file in "$srcdir"/schema/api/*.json; do
	name=$(basename "$file" .json)
	echo "$names" | grep -qx "$name" || { echo "$file: nothing prints it"; status=1; }
done
exit $status
