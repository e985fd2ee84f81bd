#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A layer includes only the layers that layers.txt allows it.  Only the files that
# libraries.txt names include a library's header or use a name of the library: a header
# of ours that includes the library's does not open it to others.
cd "${srcdir:-.}" || exit 1
layers=tests/lint/layers.txt
libraries=tests/lint/libraries.txt

# PREFIX_|PREFIX_... of all libraries.
prefixes=$(sed -n '/^[a-z]/s/:.*//p' $libraries | tr ' ' '\n' | grep '_$' | paste -sd '|')

# FILE:LINE of each #include and each name of a library, and FOLDER/ of each layer.
{
	find migrd agents -name '*.[ch]' | LC_ALL=C sort |
		xargs grep -HwE "^#include .*|($prefixes)[A-Za-z0-9_]+"
	for folder in migrd/*/; do echo "$folder"; done
} | awk -v layers=$layers -v libraries=$libraries '
	function complain(text) { print text | "cat >&2"; status = 1 }

	# A pattern of the shell as an expression.
	function expression(pattern) {
		gsub(/\./, "\\.", pattern)
		gsub(/\*/, ".*", pattern)
		return "^" pattern "$"
	}

	function is_allowed(file, patterns,    list, count, i) {
		count = split(patterns, list, " ")
		for (i = 1; i <= count; i++)
			if (file ~ expression(list[i]))
				return 1
		return 0
	}

	# NAME: WORDS of FILE into TO.
	function read_table(file, to,    line, colon) {
		while ((getline line < file) > 0) {
			colon = index(line, ":")
			if (line !~ /^#/ && colon)
				to[substr(line, 1, colon - 1)] = substr(line, colon + 1)
		}
		close(file)
	}

	BEGIN { read_table(layers, allowed); read_table(libraries, seen_in) }

	/^[^:]*\/$/ {
		split($0, part, "/")
		is_there[part[2]] = 1
		if (!(part[2] in allowed))
			complain($0 " has no line in " layers)
		next
	}
	{
		colon = index($0, ":")
		file = substr($0, 1, colon - 1)
		included = substr($0, colon + 1)
		sub(/^#include /, "", included)
		split(file, part, "/")
		layer = part[1] == "agents" ? "agents" : part[2]
	}
	included ~ /^"[a-z]*\// && layer in allowed {
		used = substr(included, 2, index(included, "/") - 2)
		if (used in allowed && used != layer && index(" " allowed[layer] " ", " " used " ") == 0)
			complain(file ": the layer \047" layer "\047 must not include " used \
			         "/ (" layers ")")
	}
	{
		for (library in seen_in) {
			split(library, name, " ") # HEADER PREFIX_
			is_seen = index(included, "<" name[1]) == 1 ||
				(name[2] != "" && (" " included) ~ ("[^A-Za-z0-9_]" name[2] "[A-Za-z0-9_]"))
			if (is_seen && !is_allowed(file, seen_in[library]))
				complain(file ": must not use " name[1] " (" libraries ")")
		}
	}
	END {
		for (layer in allowed)
			if (layer != "agents" && !(layer in is_there))
				complain(layers ": there is no folder migrd/" layer)
		exit status
	}'
