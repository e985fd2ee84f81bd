# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for migrctl: it asks the program itself, so it cannot be stale; that asks the
# daemon which the line names for names of guests, hosts, moves and what else it has.
# shellcheck shell=bash

_migrctl() {
	local line=${COMP_LINE:0:COMP_POINT} cur=$2 words choices
	# Bash's own words end at ':' and '=', as in an address.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] || unset 'words[-1]'
	choices=$("$1" __complete -- "${words[@]:1}" 2>/dev/null)
	if [[ $choices == *@file* ]]; then
		compopt -o default
	fi
	choices=${choices//@file/}
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

complete -F _migrctl migrctl
