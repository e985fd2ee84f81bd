#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The states of a move have the same names in the model (tests/model) as in the code,
# and the model enters each of them.
cd "${srcdir:-.}" || exit 1
model=tests/model/handover.pml
status=0

code=$(tests/model/states.sh migrd/move/states.c) || exit 1
in_code=$(echo "$code" | sed -n 's|^/\* state \([a-z]*\) \*/$|\1|p' | sort)
in_model=$(sed -n '/^mtype = { begin/s/[^a-z ]\|mtype//gp' $model | tr -s ' ' '\n' | grep . | sort)
if [ -z "$in_code" ] || [ "$in_code" != "$in_model" ]; then
	printf 'the states differ:\nmigrd/move/states.c:\n%s\nhandover.pml:\n%s\n' "$in_code" "$in_model"
	status=1
fi
for state in $in_code; do
	[ "$state" = begin ] && continue
	grep -q "_\(goes\|ends\)($state)\|_state = $state;" $model ||
		{ echo "handover.pml never enters '$state'"; status=1; }
done
exit $status
