#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each source, test, script and document is named in Makefile.am, by itself or by a folder,
# so that the release archive has it.
cd "${srcdir:-.}" || exit 1

# The words of Makefile.am without its comments, then the files; what a build makes in the
# tree has other endings.
{
	sed 's/#.*//' Makefile.am | tr -s '[:space:]=' '\n' | sort -u
	echo --
	set -- migrd agents tests schema doc man examples packages findings
	find "$@" -type f -name '*.[ch1-9S]'
	find "$@" -type f \( -name '*.py' -o -name '*.sh' -o -name '*.md' -o -name '*.txt' \
		-o -name '*.sql' -o -name '*.json' -o -name '*.pml' -o -name '*.in' -o -name '*.bash' \)
	find "$@" -type f ! -name '*.*' \
		-exec awk 'FNR == 1 && /^#!/ { print FILENAME } { nextfile }' {} +
} | awk '
	$0 == "--" { are_files = 1; next }
	!are_files { named[$0] = 1; next }
	{
		# The file, a program of this one source, or a folder that holds it.
		name = $0
		sub(/\.c$/, "", name)
		found = $0 in named || name in named
		for (name = $0; !found && sub(/\/[^\/]*$/, "", name);)
			found = name in named && (name ~ /\// || name == "findings")
		if (!found) {
			print $0 ": Makefile.am does not name it"
			status = 1
		}
	}
	END { exit status }'
