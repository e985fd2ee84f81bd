#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# migrd-vm(5) has what the table of a definition's members says, between .Sh MEMBERS and .Sh EXAMPLES,
# and names each file of examples/guests.
#
#     check-vm-man.sh [--update]     --update writes the members into the page
srcdir=${srcdir:-.}
page=$srcdir/man/migrd-vm.5
new=$(mktemp)
trap 'rm -f "$new" "$new.page"' EXIT
status=0

"${builddir:-.}/tests/lib/print_vm_man" >"$new" || exit 1
[ -s "$new" ] || { echo "print_vm_man prints nothing"; exit 1; }
awk -v members="$new" '
	$0 == ".Sh MEMBERS" { print; while ((getline line < members) > 0) print line; inside = 1; next }
	$0 == ".Sh EXAMPLES" { inside = 0 }
	!inside' "$page" >"$new.page"
if [ "${1:-}" = --update ]; then
	cat "$new.page" >"$page"
	exit
fi
cmp -s "$new.page" "$page" || {
	echo "man/migrd-vm.5 has other members than the table: run 'make update-vm-man'"
	diff "$page" "$new.page" | head -20
	status=1
}
for file in "$srcdir"/examples/guests/*.json; do
	grep -qF "Pa $(basename "$file")" "$page" ||
		{ echo "man/migrd-vm.5 does not name $file"; status=1; }
done
exit $status
