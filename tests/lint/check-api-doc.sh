#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# doc/api.md has every route, query key, state of a move, kind of finding, event, check of a
# move, kind of device and call of the guest agent that the code has, and no other.
# It has each state of a VM; those of QEMU it may leave out.
srcdir=${srcdir:-.}
builddir=${builddir:-.}
doc=$srcdir/doc/api.md
status=0

# compare WHAT, the code's lines, the document's lines: they must be equal.
compare() {
	if [ -z "$2" ] || [ "$2" != "$3" ]; then
		printf '%s: the code has:\n%s\ndoc/api.md has:\n%s\n\n' "$1" "$2" "$3"
		status=1
	fi
}

# The first column of the table under the heading row that begins with $1.
first_column() {
	awk -v head="$1" -F '|' '
		index($0, head) == 1 { inside = 1; next }
		inside && !/^\|/ { inside = 0 }
		inside && !/^\| ---/ { print $2 }' "$doc" | grep -o '`[^`]*`' | tr -d '`' | sort -u
}

# The words that stand after $2 in the file $1.
words_of() {
	grep -o "$2\"[a-z-]*\"" "$srcdir/$1" | sed 's/.*"\([a-z-]*\)"/\1/' | sort -u
}

routes=$("$builddir/bin/migrd" --print-routes | grep -v '^[A-Z]* /peer/' | sort)
documented=$(awk -F '|' '/^\| `(GET|POST|PUT|PATCH|DELETE) / {
	path = $2; role = $3; gsub(/[` ]+/, " ", path); gsub(/ /, "", role)
	sub(/^ /, "", path); sub(/ $/, "", path)
	split(path, words, " "); line = words[1] " " words[2] " " role
	for (i = 3; i in words; i++) line = line " " words[i]
	print line }' "$doc" | sort)
compare "routes" "$routes" "$documented"

compare "states of a move" "$(words_of migrd/move/states.c '\(\.name = \|FINAL(\)')" \
	"$(first_column '| state | on |')"
compare "kinds of findings" "$(words_of migrd/check/kinds.c '^	{ ')" \
	"$(first_column '| `kind` | what it is |')"
compare "events" "$(cat "$srcdir"/migrd/api/*.c | grep -o 'bus_publish([^,]*, "[a-z]*"\|stream, NULL, "[a-z]*"' |
	sed 's/.*"\([a-z]*\)"/\1/' | sort -u)" "$(first_column '| `event` |')"

# The checks `cpu' and `virtqueues' are no rows: they are made later, when the destination's QEMU
# waits.
compare "checks of a move" "$({ words_of migrd/preflight/checks.c '^	{ '; echo cpu; echo virtqueues; } | sort)" \
	"$(first_column '| check |')"
# The reasons of a dry run that are no check of a move, and those two.
compare "reasons of a dry run" "$({ cd "$srcdir/migrd/move" &&
	cat trial*.c rehearsed.c moves_peer.c |
	grep -o 'preflight_\(add\|warn\)([^"]*"[a-z-]*"\|add_reason(reply, "[a-z-]*"\|^		{ "[a-z-]*", [a-z_]* }\|^	{ "[^"]*", "[a-z-]*",$' |
	sed 's/",$/"/; s/", [a-z_]* }/"/; s/.*"\([a-z-]*\)"/\1/'; echo cpu; echo virtqueues; } | sort -u)" \
	"$(first_column '| reason |')"
compare "kinds of devices" "$(grep -o '^	\[VM_DEF_KIND_[A-Z_]*\] = { "[a-z_]*"' \
	"$srcdir/migrd/wire/vm_def_device.c" | cut -d'"' -f2 | sort)" \
	"$(first_column '| `kind` | list |')"
compare "calls of the agent" "$(grep -o '^	\[VM_AGENT_[A-Z_]*\] = { "[a-z-]*"' \
	"$srcdir/migrd/vm/agent_call.c" | cut -d'"' -f2 | sort)" "$(first_column '| `agent/` |')"
# Run states of QEMU have its own names; the others are ours.
states=$(first_column '| state | |')
for word in $(sed -n '/^const char \*vm_state(/,/^}/p' "$srcdir/migrd/vm/vm.c" |
	grep -o '"[a-z]*"' | tr -d '"') gone; do
	echo "$states" | grep -qx "$word" || {
		echo "state '$word' of a VM is not in doc/api.md"
		status=1
	}
done
exit $status
