#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each function and table that a header of migrd/ or agents/ declares, and each macro
# there, is used: by another file, or by its own file and a test.  dead.txt names what
# only tests use.  What only its own file uses is to be static.
# It compares words, so it finds neither members of structs nor a name that also means
# something else.
cd "${srcdir:-.}" || exit 1
exceptions=tests/lint/dead.txt

find migrd agents tests -name '*.[ch]' | LC_ALL=C sort | xargs awk -v exceptions=$exceptions '
	function complain(text) { print text | "cat >&2"; status = 1 }

	function declare(name, what) {
		if (name in kind)
			return
		kind[name] = what
		home[name] = FILENAME
	}

	BEGIN {
		while ((getline line < exceptions) > 0)
			if (line !~ /^#/ && index(line, ":"))
				excepted[substr(line, 1, index(line, ":") - 1)] = 1
	}

	FNR == 1 {
		in_comment = 0
		is_test = FILENAME ~ /^tests\//
		is_header = FILENAME ~ /\.h$/
	}
	{
		gsub(/\047"\047/, "")
		gsub(/"([^"\\]|\\.)*"/, "")
		if (in_comment) {
			if (!(end = index($0, "*/")))
				next
			$0 = substr($0, end + 2)
			in_comment = 0
		}
		while (start = index($0, "/*")) {
			end = index(substr($0, start), "*/")
			if (!end) {
				in_comment = 1
				$0 = substr($0, 1, start - 1)
				break
			}
			$0 = substr($0, 1, start - 1) " " substr($0, start + end + 1)
		}
	}
	/^#include/ || /^[ \t]*$/ { next }
	!is_test && /^#define [A-Za-z]/ && !/_H$/ {
		name = $2
		sub(/\(.*/, "", name)
		declare(name, "macro")
	}
	!is_test && is_header && /^[a-z]/ && !/^(static|typedef)/ {
		text = $0
		sub(/^extern /, "", text)
		if (match(text, /[a-z0-9_]+\(/) && RSTART > 1)
			declare(substr(text, RSTART, RLENGTH - 1), "function")
		else if (/^extern [^,]*$/ && match(text, /[a-z0-9_]+(\[.*)?;/)) {
			name = substr(text, RSTART, RLENGTH)
			sub(/[^a-z0-9_].*/, "", name)
			declare(name, "table")
		}
	}
	{
		gsub(/[^A-Za-z0-9_]+/, " ")
		count = split($0, words, " ")
		for (i = 1; i <= count; i++) {
			if (is_test)
				in_tests[words[i]] = 1
			else if (is_header)
				in_headers[words[i]]++
			else if (last[words[i]] != FILENAME) {
				in_files[words[i]]++ # how many .c
				last[words[i]] = FILENAME
				in_last[words[i]] = 1
			} else
				in_last[words[i]]++ # how often in the last of them
		}
	}
	END {
		for (name in kind) {
			uses = in_headers[name] + in_files[name] > 2 || in_headers[name] > 1
			if (kind[name] == "macro")
				uses = in_headers[name] + in_last[name] > 1 || in_files[name] > 1
			own = kind[name] != "macro" && in_last[name] > 1
			if (name in excepted) {
				if (uses || own || !(name in in_tests))
					complain(exceptions ": \047" name "\047 needs no exception")
				delete excepted[name]
			} else if (uses || (own && name in in_tests)) {
				continue
			} else {
				complain(home[name] ": the " kind[name] " \047" name "\047: " (own \
					? "only its own file uses it: make it static" \
					: name in in_tests ? "only tests use it (or name it in " exceptions ")" \
					: "nobody uses it"))
			}
		}
		for (name in excepted)
			complain(exceptions ": there is no \047" name "\047")
		exit status
	}'
