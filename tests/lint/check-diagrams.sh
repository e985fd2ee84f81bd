#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The diagrams of a move's life in migrd/move/move.h and ARCHITECTURE.md have the arrows of
# migrd/move/states.c, and no other.
cd "${srcdir:-.}" || exit 1
status=0

code=$(tests/model/states.sh migrd/move/states.c) || exit 1
# "src begin prepare" for each arrow.
arrows=$(echo "$code" | sed -n '
	s/^#define \([a-z]*\)_may_go.*/\1/; /^[a-z]*$/ { h; d }
	/from) ==/ { s/.*(from) == \([a-z]*\) && (to) == \([a-z]*\).*/\1 \2/; G; s/\(.*\)\n\(.*\)/\2 \1/; p }' |
	sort)
for file in migrd/move/move.h ARCHITECTURE.md; do
	# Lines such as "source  begin -> prepare, rollback"; the side stands in the first.
	drawn=$(sed 's/^ \* *//' $file | awk '
		/^(source|destination) +[a-z]+ +-> / { side = $1 == "source" ? "src" : "dst"; $1 = ""; found = 1 }
		found && !/ -> / { found = 0 }
		found { gsub(/,/, " "); for (i = 3; i <= NF; i++) print side, $1, $i }' OFS=' ' | sort)
	if [ -z "$arrows" ] || [ "$arrows" != "$drawn" ]; then
		printf '%s:\nmigrd/move/states.c has:\n%s\nthe diagram has:\n%s\n' "$file" "$arrows" "$drawn"
		status=1
	fi
done
exit $status
