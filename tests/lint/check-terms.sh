#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the pages of migrctl show is explained in migrctl(1), section "WHAT IS SHOWN": each title,
# state, event and word of a closed set; and each word of the sentences about a move is one of plain
# English (tests/lint/plain-words.txt) or explained there.
cd "${srcdir:-.}" || exit 1
status=0
one_line() { cat "$@" | tr -s '\n\t ' ' '; }

page=$(sed -n '/^\.Sh WHAT IS SHOWN/,/^\.Sh ENVIRONMENT/p' man/migrctl.1)
# The terms of the items: ".It Sy a b , c".
terms=$(echo "$page" | sed -n 's/^\.It Sy //p; s/^\.Sy \([A-Z , ]*\) \.$/\1/p' |
	sed 's/ , /\n/g; s/ ;$//' | sort -u)
# These, and words that stand in the explanations.
words=$(echo "$page" | grep -E '^(\.It Sy|\.Po Cm|\.Pq Cm|\.Cm|\.Sy) ' | grep -oE '[A-Za-z][a-z-]+' | sort -u)

# wanted FROM THERE LIST: each line of LIST is one of THERE.
wanted() {
	[ -n "$3" ] || { echo "check-terms.sh finds nothing in $1"; status=1; }
	missing=$(echo "$3" | sort -u | while read -r word; do
		echo "$2" | grep -qxF -e "$word" || echo "  $word"
	done)
	[ -z "$missing" ] && return
	printf 'shown by %s, and not explained in migrctl(1), "WHAT IS SHOWN":\n%s\n' "$1" "$missing"
	status=1
}

for name in move_page cmd_move cmd_move_start cmd_queue cmd_policy cmd_hold cmd_save cmd_refresh cmd_vmbackup summary \
	evacuation_page cmd_evacuation cmd_webhook; do
	file=agents/migrctl/$name.c
	wanted "$file" "$terms" "$(one_line "$file" |
		grep -oE '\{ "[^"]+", "[^"]*", TABLE_' | cut -d'"' -f2)"
done
for file in migrd/move/states.c migrd/queue/states.c migrd/evacuation/states.c migrd/save/states.c \
	migrd/refresh/states.c migrd/vmbackup/states.c; do
	wanted "$file" "$words" "$(grep -oE '(\.name = |FINAL\()"[a-z]+"' "$file" | cut -d'"' -f2)"
done
wanted "the timeline" "$terms" "$(for file in migrd/move/*.c; do
	one_line "$file" | grep -oE 'move_note\([a-z>-]*, "[a-z-]+"' | cut -d'"' -f2
done)"
# Closed sets: the names in FILE of the array NAME.
while read -r file name; do
	wanted "$file ($name)" "$words" "$(one_line "migrd/$file" |
		grep -oE "[ *]$name\[\] = \{[^}]*\}" | grep -oE '"[a-z-]+"' | tr -d '"')"
done <<SETS
wire/move_request.c move_priority_names
wire/policy.c policy_postcopy_names
wire/policy.c policy_timeout_names
wire/policy.c from_names
wire/nic_frames.c nic_ping_names
wire/forecast.c convergence_names
wire/forecast.c mode_names
move/notices.c before_names
move/notices.c after_names
SETS

# The words of sentences, without what is put in, and names.
sentences="migrd/move/explain.c migrd/move/outlook.c migrd/move/did.c migrd/converge/converge.c
	migrd/forecast/forecast.c"
shown=$(for file in $sentences; do
	grep -v '^#include\|^ \*\|/\*.*\*/$' "$file" | grep -oE '"([^"\\]|\\.)*"'
done | sed -E "s/%[-+0-9.*]*(ll|z|h)?[a-zA-Z]//g; s/\`[^']*'//g; s/\\\\[a-z]/ /g" |
	tr -s "\"/ .,:;%()[]'{}=" '\n' | grep -E '^[A-Za-z][A-Za-z-]+$' | tr '[:upper:]' '[:lower:]' | sort -u)
known=$( { cat tests/lint/plain-words.txt; echo "$terms" | tr ' ' '\n' | tr '[:upper:]' '[:lower:]'; } |
	sort -u)
unknown=$(echo "$shown" | while read -r word; do echo "$known" | grep -qxF -e "$word" || echo "  $word"; done)
if [ -z "$shown" ] || [ -n "$unknown" ]; then
	printf '%s\n%s\n' "words of sentences about moves that are neither plain English (add them to
tests/lint/plain-words.txt) nor explained in migrctl(1), \"WHAT IS SHOWN\":" "$unknown"
	status=1
fi
exit $status
