#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A layer includes only the layers that layers.txt allows it, and a library's
# header is seen only where libraries.txt says.
cd "${srcdir:-.}" || exit 1
layers=tests/lint/layers.txt
libraries=tests/lint/libraries.txt
status=0

complain() {
	echo "$1" >&2
	status=1
}

folder_of() {
	case $1 in
	agents) echo agents ;;
	*) echo "migrd/$1" ;;
	esac
}

sources_under() {
	find "$@" -name '*.[ch]' 2>/dev/null | LC_ALL=C sort
}

# LAYER "ALLOWED LAYERS": each include of another layer must be allowed.
check_layer() {
	for file in $(sources_under "$(folder_of "$1")"); do
		# shellcheck disable=SC2013  # one word a line
		for used in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u); do
			grep -q "^$used:" $layers || continue
			case " $1 $2 " in
			*" $used "*) ;;
			*) complain "$file: the layer '$1' must not include $used/ ($layers)" ;;
			esac
		done
	done
}

# Is FILE one of the "PATTERNS"?
is_allowed() {
	file=$1
	set -f
	for pattern in $2; do
		# shellcheck disable=SC2254  # it is a pattern
		case $file in
		$pattern) set +f; return 0 ;;
		esac
	done
	set +f
	return 1
}

# HEADER "PATTERNS": nobody else includes it.
check_library() {
	for file in $(sources_under migrd agents); do
		grep -q "^#include <$1" "$file" || continue
		is_allowed "$file" "$2" || complain "$file: must not include <$1> ($libraries)"
	done
}

for folder in migrd/*/; do
	layer=${folder#migrd/}
	grep -q "^${layer%/}:" $layers || complain "$folder has no line in $layers"
done
while IFS=: read -r name allowed; do
	case $name in
	'#'* | '') ;;
	*) check_layer "$name" "$allowed" ;;
	esac
done <$layers
while IFS=: read -r name allowed; do
	case $name in
	'#'* | '') ;;
	*) check_library "$name" "$allowed" ;;
	esac
done <$libraries
exit $status
