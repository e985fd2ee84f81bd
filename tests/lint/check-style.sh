#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the compiler does not see: licence lines, waiting by the clock in tests,
# notes to oneself.
cd "${srcdir:-.}" || exit 1
status=0

complain() {
	echo "$1" >&2
	status=1
}

# C files, and what is a script by its name or first line.
list_files() {
	find migrd agents tests examples schema .ci -type f \
		\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o ! -name '*.*' \) \
		! -path '*/__pycache__/*' 2>/dev/null | LC_ALL=C sort |
	while read -r file; do
		case $file in
		*.[ch] | *.sh | *.py) echo "$file" ;;
		*) test "$(head -c 2 "$file" | tr -d '\0')" = '#!' && echo "$file" ;;
		esac
	done
}

for file in $(list_files); do
	case $file in
	migrd/*.c | agents/*.c)
		grep -Hn '=\\"%' "$file" >&2 &&
			complain "$file: the log quotes a value by itself (base/log.h)"
		;;
	esac
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' ||
		complain "$file: no licence line at the top"
	case $file in
	tests/*.c)
		grep -HnwE 'u?sleep|nanosleep' "$file" >&2 &&
			complain "$file: a test makes its state certain, it does not wait for it"
		;;
	esac
	grep -HnwE 'TO''DO|FIX''ME|X''XX' "$file" >&2 &&
		complain "$file: finish it, or write it down where others look"
done
exit $status
