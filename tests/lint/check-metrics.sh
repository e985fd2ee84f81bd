#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# doc/metrics.md has the table that migrd prints; each metric that the documents, the board and the
# alerts name is one of it; promtool finds nothing in examples/monitoring.
#
#     check-metrics.sh [--update]     --update writes the table into the document
srcdir=${srcdir:-.}
builddir=${builddir:-.}
doc=$srcdir/doc/metrics.md
monitoring=$srcdir/examples/monitoring
status=0

fail() {
	echo "$*"
	status=1
}

table=$("$builddir/bin/migrd" --print-metrics) || exit 1
written=$(awk '/^\| name \| type \|/ { inside = 1 } inside && !/^\|/ { exit } inside' "$doc")
if [ "${1:-}" = --update ]; then
	new=$(mktemp) && echo "$table" >"$new.table" &&
		awk -v table="$new.table" '
			/^\| name \| type \|/ || $0 == "@TABLE@" {
				while ((getline line < table) > 0) print line
				inside = 1; next
			}
			inside && /^\|/ { next }
			{ inside = 0; print }' "$doc" >"$new" && cat "$new" >"$doc"
	rm -f "$new" "$new.table"
	exit
fi
[ "$table" = "$written" ] || fail "doc/metrics.md has another table than migrd --print-metrics:" \
	"run 'make update-metrics'"

# Each name that looks like one of ours, without the ends that samples of histograms have.
names=$(echo "$table" | awk -F '`' 'NR > 2 { print $2 }')
for file in "$doc" "$monitoring/README.md" "$monitoring/migrd.rules.yml" \
	"$monitoring/migrd.rules.test.yml" "$monitoring/migrd-board.json" "$srcdir/doc/api.md"; do
	for name in $(grep -oE '\b(migrd|process)_[a-z_]+[a-z]\b' "$file" | sort -u); do
		short=$(echo "$name" | sed 's/_\(bucket\|count\|sum\)$//')
		echo "$names" | grep -qxF -e "$name" -e "$short" ||
			fail "$file: there is no metric $name"
	done
done

# Each rule has a test.
for alert in $(sed -n 's/.*- alert: //p' "$monitoring/migrd.rules.yml"); do
	grep -q "alertname: $alert\b" "$monitoring/migrd.rules.test.yml" || fail "$alert has no test"
done
[ $status = 0 ] || exit $status
command -v promtool >/dev/null || { echo "promtool is not installed: packages/setup ci"; exit 77; }
promtool check rules "$monitoring/migrd.rules.yml" >/dev/null || status=1
promtool test rules "$monitoring/migrd.rules.test.yml" >/dev/null || status=1
# The certificates are not there.
promtool check config --syntax-only "$monitoring/prometheus.yml" >/dev/null || status=1
exit $status
