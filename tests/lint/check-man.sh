#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual pages are well formed, migrd.conf(5) has every key there is, and migrctl(1)
# every command.
build=$(cd "${builddir:-.}" && pwd)
cd "${srcdir:-.}" || exit 1
status=0

command -v mandoc >/dev/null || { echo "mandoc is missing: run packages/setup test"; exit 1; }
# Whether other pages are installed is not ours to say.
faults=$(mandoc -T lint man/*.[1-9] 2>/dev/null | grep -v 'referenced manual not found')
[ -z "$faults" ] || { echo "$faults"; status=1; }

# "section key" of each row of the table, and of each .Ic item in the page.
keys=$(tr -s '\n\t ' ' ' <migrd/config_keys.c |
	grep -o '"[a-zA-Z ]*", "[a-z_]*", CONFIG_TYPE' |
	sed 's/^"\([a-z]*\)[^"]*", "\([a-z_]*\)".*/\1 \2/' | sort)
documented=$(awk '$1 == ".Ss" { section = $3 } $1 == ".It" && $2 == "Ic" { print section, $3 }' \
	man/migrd.conf.5 | sort)
if [ -z "$keys" ] || [ "$keys" != "$documented" ]; then
	printf 'migrd.conf(5) and migrd/config_keys.c differ:\ntable:\n%s\npage:\n%s\n' \
		"$keys" "$documented"
	status=1
fi

# "noun verb" of each command.
commands=$("$build/bin/migrctl" --help | sed -n 's/^  \([a-z].*\)/\1/p' |
	awk '{ print $1, ($2 ~ /^[a-z]/ && !/^(backup|events|top|web) / ? $2 : "") }' | sed 's/ $//' | sort -u)
nouns=$(echo "$commands" | sed -n 's/ .*//p' | sort -u | paste -sd '|')
documented=$(grep -E '^(\.It )?\.?Cm ' man/migrctl.1 |
	grep -oE "Cm (($nouns) [a-z-]+|backup|events|explain|top|wait|web)" | sed 's/^Cm //' | sort -u)
if [ -z "$commands" ] || [ "$commands" != "$documented" ]; then
	printf 'commands of migrctl and in migrctl(1) differ:\n%s\n---\n%s\n' "$commands" "$documented"
	status=1
fi

# What a help text calls a manual page is one of ours, or of a library or program.
for page in $(grep -rhoE '"[^"]*migr[a-z.-]*\([1-9]\)' migrd agents --include='*.[ch]' |
	grep -oE 'migr[a-z.-]*\([1-9]\)' | sort -u); do
	file=man/$(echo "$page" | sed 's/(\(.\))/.\1/')
	[ -f "$file" ] || { echo "a help text names $page, which does not exist"; status=1; }
done

# The same of those that a running migrd takes over.
live=$(awk 'match($0, /{ "[a-z]*", "[a-z_]*", CONFIG_TYPE/) { split($0, word, "\""); key = word[2] " " word[4] }
	/is_live = true/ { print key }' migrd/config_keys.c | sort)
documented=$(awk '$1 == ".Ss" { section = $3 } $1 == ".It" && $2 == "Ic" { key = $3 }
	/; live\.$/ { print section, key }' man/migrd.conf.5 | sort)
if [ -z "$live" ] || [ "$live" != "$documented" ]; then
	printf 'keys that are live in migrd/config_keys.c and in migrd.conf(5) differ:\n%s\n---\n%s\n' \
		"$live" "$documented"
	status=1
fi
exit $status
