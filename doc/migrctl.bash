# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for migrctl: it asks the program itself, so it cannot be stale.
# shellcheck shell=bash

# The names of the guests, if a daemon answers.
_migrctl_vms() {
	"$1" vm list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_migrctl() {
	local line=${COMP_LINE:0:COMP_POINT} cur=$2 words choices
	# Bash's own words end at ':' and '=', as in an address.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] || unset 'words[-1]'
	choices=$("$1" __complete -- "${words[@]:1}" 2>/dev/null)
	if [[ $choices == *@file* ]]; then
		compopt -o default
	fi
	if [[ $choices == *@vm* && $cur != -* ]]; then
		choices=$(_migrctl_vms "$1")
	fi
	choices=${choices//@file/}
	choices=${choices//@vm/}
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

complete -F _migrctl migrctl
