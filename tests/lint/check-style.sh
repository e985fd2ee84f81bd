#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the compiler does not see: licence lines, notes to oneself, calls that one file
# makes for all.
cd "${srcdir:-.}" || exit 1
status=0

# C files, and what is a script by its name or first line.
list_files() {
	{
		find migrd agents tests examples schema .ci -type f \
			\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \) 2>/dev/null
		find migrd agents tests examples schema .ci -type f ! -name '*.*' \
			! -path '*/__pycache__/*' \
			-exec awk 'FNR == 1 && /^#!/ { print FILENAME } { nextfile }' {} + 2>/dev/null
	} | LC_ALL=C sort
}

files=$(list_files)

# PATTERN-OF-FILES: those of them.
those() {
	echo "$files" | grep -E "$1"
}

# WHAT-IT-MEANS PATTERN-OF-FILES GREP-OPTIONS...: no line of theirs is found.
never() {
	means=$1 of=$2
	shift 2
	if those "$of" | xargs grep -Hn "$@" >&2; then
		echo "$means" >&2
		status=1
	fi
}

never 'the log quotes a value by itself (base/log.h)' '^(migrd|agents)/.*\.c$' '=\\"%'
never 'base/clock.h tells the time' '^(migrd|agents)/.*\.c$' \
	--exclude=clock.c -wE 'clock_gettime|gettimeofday|time\(NULL\)'
never 'the heading of a part is one line' '\.[ch]$' -E '^/\* ---- .*[^/]$'
never 'base/json.h reads a text' '^(migrd|agents)/.*\.c$' -w 'json_tokener[a-z_]*'
never 'finish it, or write it down where others look' . -wE 'TO''DO|FIX''ME|X''XX'

licensed=$(echo "$files" | xargs grep -Hn -m 1 'SPDX-License-Identifier: LGPL-2.1-or-later' |
	awk -F: '$2 <= 3 { print $1 }')
unlicensed=$(printf '%s\n' "$files" "$licensed" | LC_ALL=C sort | uniq -u)
if [ -n "$unlicensed" ]; then
	echo "$unlicensed" | sed 's/$/: no licence line at the top/' >&2
	status=1
fi
exit $status
