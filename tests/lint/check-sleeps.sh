#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing waits by the clock in tests and examples, but the functions of
# sleeps.txt: a C test never, a Python function or a script only if it is named there.
# What a guest's shell is told to do is no wait of ours.
cd "${srcdir:-.}" || exit 1
exceptions=tests/lint/sleeps.txt

# By the name or the first line: files of C, Python, shell.
{
	find tests examples -type f \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \)
	find tests examples -type f ! -name '*.*' ! -path '*/__pycache__/*' \
		-exec awk 'FNR == 1 && /^#!/ { print FILENAME } { nextfile }' {} +
} | grep -v '^tests/lint/' | LC_ALL=C sort | xargs awk -v exceptions=$exceptions '
	function complain(text) { print text | "cat >&2"; status = 1 }

	# The innermost function that the line is in.
	function here(    indent, best) {
		best = -1
		for (indent in names)
			if (indent + 0 > best)
				best = indent + 0
		return best < 0 ? "" : ":" names[best]
	}

	function found(    place) {
		place = FILENAME here()
		if (place in excepted)
			used[place] = 1
		else
			complain(FILENAME ":" FNR ": waits by the clock: make the state certain, " \
				"or name \047" place "\047 in " exceptions)
	}

	BEGIN {
		while ((getline line < exceptions) > 0) {
			split(line, word, " ")
			if (line !~ /^#/ && sub(/:$/, "", word[1]))
				excepted[word[1]] = 1
		}
	}
	FNR == 1 {
		split("", names)
		language = FILENAME ~ /\.[ch]$/ ? "c" : FILENAME ~ /\.py$/ || /python/ ? "python" : "shell"
	}
	language == "python" && /[^ ]/ {
		match($0, /^ */)
		for (indent in names)
			if (indent + 0 >= RLENGTH)
				delete names[indent]
		name = $0
		if (sub(/^ *(async )?def /, "", name)) {
			sub(/\(.*/, "", name)
			names[RLENGTH] = name
		}
	}
	language == "python" && /(^|[^a-z_])sleep\(|Event\(\)\.wait\(/ { found() }
	language == "c" && /(^|[^a-z_])(u|nano)?sleep\(/ { found() }
	language == "shell" && /(^|[;&|({]|then|do|else)[ \t]*sleep / { found() }
	END {
		for (place in excepted)
			if (!(place in used))
				complain(exceptions ": nothing waits in \047" place "\047")
		exit status
	}'
