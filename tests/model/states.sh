#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# states.sh FILE -- what may follow what, as the tables of migrd/move/states.c
# have it, in Promela: the model includes it, and asserts it at each change.
exec awk '
	/^const struct machine_state move_(src|dst)_states/ {
		side = /_src_/ ? "src" : "dst"
	}
	/^\t\[MOVE_STATE_[A-Z]*\] = / {
		state = tolower($0)
		sub(/^\t\[move_state_/, "", state)
		sub(/\].*/, "", state)
		name = ""
	}
	match($0, /(\.name = |FINAL\()"[a-z]*"/) {
		name = $0
		sub(/^[^"]*"/, "", name)
		sub(/".*/, "", name)
		if (name != state)
			bad = bad " " name
		states[name] = 1
	}
	/\.next = / {
		line = tolower($0)
		while (match(line, /to\([a-z]*\)/)) {
			next_of[side] = next_of[side] sprintf(" \\\n\t((from) == %s && (to) == %s) ||",
				name, substr(line, RSTART + 3, RLENGTH - 4))
			line = substr(line, RSTART + RLENGTH)
		}
	}
	END {
		if (bad != "") {
			print "states.sh: names that are not those of their states:" bad >"/dev/stderr"
			exit 1
		}
		for (side in next_of)
			printf "#define %s_may_go(from, to) (%s \\\n\tfalse)\n", side, next_of[side]
		for (state in states)
			printf "/* state %s */\n", state
	}' "$1"
