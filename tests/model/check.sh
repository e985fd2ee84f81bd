#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# check.sh [--long] [FAULTS] -- Spin's verifier over the handover, over who owns a guest, over a host
# that is emptied and over the maintenance of some hosts, in the settings below: every state that
# FAULTS faults (default 4, with --long 5) can lead to.  Prints what was explored; fails on the first
# error, and leaves its trail for README.md's "how to read a counterexample".  --long: also the
# settings that take minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
long=
[ "${1:-}" != --long ] || { long=yes; shift; }
faults=${1:-${long:+5}}
faults=${faults:-4}
seconds=240 # of processor time, for each
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v spin >/dev/null || { echo "check.sh: spin is not installed" >&2; exit 77; }
cp "$here/evacuation.pml" "$here/handover.pml" "$here/maintenance.pml" "$here/ownership.pml" \
	"$here/refresh.pml" "$here/vmbackup.pml" "$work"
"$here/states.sh" "$here/../../migrd/move/states.c" >"$work/states.pml"
cd "$work"

verify() { # MODEL NAME MACROS...
	model=$1 name=$2
	shift 2
	spin -a "$@" "$model.pml" >spin.log || { cat spin.log; exit 2; }
	${CC:-cc} -O2 -w -DSAFETY -DMEMLIM=6144 -o pan pan.c
	# shellcheck disable=SC3045 # dash and bash have it
	(ulimit -t "$seconds"; nice -n 5 ./pan -m10000 -w26) >pan.log 2>&1 || true
	awk -v name="$name" '
		/depth reached/ { depth = $6; errors = $NF }
		/states, stored/ { states = $1 }
		/elapsed time/ { time = $4 }
		END { printf "%-36s states %-9s depth %-4s errors %-2s %s s\n", name, states,
		      depth + 0, errors, time }' pan.log
	if ! grep -q 'errors: 0' pan.log || grep -q 'not completed\|max search depth' pan.log; then
		grep -v '^$' pan.log | head -5
		cp -f ./*.trail "$OLDPWD" 2>/dev/null && echo "trail: $OLDPWD, macros: $*"
		exit 1
	fi
}

verify handover "3 faults, a user, hosts die" -DFAULTS=3 -DKILL
verify handover "$faults faults, QEMUs and hosts die" -DFAULTS="$faults" -DKILL -DUSER=0
verify handover "4 faults, a guest that stops itself" -DFAULTS=4 -DUSER=0 -DGUEST=1
verify handover "3 faults, a database is lost" -DFAULTS=3 -DKILL -DUSER=0 -DLOSE
verify handover "3 faults, an operator decides" -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE
verify handover "2 faults, a user, post-copy" -DFAULTS=2 -DPOSTCOPY
verify handover "2 faults, hosts die, post-copy" -DFAULTS=2 -DKILL -DUSER=0 -DPOSTCOPY
verify handover "2 faults, a user, by force" -DFAULTS=2 -DFORCE
verify handover "2 faults, hosts die, by force" -DFAULTS=2 -DKILL -DUSER=0 -DFORCE
verify handover "1 fault, a user, by force, disks" -DFAULTS=1 -DFORCE -DDISKS
verify handover "3 faults, a coordinator stays away" -DFAULTS=3 -DKILL -DUSER=0 -DAWAY
verify handover "2 faults, it stays away, disks" -DFAULTS=2 -DUSER=0 -DAWAY -DDISKS
verify handover "2 faults, it stays away, post-copy" -DFAULTS=2 -DUSER=0 -DAWAY -DPOSTCOPY
verify handover "2 faults, a user, disks" -DFAULTS=2 -DDISKS
verify handover "3 faults, hosts die, disks" -DFAULTS=3 -DKILL -DUSER=0 -DDISKS
verify ownership "5 faults, 2 moves, starts by hand" -DFAULTS=5 -DMOVES=2
verify ownership "4 faults, 3 moves, starts by hand" -DFAULTS=4 -DMOVES=3
verify refresh "8 faults, another QEMU of the same host" -DFAULTS=8
verify vmbackup "5 faults, a backup of a disk" -DFAULTS=5
verify evacuation "1 fault, 1 act of a user" -DFAULTS=1 -DUSER=1
verify evacuation "1 fault, 1 act, one may stay" -DFAULTS=1 -DUSER=1 -DLEFT
verify evacuation "1 fault, 1 act, one is being created" -DFAULTS=1 -DUSER=1 -DNEW
verify evacuation "1 fault, 1 act, others make room" -DFAULTS=1 -DUSER=1 -DOTHERS=2
verify maintenance "2 faults, 1 act of a person" -DFAULTS=2 -DUSER=1
verify maintenance "2 faults, hooks reboot" -DFAULTS=2 -DUSER=1 -DREBOOTS
verify maintenance "2 faults, one conducts itself" -DFAULTS=2 -DUSER=1 -DSELF
verify maintenance "2 faults, one may fail" -DFAULTS=2 -DUSER=0 -DFAILURES=2
verify maintenance "2 faults, who fails is filled again" -DFAULTS=2 -DUSER=0 -DFAILURES=2 -DRETURNS
[ "$long" ] || exit 0
verify handover "$faults faults, a user" -DFAULTS="$faults"
verify handover "3 faults, a user, post-copy" -DFAULTS=3 -DPOSTCOPY
verify handover "3 faults, hosts die, post-copy" -DFAULTS=3 -DKILL -DUSER=0 -DPOSTCOPY
verify handover "3 faults, it stops itself, post-copy" -DFAULTS=3 -DUSER=0 -DGUEST=1 -DPOSTCOPY
verify handover "3 faults, a lost database, post-copy" -DFAULTS=3 -DKILL -DUSER=0 -DLOSE -DPOSTCOPY
verify handover "3 faults, an operator, post-copy" -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE -DPOSTCOPY
verify handover "3 faults, a user, disks" -DFAULTS=3 -DDISKS
verify handover "2 faults, a user, hosts die, disks" -DFAULTS=2 -DKILL -DDISKS
verify handover "4 faults, hosts die, disks" -DFAULTS=4 -DKILL -DUSER=0 -DDISKS
verify handover "3 faults, it stops itself, disks" -DFAULTS=3 -DUSER=0 -DGUEST=1 -DDISKS
verify handover "3 faults, a lost database, disks" -DFAULTS=3 -DKILL -DUSER=0 -DLOSE -DDISKS
verify handover "3 faults, an operator, disks" -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE -DDISKS
verify handover "2 faults, a user, disks, post-copy" -DFAULTS=2 -DDISKS -DPOSTCOPY
verify handover "3 faults, hosts die, disks, post-copy" -DFAULTS=3 -DKILL -DUSER=0 -DDISKS -DPOSTCOPY
verify handover "2 faults, a lost database, disks" -DFAULTS=2 -DKILL -DUSER=0 -DLOSE -DDISKS
verify handover "2 faults, an operator, disks" -DFAULTS=2 -DKILL -DUSER=0 -DRESOLVE -DDISKS
verify handover "2 faults, hosts die, disks, post-copy" -DFAULTS=2 -DKILL -DUSER=0 -DDISKS -DPOSTCOPY
verify evacuation "3 faults" -DFAULTS=3 -DUSER=0
verify evacuation "3 faults, one is being created" -DFAULTS=3 -DUSER=0 -DNEW
verify evacuation "no fault, 2 acts of users" -DFAULTS=0 -DUSER=2
verify maintenance "3 faults, 1 act of a person" -DFAULTS=3 -DUSER=1
verify maintenance "3 faults, hooks reboot, itself" -DFAULTS=3 -DUSER=0 -DREBOOTS -DSELF
verify maintenance "2 faults, both at once" -DFAULTS=2 -DUSER=1 -DAT_ONCE=2 -DFAILURES=2
