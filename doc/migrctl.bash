# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for migrctl: it asks the program itself, so it cannot be stale.
# shellcheck shell=bash

# The words so far that are no options, without the program's name.
_migrctl_words() {
	local i
	words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
}

# The names of the guests, if a daemon answers.
_migrctl_vms() {
	"$1" vm list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_migrctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} words choices
	_migrctl_words
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--socket | --cert | --key | --ca | --dir | --state-dir | --run-dir)
		compopt -o default
		COMPREPLY=()
		return
		;;
	-o | --output) choices='table json' ;;
	--role) choices='viewer operator admin' ;;
	*)
		choices=$("$1" __complete "${words[@]}" 2>/dev/null)
		case "${words[*]}" in
		'vm create' | 'vm attach '*) compopt -o default ;;
		'vm '* | 'move '*)
			[[ $cur == -* || ${#words[@]} -ne 2 ]] || choices=$(_migrctl_vms "$1")
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

complete -F _migrctl migrctl
